# SPDX-License-Identifier: Apache-2.0
"""What the calls of one turn use up of the policy's hourly and daily budgets: reserved before any of them leaves.

Rules kept:
- A call that does not fit is not passed; nor is one whose counters do not answer.
- What is reserved stands: whether the application ran a call that it was given, nobody here knows. Only a call that was
  certainly not passed on is given back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from customhouse.budget.level import Bound, Counter, Refusal, Reservation
from customhouse.budget.limit import UNLIMITED, Amounts, window
from customhouse.budget.reserve import NOTHING
from customhouse.domain.clock import Clock
from customhouse.domain.errors import BudgetUnavailable
from customhouse.domain.principal import Principal
from customhouse.ledger.record import ORGANIZATION
from customhouse.planes.tools.claim import WRITES, Claim

UNAVAILABLE: Final = "tool.budget_unavailable"


class Counters(Protocol):
    """Where budgets are kept; `budget.reserve.Budgets` fits."""

    async def reserve(self, bounds: Sequence[Bound], asked: Amounts) -> Reservation | Refusal:
        """Put down what is asked, in all counters or in none. Raises BudgetUnavailable."""
        ...

    def settle(self, reservation: Reservation, spent: Amounts) -> object:
        """Put down what was used instead of what was reserved."""
        ...


@dataclass(slots=True)
class Claims:
    """One turn's reservations, by the decision that let the call through."""

    counters: Counters
    clock: Clock
    principal: Principal
    taken: dict[str, list[Reservation]] = field(default_factory=dict[str, list[Reservation]])

    async def take(self, decision_id: str, claims: tuple[Claim, ...]) -> str | None:
        """Reserve what a call claims, all or nothing; return the reason for which it may not leave, or None."""
        for claim in claims:
            if claim.per == "turn":
                continue
            try:
                answer = await self.counters.reserve([self._bound(claim)], _amounts(claim, claim.amount, 0))
            except BudgetUnavailable:
                self.give_back(decision_id)
                return UNAVAILABLE
            if not isinstance(answer, Reservation):
                self.give_back(decision_id)
                return claim.reason
            self.taken.setdefault(decision_id, []).append(answer)
        return None

    def give_back(self, decision_id: str) -> None:
        """Give back what a call had reserved that is not passed on after all."""
        for reservation in self.taken.pop(decision_id, ()):
            self.counters.settle(reservation, NOTHING)

    def give_all_back(self) -> None:
        """Give back everything: no call of this turn leaves."""
        for decision_id in tuple(self.taken):
            self.give_back(decision_id)

    def _bound(self, claim: Claim) -> Bound:
        """Return the limit as its counter keeps it: the assistant's in this environment, for all of its callers."""
        who = self.principal
        per = "hour" if claim.per == "hour" else "day"
        began_us, ends_us = window(per, self.clock.now_us())
        place = Counter(ORGANIZATION, who.environment, who.assistant, claim.counter, per, began_us, ends_us)
        return Bound(place, "assistant", _amounts(claim, claim.allowed, UNLIMITED))


def _amounts(claim: Claim, amount: int, other: int) -> Amounts:
    """Return an amount in the column that counts it: calls as requests, sums as millionths of money."""
    if claim.holder == WRITES:
        return Amounts(amount, other, other)
    return Amounts(other, other, amount)
