# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random points under load, again and again, and nothing repaired by hand.

    python -m benchmarks.crash [--kills 200] [--seed 1]

Clients note the trace id of every answer that they received completely. After each kill the server is started again,
and the log is read by a program that shares no code with it (ledger_reader.py): each of those answers has its evidence
up to response.completed, the chain verifies from position 0, no call is left open, and every call that was cut off has
the end `model.unknown`. One start in ten is itself killed before it is ready, while it may be settling the last crash.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
from benchmarks.house import ASSISTANT, CUSTOMHOUSE, House, house, serving, start
from benchmarks.ledger_reader import Log
from benchmarks.measure import RESULTS, keep, percentile
from tests.upstream.replies import answer, stream, words
from tests.upstream.server import scripted_upstream
from tests.upstream.wire import Received, Step, Wait

CLIENTS: Final = 8
LONGEST_RUN_S: Final = 0.6
KILLED_AT_START: Final = 0.1
TENANT: Final = "default"


@dataclass(slots=True)
class Outcome:
    """What a series of kills showed. `faults` must be empty."""

    kills: int = 0
    killed_while_starting: int = 0
    complete_answers: int = 0
    cut_off_answers: int = 0
    records: int = 0
    unknown_calls: int = 0
    start_s: list[float] = field(default_factory=list[float])
    faults: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Seen:
    """What the clients of one run saw."""

    complete: list[str] = field(default_factory=list[str])
    cut_off: int = 0


def model(request: Received) -> Iterator[Step]:
    """Answer after a few milliseconds, so that a kill meets calls at every stage."""
    yield Wait(0.004)
    yield from (stream(words("one two three four five"), gap_s=0.002) if request.streamed else answer())(request)


def run(kills: int, seed: int, parent: Path = RESULTS) -> Outcome:
    """Kill a server so many times; `seed` decides when."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable schedule, no secret
    outcome, log = Outcome(), Log(TENANT)
    with scripted_upstream(model) as upstream, house(upstream.base_url, parent=parent) as furnished:
        seen = Seen()
        while outcome.kills < kills and not log.faults:
            if chance.random() < KILLED_AT_START:
                kill_while_starting(furnished, chance.uniform(0.1, 1.2))
                outcome.killed_while_starting += 1
            began = time.monotonic()
            process = start(furnished)
            outcome.start_s.append(time.monotonic() - began)
            log.read_on(furnished.home)
            log.require_answers(seen.complete)
            seen = asyncio.run(load_until_killed(furnished, process.pid, chance.uniform(0.02, LONGEST_RUN_S)))
            process.wait()
            outcome.kills += 1
            outcome.complete_answers += len(seen.complete)
            outcome.cut_off_answers += seen.cut_off
        with serving(furnished):
            log.read_on(furnished.home)
        log.require_answers(seen.complete)
        log.require_ended_calls()
        again = Log(TENANT)
        again.read_on(furnished.home)
    outcome.records, outcome.unknown_calls = again.size, again.count("model.unknown")
    outcome.faults = [*log.faults, *again.faults]
    return outcome


async def load_until_killed(furnished: House, pid: int, after_s: float) -> Seen:
    """Ask from several clients at once, kill the server after some time, and return what the clients have."""
    seen = Seen()
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {furnished.key}"}) as session:
        clients = [asyncio.create_task(client(session, furnished.url, seen, number)) for number in range(CLIENTS)]
        await asyncio.sleep(after_s)
        os.kill(pid, signal.SIGKILL)
        await asyncio.gather(*clients)
    return seen


async def client(session: aiohttp.ClientSession, url: str, seen: Seen, number: int) -> None:
    """Ask until the connection breaks; every second client streams."""
    body = {"model": ASSISTANT, "messages": [{"role": "user", "content": "Hello"}], "stream": number % 2 == 1}
    try:
        while True:
            async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                content = await response.read()
                if response.status != 200:
                    raise RuntimeError(f"status {response.status}: {content[:300]!r}")
                if not body["stream"] or content.endswith(b"data: [DONE]\n\n"):
                    seen.complete.append(response.headers["customhouse-trace-id"])
    except aiohttp.ClientError:
        seen.cut_off += 1


def kill_while_starting(furnished: House, after_s: float) -> None:
    """Start a server and kill it before anybody waits for it."""
    environment = {**os.environ, "CUSTOMHOUSE_HOME": str(furnished.home), "CUSTOMHOUSE_PORT": str(furnished.port)}
    command = [str(CUSTOMHOUSE), "serve"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after_s)
    process.kill()
    process.wait()


def main() -> None:
    """Run a series and keep its figures; exit 1 when anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    outcome = run(options.kills, options.seed)
    figures = {
        "seed": options.seed,
        "kills": outcome.kills,
        "killed_while_starting": outcome.killed_while_starting,
        "complete_answers": outcome.complete_answers,
        "cut_off_answers": outcome.cut_off_answers,
        "records": outcome.records,
        "unknown_calls": outcome.unknown_calls,
        "start_s_p50": round(percentile(outcome.start_s, 0.5), 2),
        "start_s_p99": round(percentile(outcome.start_s, 0.99), 2),
        "faults": outcome.faults[:20],
    }
    keep("crash", figures)
    print(figures)
    sys.exit(bool(outcome.faults))


if __name__ == "__main__":
    main()
