# SPDX-License-Identifier: Apache-2.0
"""Rolls one plane back and forth under load: no turn runs on a mixture, and how soon the next answer shows it.

    python -m benchmarks.rollback [--moves 20] [--rate 200]

Two releases differ in their prompt only. While clients ask at a fixed rate the prompt plane is rolled back, the hold is
lifted, and the newer release is promoted again, through the control API with the store opened beside the running server
(what `customhouse rollback` does). The upstream repeats the system prompt it was sent, so that afterwards three things
are compared for every turn: what the model was really told, what the header said, and what the evidence says.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
from benchmarks.house import ASSISTANT, House, house, serving
from benchmarks.ledger_reader import Log
from benchmarks.measure import RESULTS, keep, percentile
from benchmarks.turn_log import Turn
from tests.upstream.replies import answer
from tests.upstream.server import scripted_upstream
from tests.upstream.wire import Received, Step

from customhouse.cli.client import Client

PROMPTS: Final = ("You are polite. First wording.", "You are polite and brief. Second wording.")
SETTLE_S: Final = 1.2
TENANT: Final = "default"
OTHER_PLANES: Final = ("model", "tools", "retrieval", "safety")


@dataclass(frozen=True, slots=True)
class Move:
    """One move of the pins: when the control API had answered, and the generation it made."""

    at: float
    generation: int


@dataclass(slots=True)
class Outcome:
    """What a series of moves showed. `faults` must be empty."""

    turns: list[Turn] = field(default_factory=list[Turn])
    moves: list[Move] = field(default_factory=list[Move])
    seen_after_s: list[float] = field(default_factory=list[float])
    faults: list[str] = field(default_factory=list[str])


def parrot(request: Received) -> Iterator[Step]:
    """Answer with the system prompt that came."""
    told = next((item["content"] for item in request.body["messages"] if item["role"] == "system"), "none")
    return answer(str(told))(request)


def run(moves: int, rate: int, parent: Path = RESULTS) -> Outcome:
    """Move the prompt plane so many times, back and forth, at this rate of requests a second."""
    with (
        scripted_upstream(parrot) as upstream,
        house(upstream.base_url, PROMPTS, parent) as furnished,
        serving(furnished),
    ):
        outcome = asyncio.run(_drive(furnished, moves, rate))
        digests = _prompt_digests(furnished)
        log = Log(TENANT)
        log.read_on(furnished.home)
    log.require_one_snapshot()
    log.require_ended_calls()
    outcome.faults += log.faults
    judge(outcome, log, digests)
    return outcome


def judge(outcome: Outcome, log: Log, digests: dict[str, str]) -> None:
    """Compare, for every turn, what the model was told with what the header and the evidence say."""
    others: set[tuple[str, ...]] = set()
    for turn in outcome.turns:
        (accepted,) = (record for record in log.traces[turn.trace_id] if record["kind"] == "request.accepted")
        versions = accepted["versions"]
        others.add(tuple(versions[plane] for plane in OTHER_PLANES))
        if digests.get(versions["prompt"]) != turn.told:
            outcome.faults.append(f"trace {turn.trace_id}: evidence names another prompt than the model was told")
        if (accepted["release"], accepted["generation"]) != (turn.release, turn.generation):
            outcome.faults.append(f"trace {turn.trace_id}: header and evidence differ")
    if len(others) != 1:
        outcome.faults.append(f"the other four planes moved: {len(others)} combinations")
    for move in outcome.moves:
        after = [turn.at for turn in outcome.turns if turn.generation >= move.generation]
        if after:
            outcome.seen_after_s.append(max(min(after) - move.at, 0.0))
        else:
            outcome.faults.append(f"generation {move.generation} was never seen")


async def _drive(furnished: House, moves: int, rate: int) -> Outcome:
    outcome, stop = Outcome(), asyncio.Event()
    headers = {"authorization": f"Bearer {furnished.key}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        load = asyncio.create_task(_ask_at_rate(session, furnished.url, rate, outcome, stop))
        await asyncio.sleep(SETTLE_S)
        for number in range(moves):
            generation = await asyncio.to_thread(_move, furnished.control(), forward=number % 2 == 1)
            outcome.moves.append(Move(time.monotonic(), generation))
            await asyncio.sleep(SETTLE_S)
        stop.set()
        await load
    return outcome


def _move(control: Client, *, forward: bool) -> int:
    """Move the prompt plane back, or lift the hold and promote the newer release; return the new generation."""
    try:
        if forward:
            for hold in _plain(control.call("GET", "/api/v1/holds"))["holds"]:
                if hold.get("lifted_at") is None and hold.get("lifted") is None:
                    control.call("POST", f"/api/v1/holds/{hold['seq']}/lift", {"reason": "benchmark"})
            body = {"assistant": ASSISTANT, "number": len(PROMPTS), "environment": "dev"}
            moved = control.call("POST", "/api/v1/promotions", body)
        else:
            body = {"assistant": ASSISTANT, "planes": ["prompt"], "to": 1, "environment": "dev", "reason": "benchmark"}
            moved = control.call("POST", "/api/v1/rollbacks", body)
    finally:
        control.close()
    return int(_plain(moved)["moved"]["generation"])


async def _ask_at_rate(
    session: aiohttp.ClientSession, url: str, rate: int, outcome: Outcome, stop: asyncio.Event
) -> None:
    due = time.monotonic()
    async with asyncio.TaskGroup() as group:
        while not stop.is_set():
            group.create_task(_ask(session, url, outcome))
            due += 1 / rate
            await asyncio.sleep(max(due - time.monotonic(), 0))


async def _ask(session: aiohttp.ClientSession, url: str, outcome: Outcome) -> None:
    body = {"model": ASSISTANT, "messages": [{"role": "user", "content": "Hello"}]}
    async with session.post(f"{url}/v1/chat/completions", json=body) as response:
        content = await response.json()
        if response.status != 200:
            outcome.faults.append(f"status {response.status}: {content}")
            return
        headers = response.headers
    outcome.turns.append(
        Turn(
            at=time.monotonic(),
            trace_id=headers["customhouse-trace-id"],
            release=headers["customhouse-release"],
            generation=int(headers["customhouse-generation"]),
            told=content["choices"][0]["message"]["content"],
        )
    )


def _prompt_digests(furnished: House) -> dict[str, str]:
    """Return the prompt text under each version's digest."""
    control = furnished.control()
    try:
        shown = [_plain(control.call("GET", f"/api/v1/releases/{ASSISTANT}/{number}")) for number in (1, 2)]
    finally:
        control.close()
    return {one["release"]["statement"]["planes"]["prompt"]: text for one, text in zip(shown, PROMPTS, strict=True)}


def _plain(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"the control API answered {type(value).__name__}")
    return value  # pyright: ignore[reportUnknownVariableType] - plain data from the API


def main() -> None:
    """Run a series and keep its figures; exit 1 when a turn ran on a mixture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moves", type=int, default=40)
    parser.add_argument("--rate", type=int, default=200)
    options = parser.parse_args()
    outcome = run(options.moves, options.rate)
    figures = {
        "moves": len(outcome.moves),
        "rate": options.rate,
        "turns": len(outcome.turns),
        "seen_after_ms_p50": round(percentile(outcome.seen_after_s, 0.5) * 1000),
        "seen_after_ms_p99": round(percentile(outcome.seen_after_s, 0.99) * 1000),
        "seen_after_ms_max": round(max(outcome.seen_after_s) * 1000),
        "faults": outcome.faults[:20],
    }
    keep("rollback", figures)
    print(figures)
    sys.exit(bool(outcome.faults))


if __name__ == "__main__":
    main()
