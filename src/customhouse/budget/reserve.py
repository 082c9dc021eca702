# SPDX-License-Identifier: Apache-2.0
"""Reserving before a call leaves, settling after it: one transaction at a time for everybody who waits meanwhile.

Rules kept:
- A transaction takes every counter that it needs, in one order, then decides (level.py), then sets them. Other replicas
  wait for it, some 0.5 ms: so no two of them see the same room and both take it.
- It waits for no disk. The `model.called` that follows does, and whatever is durable in a store makes durable what was
  committed before it: no call leaves whose reservation a crash could forget.
- Without an answer of the store nothing is admitted. A caller that no longer waits has its reservation given back.
- A settlement is written once or not at all, and never tried again: a store that failed may have done it. Then what was
  reserved stands until its window ends.

Story: Lee's client leaves while his turn waits for its reservation. It was made in that same millisecond; nobody will
ever settle it. So it is given back with the next transaction.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from customhouse.budget import tables
from customhouse.budget.level import (
    Answer,
    Bound,
    Order,
    Refusal,
    Reservation,
    Settlement,
    Step,
    counters_of,
    work_off,
)
from customhouse.budget.limit import Amounts
from customhouse.domain.errors import BudgetUnavailable
from customhouse.store.database import Database, Transaction

MAX_STEPS: Final = 256
"""Reservations and settlements in one transaction at most, which bounds how long the first of them waits."""
NOTHING: Final = Amounts(0, 0, 0)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiter:
    step: Step
    answer: "asyncio.Future[Answer]"


class Budgets:
    """The counters of one installation, as one process uses them. It keeps no number of its own."""

    def __init__(self, database: Database, *, timeout_s: float) -> None:
        """Keep the store; a reservation that it does not answer within `timeout_s` is refused."""
        self._database = database
        self._timeout_s = timeout_s
        self._waiting: list[_Waiter] = []
        self._flushing: asyncio.Future[list[Answer]] | None = None

    async def reserve(self, bounds: Sequence[Bound], asked: Amounts) -> Reservation | Refusal:
        """Put down what a call may use, in all of its counters or in none. Raises BudgetUnavailable."""
        waiter = self._queue(Order(tuple(bounds), asked))
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await waiter.answer
        except TimeoutError as error:
            self._give_back(waiter)
            raise BudgetUnavailable from error
        except asyncio.CancelledError:
            self._give_back(waiter)
            raise
        assert answer is not None  # noqa: S101 - an order is answered by one of the two
        return answer

    def settle(self, reservation: Reservation, spent: Amounts) -> "asyncio.Future[Answer]":
        """Put down what a call used instead of what was reserved. Returns at once; it happens whoever waits or leaves.

        The future ends when others see it; it raises BudgetUnavailable where the reservation stands instead.
        """
        waiter = self._queue(Settlement(reservation, spent))
        waiter.answer.add_done_callback(_heard)
        return waiter.answer

    def _give_back(self, waiter: _Waiter) -> None:
        """Give back what was reserved in the very moment in which its caller stopped waiting."""
        answer = waiter.answer
        if answer.done() and not answer.cancelled() and answer.exception() is None:
            reservation = answer.result()
            if isinstance(reservation, Reservation):
                self.settle(reservation, NOTHING)

    def _queue(self, step: Step) -> _Waiter:
        waiter = _Waiter(step, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._go_on()
        return waiter

    def _go_on(self) -> None:
        if self._flushing is not None:
            return
        # A caller that is gone before anything was done for it wants nothing any more; what was spent was spent.
        waiting = [each for each in self._waiting if isinstance(each.step, Settlement) or not each.answer.done()]
        batch, self._waiting = waiting[:MAX_STEPS], waiting[MAX_STEPS:]
        if batch:
            steps = [each.step for each in batch]
            self._flushing = self._database.begin_unflushed(lambda tx: _work(tx, steps))
            self._flushing.add_done_callback(lambda done: self._landed(batch, done))

    def _landed(self, batch: Sequence[_Waiter], done: "asyncio.Future[list[Answer]]") -> None:
        self._flushing = None
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or error is not None:
            self._failed(batch, error)
        else:
            for waiter, answer in zip(batch, done.result(), strict=True):
                if not waiter.answer.done():
                    waiter.answer.set_result(answer)
                elif isinstance(answer, Reservation):
                    self.settle(answer, NOTHING)
        self._go_on()

    @staticmethod
    def _failed(batch: Sequence[_Waiter], cause: BaseException | None) -> None:
        lost = sum(isinstance(waiter.step, Settlement) for waiter in batch)
        if lost:
            _log.warning("%d calls were not settled: what they had reserved stands until its window ends", lost)
        for waiter in batch:
            if not waiter.answer.done():
                refused = BudgetUnavailable()
                refused.__cause__ = cause
                waiter.answer.set_exception(refused)


def _work(tx: Transaction, steps: Sequence[Step]) -> list[Answer]:
    before = tables.take(tx, counters_of(steps))
    after, answers = work_off(before, steps)
    tables.put(tx, before, after)
    return answers


def _heard(settled: "asyncio.Future[Answer]") -> None:
    """Look at a settlement's error, which is logged already, so that nobody has to wait for it."""
    if not settled.cancelled():
        settled.exception()
