# SPDX-License-Identifier: Apache-2.0
"""Evidence on PostgreSQL: records a second through staging and sequencer, and how long a durable append takes.

    python -m benchmarks.evidence_postgres [--seconds 30] [--rate 6000] [--writers 2]

Sustained: writer processes make the records of turns with the gateway's own code, payloads sealed under tenants' keys,
and append them as turns do: twice for each turn, many turns at once, through the gateway's role and row security. One
more process is the sequencer. A record counts when it has its place in the chain. The rate is offered, not asked for as
fast as it goes: a run that cannot keep up shows a backlog that grows. The CPU of every process is counted.

Acknowledgement: one `customhouse serve`, which is the sequencer too, is asked 200 times a second. What counts is its
own account of both appends of each turn, from the built record to the durable commit.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from benchmarks import turn_log
from benchmarks.bench import program
from benchmarks.database import Server, postgres
from benchmarks.house import ASSISTANT, House, free_port, house, serving
from benchmarks.measure import BIN, LOAD_CORE, ROOT, cpu_ns_of, keep, load, percentile, pinned, tree
from benchmarks.turn_records import turn_records

from customhouse.app import Installation, installation
from customhouse.domain.principal import Principal
from customhouse.gateway.prepare import Prepared, prepare
from customhouse.ledger import leader
from customhouse.ledger.sequence import Sequencer
from customhouse.settings import Settings
from customhouse.vault.seal import TenantKey

TENANTS: Final = 8
BURST_S: Final = 0.02
"""Turns of a fiftieth of a second begin together: what one gateway has in flight at a time."""
MOST_UNFINISHED: Final = 2000
"""A writer that has so many appends unfinished waits: a server pushes back in the same way (`max_turns`)."""
RECORDS: Final = 5.5
"""Records of a turn: half of them have four, half have seven."""
KEPT_UP: Final = 0.97
"""The share of what was offered that must have been written: the last turns end after the time is over."""
ACK_RATE: Final = 200
APPENDS: Final = ("record", "evidence")
"""The steps of a turn that wait for an append."""


@dataclass(frozen=True, slots=True)
class Wrote:
    """What one writer did."""

    records: int
    seconds: float
    ack_us: list[float]


class Spent:
    """CPU time of process trees from now on, also of processes that end: a look now and then keeps what they had."""

    def __init__(self, of: dict[str, int]) -> None:
        """Begin with what the trees have used until now."""
        self.of = of
        self._before = {pid: cpu_ns_of(pid) for root in of.values() for pid in tree(root)}
        self._used: dict[str, dict[int, int]] = {}

    def look(self) -> None:
        """Read what every process of the trees has used since."""
        for name, root in self.of.items():
            used = self._used.setdefault(name, {})
            for pid in tree(root):
                used[pid] = max(used.get(pid, 0), cpu_ns_of(pid) - self._before.get(pid, 0))

    def us(self) -> dict[str, float]:
        """Return the CPU time of each tree."""
        return {name: sum(used.values()) / 1000 for name, used in self._used.items()}


def main() -> None:
    """Measure both and keep the figures; or be one of the processes of a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rate", type=float, default=6000, help="records offered a second")
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--part", choices=("writer", "sequencer"), help=argparse.SUPPRESS)
    parser.add_argument("--settings", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part is not None:
        settings = msgspec.json.decode(options.settings, type=Settings)
        asyncio.run(write(settings, options.rate, options.seconds) if options.part == "writer" else sequence(settings))
        return
    port = free_port()
    with (
        program([*pinned(LOAD_CORE), str(BIN / "upstream"), str(port)]),
        postgres() as server,
        house(f"http://127.0.0.1:{port}/v1", database=server.url) as furnished,
    ):
        acknowledged = measure_acknowledgement(furnished, options.seconds)
        sustained = measure_sustained(server, furnished, options.writers, options.rate, options.seconds)
        keep("evidence_postgres", {**sustained, **acknowledged, "server": server.settings()})
    print(json.dumps({**sustained, **acknowledged}, indent=1))
    sys.exit(not sustained["kept_up"])


def measure_sustained(server: Server, furnished: House, writers: int, rate: float, seconds: float) -> dict[str, Any]:
    """Offer records at a rate and return how many got their places, the backlog, and the CPU of every process."""
    sequencer = _part(furnished.beside(0), "sequencer", 0, 0)
    try:
        _until(server, "SELECT count(*) FROM sequencer WHERE epoch > 0", 1)
        houses = [furnished.beside(n) for n in range(1, writers + 1)]
        spent = Spent({"postgres": server.pid, "sequencer": sequencer.pid})
        running = [_part(each, "writer", rate / writers, seconds) for each in houses]
        spent.of.update({f"writer {n}": each.pid for n, each in enumerate(running)})
        backlog: list[int] = []
        began = time.monotonic()
        while any(each.poll() is None for each in running) and time.monotonic() < began + 3 * seconds + 60:
            time.sleep(0.25)
            spent.look()
            backlog.append(_backlog(server))
        wrote = [_wrote(each, process, 1) for each, process in zip(houses, running, strict=True)]
        ended = time.monotonic()
        _until(server, "SELECT count(*) FROM evidence_staged", 0)
        drained_s = time.monotonic() - ended
        spent.look()
        (placed,) = server.asked("SELECT sum(size)::bigint FROM chain_head WHERE tenant_id LIKE 'tenant-%'")[0]
    finally:
        sequencer.terminate()
        sequencer.wait()
    written, longest_s = sum(each.records for each in wrote), max(each.seconds for each in wrote)
    steady = backlog[len(backlog) // 4 :]
    used_us = spent.us()
    ack_us = [us for each in wrote for us in each.ack_us]
    return {
        "writers": writers,
        "offered_per_s": rate,
        "seconds": round(longest_s, 1),
        "written": written,
        "placed": placed,
        "written_per_s": round(written / longest_s),
        "kept_up": placed == written and written / longest_s >= KEPT_UP * rate and max(steady) < rate,
        "backlog_median": sorted(steady)[len(steady) // 2],
        "backlog_max": max(steady),
        "drained_after_s": round(drained_s, 2),
        "cpu_us_per_record": {
            "writers": round(sum(us for name, us in used_us.items() if name.startswith("writer")) / written, 1),
            "sequencer": round(used_us["sequencer"] / written, 1),
            "postgres": round(used_us["postgres"] / written, 1),
        },
        "loaded_ack_ms_p50": round(percentile(ack_us, 0.5) / 1000, 2),
        "loaded_ack_ms_p99": round(percentile(ack_us, 0.99) / 1000, 2),
    }


def measure_acknowledgement(furnished: House, seconds: float) -> dict[str, Any]:
    """Ask a gateway 200 times a second; return how long its appends took, and the turn as its client saw it."""
    log, body = furnished.home / "answers.log", furnished.home / "body.json"
    body.write_text(json.dumps({"model": ASSISTANT, "messages": [{"role": "user", "content": "Where is my order?"}]}))
    with serving(furnished):
        options = ("-c", "32", "-r", str(ACK_RATE), "-d", str(seconds), "-l", str(log))
        seen = load(furnished.port, body, *options, headers=(f"authorization: Bearer {furnished.key}",))
    turns, refused = turn_log.read(log)
    if refused:
        raise RuntimeError(f"{len(refused)} answers were refused, the first with status {refused[0].status}")
    ack_us = [turn.steps_us[step] for turn in turns for step in APPENDS]
    return {
        "ack_turns_per_s": ACK_RATE,
        "acks": len(ack_us),
        "ack_ms_p50": round(percentile(ack_us, 0.5) / 1000, 2),
        "ack_ms_p99": round(percentile(ack_us, 0.99) / 1000, 2),
        "ack_ms_max": round(max(ack_us) / 1000, 2),
        "turn_ms_p50": round(seen["p50_us"] / 1000, 2),
        "turn_ms_p99": round(seen["p99_us"] / 1000, 2),
    }


async def sequence(settings: Settings) -> None:
    """Be the sequencer until ended."""
    async with installation(settings) as built:
        assert built.stores.leadership is not None  # noqa: S101 - the run is on PostgreSQL
        duties = leader.duties(built.control.ledger, built.control.clock, settings.payload_retention_days)
        await Sequencer(
            built.stores.sequencer, built.stores.leadership, built.control.clock, built.replica, duties
        ).run()


async def write(settings: Settings, rate: float, seconds: float) -> None:
    """Append the records of turns at a rate (records a second) and print what was done."""
    async with AsyncExitStack() as stack:
        built = await stack.enter_async_context(installation(settings))
        await built.current.refresh()
        snapshot = built.current.get("dev", ASSISTANT)
        assert snapshot is not None  # noqa: S101 - the house has a release in dev
        writer = _Writer(built, prepare(snapshot))
        await writer.open([f"tenant-{n}" for n in range(TENANTS)])
        print(json.dumps(await writer.run(rate, seconds)))


class _Writer:
    def __init__(self, built: Installation, prepared: Prepared) -> None:
        self._ledger, self._clock = built.control.ledger, built.control.clock
        self._current, self._prepared = built.current, prepared
        self._keys: list[tuple[Principal, TenantKey]] = []
        self._ack_us: list[float] = []
        self._records = 0

    async def open(self, tenants: list[str]) -> None:
        """Make every tenant's key, so that no turn waits for it."""
        for tenant in tenants:
            principal = Principal("key_bench", tenant, ASSISTANT, "dev", "user:42", "asserted")
            self._keys.append((principal, await self._ledger.tenant_key(tenant)))

    async def run(self, rate: float, seconds: float) -> dict[str, Any]:
        """Begin turns at their times until `seconds` are over, and wait for the last of them."""
        unfinished: set[asyncio.Task[None]] = set()
        began = due = time.monotonic()
        number, offered = 0, 0.0
        while due < began + seconds:
            offered += rate * BURST_S
            while number * RECORDS < offered:
                task = asyncio.create_task(self._turn(number))
                unfinished.add(task)
                task.add_done_callback(unfinished.discard)
                number += 1
            due += BURST_S
            await asyncio.sleep(max(due - time.monotonic(), 0))
            while len(unfinished) > MOST_UNFINISHED:
                await asyncio.wait(unfinished, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*unfinished)
        return {"records": self._records, "seconds": time.monotonic() - began, "ack_us": self._ack_us}

    async def _turn(self, number: int) -> None:
        principal, key = self._keys[number % TENANTS]
        turn = await turn_records(self._prepared, self._current, principal, key, self._clock, tool=number % 2 == 0)
        for entries in (turn.called, turn.completed):
            began = time.perf_counter_ns()
            await self._ledger.append(entries)
            self._ack_us.append((time.perf_counter_ns() - began) / 1000)
        self._records += turn.records


def _part(furnished: House, part: str, rate: float, seconds: float) -> subprocess.Popen[bytes]:
    settings = msgspec.json.encode(furnished.settings).decode()
    options = ["--part", part, "--rate", str(rate), "--seconds", str(seconds), "--settings", settings]
    with (furnished.home / "said.json").open("wb") as said:  # a pipe would hold a writer up that says much
        command = [sys.executable, "-m", "benchmarks.evidence_postgres", *options]
        return subprocess.Popen(command, cwd=ROOT, stdout=said)


def _wrote(furnished: House, process: subprocess.Popen[bytes], limit_s: float) -> Wrote:
    if process.wait(limit_s):
        raise RuntimeError(f"a writer ended with status {process.returncode}")
    return Wrote(**json.loads((furnished.home / "said.json").read_text()))


def _backlog(server: Server) -> int:
    return int(server.asked("SELECT count(*) FROM evidence_staged")[0][0])


def _until(server: Server, count: Any, wanted: int, limit_s: float = 60) -> None:  # noqa: ANN401 - a literal query
    deadline = time.monotonic() + limit_s
    while server.asked(count)[0][0] != wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count} did not come to {wanted}")
        time.sleep(0.02)


if __name__ == "__main__":
    main()
