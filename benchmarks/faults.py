# SPDX-License-Identifier: Apache-2.0
"""A whole server whose disks fail under load: no space, EIO, an fsync that fails or takes its time; and it is killed.

    python -m benchmarks.faults [--rounds 3] [--seed 1]

Clients of an assistant in each failure mode note every answer that they received completely. Fault after fault begins
and ends; each time the server must come back by itself. Then the logs are read by a program that shares no code with
the writer, and each answer is looked up (crash_answers.py). Three ways to make a disk fail:

- layer: under SQLite and under the spool, in the server's own process (tests/acceptance/faulty_server.py); everywhere.
- strace: the system calls of an ordinary server are made to fail; where tracing a process is permitted.
- tmpfs: a small file system of its own that really is full; where mounting is permitted.
"""

import argparse
import asyncio
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks import crash_answers
from benchmarks.crash import model
from benchmarks.crash_clients import Clients, ask_until
from benchmarks.house import CUSTOMHOUSE, PROMPT, documents
from benchmarks.measure import RESULTS, keep
from benchmarks.reading import Reading, read_home
from benchmarks.replicas import Replica, all_ready, fleet
from tests.upstream.server import scripted_upstream

FAULT_S: Final = 1.8
"""How long a fault lasts: longer than an append waits, so that turns meet it in every state."""
HEALTHY_S: Final = 0.5
KILLED: Final = 0.3
"""Of the faults, the share in whose middle the server is killed."""
QUIET_LIMIT_S: Final = 20
POLL_S: Final = 0.05
TMPFS_BYTES: Final = 48 * 1024 * 1024
SLOW_S: Final = 1.5
SERVER: Final = (str(CUSTOMHOUSE), "serve")
FAULTY_SERVER: Final = (sys.executable, "-m", "tests.acceptance.faulty_server")

Begin = Callable[[Replica], AbstractAsyncContextManager[None]]
"""Begins a fault of a server, which lasts as long as the block."""


@dataclass(slots=True)
class Outcome:
    """What a series showed. `faults` must be empty; `seen` counts the series of each fault."""

    seen: Counter[str] = field(default_factory=Counter[str])
    killed: int = 0
    clients: Clients = field(default_factory=Clients)
    reading: Reading = field(default_factory=Reading)
    judged: crash_answers.Judged = field(default_factory=crash_answers.Judged)
    faults: list[str] = field(default_factory=list[str])


def run(
    faults: dict[str, Begin], command: Sequence[str], rounds: int, seed: int, parent: Path, outcome: Outcome
) -> Outcome:
    """Let each fault happen so many times to a server below `parent`; `seed` decides the order and the kills."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable schedule, no secret
    plan = [name for name in faults for _ in range(rounds)]
    chance.shuffle(plan)
    with scripted_upstream(model) as upstream:
        (server,) = (found := fleet(parent, "", 1, documents(upstream.base_url, PROMPT))).replicas
        server.command = tuple(command)

        async def main() -> None:
            async with asyncio.TaskGroup() as group:
                supervised = group.create_task(server.supervise())
                outcome.faults += await all_ready([server])
                stop = asyncio.Event()
                asking = group.create_task(ask_until(stop, found, chance.getrandbits(32), outcome.clients))
                for name in plan:
                    await asyncio.sleep(HEALTHY_S)
                    async with faults[name](server):
                        await asyncio.sleep(FAULT_S / 2)
                        if chance.random() < KILLED:
                            outcome.killed += 1
                            server.kill()
                        await asyncio.sleep(FAULT_S / 2)
                    outcome.seen[name] += 1
                    outcome.faults += [f"after {name}: {late}" for late in await all_ready([server])]
                stop.set()
                await asking
                outcome.faults += await all_ready([server])
                await _quiet(server)
                if not await server.stop():
                    outcome.faults.append("the server did not stop when it was told to")
                await supervised

        asyncio.run(main())
    outcome.reading = read_home(server.home)
    outcome.judged = crash_answers.judge(outcome.clients.answers, outcome.reading)
    outcome.faults += [*outcome.clients.faults, *outcome.reading.faults]
    return outcome


async def _quiet(server: Replica) -> None:
    """Wait until no call is open; the reading tells when that does not happen."""
    counted = "SELECT (SELECT count(*) FROM open_call) + (SELECT count(*) FROM opening)"
    with closing(sqlite3.connect(f"file:{server.home / 'customhouse.db'}?mode=ro", uri=True)) as database:
        for _ in range(int(QUIET_LIMIT_S / POLL_S)):
            if database.execute(counted).fetchone() == (0,):
                return
            await asyncio.sleep(POLL_S)


def layer_faults() -> dict[str, Begin]:
    """Return the faults of the layers in the server's own process."""
    database = {name: {"fault": name} for name in ("ENOSPC", "EIO", "fsync")} | {"slow": {"slow_s": SLOW_S}}
    disk = {name: {"fault": name} for name in ("ENOSPC", "EIO", "short", "fsync")} | {"slow": {"slow_s": SLOW_S}}
    found = {f"database {name}": _told({"database": fault}) for name, fault in database.items()}
    both = {f"database EIO, spool {name}": _told({"database": {"fault": "EIO"}, "disk": disk[name]}) for name in disk}
    return found | both


def strace_faults() -> dict[str, Begin]:
    """Return the faults of an ordinary server's system calls."""
    injected = {
        "EIO at fsync": "fsync,fdatasync:error=EIO",
        "slow fsync": f"fsync,fdatasync:delay_enter={int(SLOW_S * 1_000_000)}",
        "EIO at write": "pwrite64:error=EIO",
        "ENOSPC at write": "pwrite64:error=ENOSPC",
    }
    everywhere = {f"strace {name}": _traced(what, database_only=False) for name, what in injected.items()}
    database = {f"strace {name}, database": _traced(what, database_only=True) for name, what in injected.items()}
    return everywhere | database


def strace_permitted() -> bool:
    """Whether this process may trace another."""
    if shutil.which("strace") is None:
        return False
    with subprocess.Popen(["sleep", "5"]) as traced:
        command = ["strace", "-qq", "-o", "/dev/null", "-p", str(traced.pid)]
        tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            tracer.wait(0.5)
        except subprocess.TimeoutExpired:
            return True
        else:
            return False
        finally:
            tracer.terminate()
            traced.kill()


@contextmanager
def small_disk(path: Path) -> Generator[bool]:
    """Mount a small file system until the block ends; yield whether that is permitted."""
    path.mkdir(parents=True)
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(path)]
    mounted = subprocess.run(mounting, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(path)], check=True)


def full_disk(path: Path) -> dict[str, Begin]:
    """Return the fault of a file system that is full to its last byte."""

    @asynccontextmanager
    async def full(_: Replica) -> AsyncGenerator[None]:
        ballast = path / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)) == 4096:
                    pass
            except OSError:
                yield
            finally:
                ballast.unlink()

    return {"tmpfs full": full}


def _told(fault: dict[str, Any]) -> Begin:
    @asynccontextmanager
    async def begun(server: Replica) -> AsyncGenerator[None]:
        await _tell(server, fault)
        try:
            yield
        finally:
            await _tell(server, {})

    return begun


async def _tell(server: Replica, fault: dict[str, Any]) -> None:
    """Set the faults of a server; one that was killed meanwhile has none."""
    process = server.process
    if process is not None and process.stdin is not None and process.returncode is None:
        process.stdin.write(json.dumps(fault).encode() + b"\n")


def _traced(what: str, *, database_only: bool) -> Begin:
    @asynccontextmanager
    async def begun(server: Replica) -> AsyncGenerator[None]:
        names = ("customhouse.db", "customhouse.db-wal")
        only = [part for name in names for part in ("-P", str(server.home / name))] if database_only else []
        pid = server.process.pid if server.process is not None else 0
        command = ["strace", "-f", "-o", "/dev/null", *only, "-e", f"inject={what}", "-p", str(pid)]
        tracer = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
        try:
            if tracer.stderr is not None:
                await asyncio.wait_for(tracer.stderr.readline(), 10)  # "Process … attached"
            yield
        finally:
            if tracer.returncode is None:
                tracer.terminate()
            await tracer.wait()

    return begun


def series(rounds: int, seed: int) -> dict[str, Any]:
    """Run every way that is permitted here; return the figures of each."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="faults-", dir=RESULTS))
    found: dict[str, Any] = {}
    try:
        done = run(layer_faults(), FAULTY_SERVER, rounds, seed, directory / "layer", Outcome())
        found["layer"] = figures(done)
        if strace_permitted():
            done = run(strace_faults(), SERVER, rounds, seed, directory / "strace", Outcome())
            found["strace"] = figures(done)
        else:
            print("strace: not permitted here")
        with small_disk(directory / "small") as mounted:
            if mounted:
                small = directory / "small"
                done = run(full_disk(small), SERVER, 3 * rounds, seed, small / "fleet", Outcome())
                found["tmpfs"] = figures(done)
            else:
                print("tmpfs: not permitted here")
    finally:
        if any(each["faults"] for each in found.values()):
            print(f"kept for looking at: {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return found


def figures(outcome: Outcome) -> dict[str, Any]:
    """Return what the report prints of one way."""
    return {
        "seen": dict(outcome.seen),
        "killed": outcome.killed,
        "complete_answers": len(outcome.clients.answers),
        "refused": sum(outcome.clients.refused.values()),
        "cut_off": outcome.clients.cut_off,
        "with_complete_evidence": outcome.judged.complete,
        "of_these_through_a_spool": outcome.judged.late,
        "in_declared_gaps": outcome.judged.in_gaps,
        "records": outcome.reading.records,
        "gaps_declared": outcome.reading.count("gap.declared"),
        "faults": outcome.faults[:20],
    }


def main() -> None:
    """Run a series and keep its figures; exit 1 when anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found = series(options.rounds, options.seed)
    keep("faults", {"seed": options.seed, "rounds": options.rounds, "ways": found})
    print(json.dumps(found, indent=1))
    sys.exit(any(each["faults"] for each in found.values()))


if __name__ == "__main__":
    main()
