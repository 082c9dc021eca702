# SPDX-License-Identifier: Apache-2.0
"""Replicas over one PostgreSQL: how soon a move is in force on all of them, and that nothing is ever a mixture.

    python -m benchmarks.convergence [--replicas 8] [--moves 200] [--rate 400] [--crowd 100]

`customhouse serve` runs so many times over one database. Load generators ask each of them at its share of the rate.
The prompt plane is rolled back, and promoted again, through the control API of one replica after the other. From the
moment when the API has answered it is measured when each replica's answers carry the new generation, when the last
answer with the old one came (turns in flight end on their snapshot), when each replica acknowledged it, and how long
`--wait` would have waited. Then crowds promote and throw switches at the same moment (contention.py).
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from benchmarks import turn_log
from benchmarks.bench import program
from benchmarks.contention import ENVIRONMENT, Contention, Crowd
from benchmarks.database import postgres
from benchmarks.house import ASSISTANT, House, free_port, house, serving
from benchmarks.measure import BIN, RESULTS, keep, percentile
from benchmarks.turn_log import Turn

from customhouse.cli.client import Client
from customhouse.cli.transport import Remote

PROMPTS: Final = ("You are polite. First wording.", "You are polite and brief. Second wording.")
CAPTAIN: Final = "dana@acme.test"
LOOK_S: Final = 0.05
"""As often as `--wait` looks."""
SETTLE_S: Final = 0.35
"""After everybody acknowledged a move, before the next: so long the last answers may take."""
MOVE_LIMIT_S: Final = 20
BODY: Final = '{"model":"%s","messages":[{"role":"user","content":"Hello, where is my order?"}]}'


@dataclass(frozen=True, slots=True)
class Move:
    """One move: when the API had answered, its generation, how long the waiting took, and the acknowledgements."""

    at: float
    generation: int
    waited_s: float
    acknowledged_s: tuple[float, ...]


@dataclass(slots=True)
class Outcome:
    """What a run showed. `faults` must be empty."""

    turns: int = 0
    moves: list[Move] = field(default_factory=list[Move])
    first_new_s: list[float] = field(default_factory=list[float])
    everywhere_s: list[float] = field(default_factory=list[float])
    last_old_s: list[float] = field(default_factory=list[float])
    promotions: Contention = field(default_factory=Contention)
    switches: Contention = field(default_factory=Contention)
    faults: list[str] = field(default_factory=list[str])


def run(replicas: int, moves: int, rate: float, crowd: int, parent: Path = RESULTS) -> Outcome:
    """Start everything, move so many times under load, then let the crowds loose."""
    outcome = Outcome()
    with ExitStack() as stack:
        server = stack.enter_context(postgres())
        port = free_port()
        stack.enter_context(program([str(BIN / "upstream"), str(port), "0", "0", "0", "echo"]))
        furnished = stack.enter_context(house(f"http://127.0.0.1:{port}/v1", PROMPTS, parent, server.url))
        key = captain(furnished.control())
        houses = [furnished.beside(number) for number in range(1, replicas + 1)]
        for each in houses:
            stack.enter_context(serving(each))
        with _asking(houses, rate) as logs:
            time.sleep(1)
            for number in range(moves):
                outcome.moves.append(moved(houses, key, number))
        told = prompts(furnished)
        everybody = Crowd([each.url for each in houses], key, server.url, crowd)
        outcome.promotions, outcome.switches = everybody.promotions(), everybody.switches()
        turns = [_turns(log, outcome) for log in logs]
        outcome.turns = sum(len(each) for each in turns)
        outcome.faults += turn_log.mixtures((turn for each in turns for turn in each), server.url, told)
    outcome.faults += [*outcome.promotions.faults, *outcome.switches.faults]
    for move, after in zip(outcome.moves, [*outcome.moves[1:], None], strict=True):
        _judge(outcome, turns, move, after.at if after else float("inf"))
    return outcome


def _judge(outcome: Outcome, turns: list[list[Turn]], move: Move, until: float) -> None:
    """Note when the answers of each replica carried a move."""
    first_new_s: list[float] = []
    for seen in turns:
        new = [turn.at for turn in seen if move.generation <= turn.generation]
        old = [turn.at for turn in seen if turn.generation < move.generation and move.at <= turn.at < until]
        if not new:
            outcome.faults.append(f"generation {move.generation} was never seen on a replica")
            continue
        first_new_s.append(max(min(new) - move.at, 0.0))
        outcome.last_old_s.append(max(old, default=move.at) - move.at)
    outcome.first_new_s += first_new_s
    outcome.everywhere_s.append(max(first_new_s, default=0.0))


def moved(houses: list[House], key: str, number: int) -> Move:
    """Move the prompt plane through one replica, and wait until all of them have acknowledged it."""
    client = Client(Remote(houses[number % len(houses)].url, key))
    try:
        generation = _move(client, forward=number % 2 == 1)
        at, at_wall = time.monotonic(), time.time()
        while True:
            found: Any = client.call("GET", "/api/v1/replicas")
            live = [each for each in found["replicas"] if each["live"]]
            if len(live) == len(houses) and all(each["generations"][ENVIRONMENT] >= generation for each in live):
                break
            if time.monotonic() - at > MOVE_LIMIT_S:
                raise TimeoutError(f"generation {generation} was not acknowledged: {live}")
            time.sleep(LOOK_S)
    finally:
        client.close()
    waited_s = time.monotonic() - at
    applied = (datetime.fromisoformat(each["applied"][ENVIRONMENT]).timestamp() for each in live)
    acknowledged_s = tuple(max(each - at_wall, 0.0) for each in applied)
    time.sleep(SETTLE_S)
    return Move(at, generation, waited_s, acknowledged_s)


def _move(client: Client, *, forward: bool) -> int:
    if forward:
        holds: Any = client.call("GET", "/api/v1/holds")
        for hold in holds["holds"]:
            client.call("POST", f"/api/v1/holds/{hold['seq']}/lift", {"reason": "benchmark"})
        body: dict[str, object] = {"assistant": ASSISTANT, "number": len(PROMPTS), "environment": ENVIRONMENT}
        moved: Any = client.call("POST", "/api/v1/promotions", body)
    else:
        body = {
            "assistant": ASSISTANT,
            "planes": ["prompt"],
            "to": 1,
            "environment": ENVIRONMENT,
            "reason": "benchmark",
        }
        moved = client.call("POST", "/api/v1/rollbacks", body)
    return int(moved["moved"]["generation"])


@contextmanager
def _asking(houses: list[House], rate: float) -> Generator[list[Path]]:
    """Ask every replica at its share of the rate until the block ends; yield where the answers are logged."""
    logs = [each.home / "answers.log" for each in houses]
    running: list[subprocess.Popen[bytes]] = []
    for each, log in zip(houses, logs, strict=True):
        body = each.home / "body.json"
        body.write_text(BODY % ASSISTANT)
        share = ["-r", str(rate / len(houses)), "-c", "16", "-d", "3600", "-l", str(log)]
        where = ["-p", str(each.port), "-u", "/v1/chat/completions", "-b", str(body)]
        command = [str(BIN / "load"), *where, *share, "-H", f"authorization: Bearer {each.key}"]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
    try:
        yield logs
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)


def _turns(log: Path, outcome: Outcome) -> list[Turn]:
    turns, refused = turn_log.read(log)
    if refused:
        outcome.faults.append(f"{len(refused)} answers were refused, the first with status {refused[0].status}")
    return turns


def captain(control: Client) -> str:
    try:
        added: Any = control.call(
            "POST", "/api/v1/people", {"email": CAPTAIN, "roles": ["captain", "oncall", "auditor"]}
        )
    finally:
        control.close()
    return str(added["key"])


def prompts(furnished: House) -> dict[str, str]:
    control = furnished.control()
    try:
        shown: list[Any] = [control.call("GET", f"/api/v1/releases/{ASSISTANT}/{number}") for number in (1, 2)]
    finally:
        control.close()
    return {one["release"]["statement"]["planes"]["prompt"]: text for one, text in zip(shown, PROMPTS, strict=True)}


def main() -> None:
    """Run and keep the figures; exit 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, default=8)
    parser.add_argument("--moves", type=int, default=200, help="half of them rollbacks")
    parser.add_argument("--rate", type=float, default=400, help="requests a second, over all replicas")
    parser.add_argument("--crowd", type=int, default=100)
    options = parser.parse_args()
    outcome = run(options.replicas, options.moves, options.rate, options.crowd)
    waited_s = [move.waited_s for move in outcome.moves]
    acknowledged_s = [each for move in outcome.moves for each in move.acknowledged_s]
    measured = {
        "first_new": outcome.first_new_s,
        "everywhere": outcome.everywhere_s,
        "last_old": outcome.last_old_s,
        "acknowledged": acknowledged_s,
        "waited": waited_s,
    }
    figures = {
        "replicas": options.replicas,
        "moves": len(outcome.moves),
        "rate": options.rate,
        "turns": outcome.turns,
        "ms": {
            name: {
                "p50": round(percentile(values, 0.5) * 1000),
                "p99": round(percentile(values, 0.99) * 1000),
                "max": round(max(values) * 1000),
            }
            for name, values in measured.items()
        },
        "promotions": {"asked": outcome.promotions.asked, "won": outcome.promotions.won},
        "switches": {"asked": outcome.switches.asked, "won": outcome.switches.won},
        "faults": outcome.faults[:20],
    }
    keep("convergence", figures)
    print(figures)
    sys.exit(bool(outcome.faults))


if __name__ == "__main__":
    main()
