# SPDX-License-Identifier: Apache-2.0
"""Many people move the same thing at the same moment, on different replicas: one of them wins each generation.

Two kinds of rounds, for pins and for switches. In the first everybody names the generation that he saw, so exactly one
may win. In the second nobody does, so everybody who is not told that there is nothing to do wins, each a generation of
his own: no number is given twice, none is left out, and the table of what happened names the same ones.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any, Final

import psycopg
from benchmarks.house import ASSISTANT

from customhouse.cli.client import Client, Refused
from customhouse.cli.transport import Remote

ENVIRONMENT: Final = "dev"
MOVED: Final = "pins.generation_moved"
NOTHING: Final = "pins.nothing_to_do"
_PINS: Final = "SELECT generation FROM customhouse.pin_event WHERE environment = 'dev' AND generation > %s ORDER BY seq"
_PIN_GENERATION: Final = "SELECT generation FROM customhouse.environment WHERE name = 'dev'"
_BASE: Final = "SELECT release_number FROM customhouse.base_release WHERE environment = 'dev'"
_SWITCHES: Final = "SELECT generation FROM customhouse.switch_generation"


@dataclass(slots=True)
class Contention:
    """What rounds of concurrent moves showed. `faults` must be empty."""

    asked: int = 0
    won: int = 0
    lost: int = 0
    faults: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Crowd:
    """People with operator keys at several replicas, over one database."""

    urls: Sequence[str]
    operator_key: str
    database: str
    size: int

    def promotions(self) -> Contention:
        """Promote releases 1 and 2 of the same assistant, everybody at once, in both kinds of rounds."""
        outcome = Contention()
        before = self._asked(_PIN_GENERATION)
        wanted = 3 - self._asked(_BASE)
        promotion: dict[str, object] = {"assistant": ASSISTANT, "environment": ENVIRONMENT}
        first = self._together(
            "/api/v1/promotions", lambda _: {**promotion, "number": wanted, "expected_generation": before}
        )
        _one_winner(outcome, first, before)
        second = self._together("/api/v1/promotions", lambda n: {**promotion, "number": n % 2 + 1})
        _contiguous(outcome, second, before + 1)
        with psycopg.connect(self.database) as connection:
            events = [row[0] for row in connection.execute(_PINS, (before,)).fetchall()]
        after = self._asked(_PIN_GENERATION)
        if events != list(range(before + 1, after + 1)):
            outcome.faults.append(f"events name the generations {events}, from {before} to {after}")
        return outcome

    def switches(self) -> Contention:
        """Throw switches, everybody at once, in both kinds of rounds."""
        outcome = Contention()
        before = self._asked(_SWITCHES)
        switch: dict[str, object] = {"reason": "benchmark"}
        first = self._together(
            "/api/v1/switches", lambda n: {**switch, "scope": f"tool:first_{n}", "expected_generation": before}
        )
        _one_winner(outcome, first, before)
        second = self._together("/api/v1/switches", lambda n: {**switch, "scope": f"tool:second_{n}"})
        _contiguous(outcome, second, before + 1)
        if (after := self._asked(_SWITCHES)) != before + 1 + self.size:
            outcome.faults.append(f"{self.size} switches led from generation {before + 1} to {after}")
        return outcome

    def _together(self, path: str, body: Callable[[int], dict[str, object]]) -> list[int | str]:
        """Send one request each at the same moment; return the generation that it made, or the code of its refusal."""
        start = Barrier(self.size)

        def ask(number: int) -> int | str:
            client = Client(Remote(self.urls[number % len(self.urls)], self.operator_key))
            try:
                start.wait(30)
                answer: Any = client.call("POST", path, body(number))
            except Refused as error:
                return error.code
            finally:
                client.close()
            return int(answer["moved"]["generation"] if "moved" in answer else answer["generation"])

        with ThreadPoolExecutor(self.size) as pool:
            return list(pool.map(ask, range(self.size)))

    def _asked(self, query: str) -> int:
        with psycopg.connect(self.database) as connection:
            row = connection.execute(query.encode()).fetchone()
        return 0 if row is None else int(row[0])


def _one_winner(outcome: Contention, answers: list[int | str], before: int) -> None:
    won = _count(outcome, answers, MOVED)
    if won != [before + 1]:
        outcome.faults.append(f"everybody expected generation {before}, and these were made: {won}")


def _contiguous(outcome: Contention, answers: list[int | str], before: int) -> None:
    won = _count(outcome, answers, NOTHING)
    if sorted(won) != list(range(before + 1, before + 1 + len(won))):
        outcome.faults.append(f"after generation {before} these were made: {sorted(won)}")


def _count(outcome: Contention, answers: list[int | str], refusal: str) -> list[int]:
    won = [answer for answer in answers if isinstance(answer, int)]
    others = {answer for answer in answers if isinstance(answer, str)} - {refusal}
    if others:
        outcome.faults.append(f"refused for another reason than {refusal}: {sorted(others)}")
    outcome.asked += len(answers)
    outcome.won += len(won)
    outcome.lost += len(answers) - len(won)
    return won
