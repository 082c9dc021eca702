# SPDX-License-Identifier: Apache-2.0
"""What one turn uses of its assistant's limits: reserved for each call before it leaves, settled when it has a cost.

Rules kept:
- A call that does not fit is not made. If none was made, the client gets 429 and when to come back; if an earlier one
  of the turn failed, what a failed turn gets.
- One turn is one request, however many deployments it asks; tokens and money are those of every call.
- What nobody counted stays reserved: a client that leaves, a stream that breaks, a provider without usage. Only what
  certainly cost nothing is given back.

Story: Lee's turn reserves 5,000 tokens. The provider answers 500, which it does not charge: they are given back, and
the next deployment reserves 5,000 again. Lee leaves in the middle of its answer. Nobody knows its cost; 5,000 stand.
"""

import asyncio
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from customhouse.budget.estimate import DEFAULT_OUTPUT_TOKENS, asked, at_most, weighed
from customhouse.budget.level import Answer, Caller, Refusal, Reservation, bounds, spent
from customhouse.budget.limit import MICRO, Amounts, Limit, article, counts
from customhouse.budget.reserve import NOTHING, Budgets
from customhouse.domain.answer import Usage
from customhouse.domain.clock import Clock
from customhouse.domain.errors import BudgetExceeded, BudgetUnavailable, CallTooLarge
from customhouse.domain.principal import Principal
from customhouse.domain.request import Request
from customhouse.ledger.append import Ledger
from customhouse.planes.model.document import Deployment

FREE: Final = frozenset(
    {
        "upstream.limited",
        "upstream.server_error",
        "upstream.misconfigured",
        "upstream.credential_missing",
        "upstream.credential_failed",
        "upstream.breaker_open",
        "upstream.unreachable",
        "upstream.rejected",
    }
)
"""Failures that no provider charges for: it answered with an error, or was never reached."""
SEEN_S: Final = 0.5
"""How long an answer's end waits until the next turn sees what this one used; the store usually takes a millisecond."""


@dataclass(slots=True)
class Spending:
    """One turn's use of limits. `counted` once one of its calls was admitted: that was its one request."""

    budgets: Budgets
    ledger: Ledger
    clock: Clock
    limits: tuple[Limit, ...]
    caller: Caller
    counted: bool = False
    open: "Charge | None" = None
    settling: list["asyncio.Future[Answer]"] = field(default_factory=list["asyncio.Future[Answer]"])

    def bounded(self, tokens: int | None) -> int | None:
        """Return how many tokens an answer may have: always a number where tokens or money are limited."""
        counted = counts(self.limits, "tokens") or counts(self.limits, "money")
        return DEFAULT_OUTPUT_TOKENS if tokens is None and counted else tokens

    async def reserve(self, deployment: Deployment, request: Request, body: bytes) -> BudgetExceeded | None:
        """Put down the most that a call may use; return why it may not leave, or None. Raises BudgetUnavailable."""
        if self.ledger.down:
            raise BudgetUnavailable
        size, references = weighed(len(body), request.messages)
        output = DEFAULT_OUTPUT_TOKENS if request.max_tokens is None else request.max_tokens
        # An embedding model's context is what one text may have.
        context = None if deployment.context is None else deployment.context * max(len(request.texts), 1)
        most = at_most(size, references, output, context)
        now_us = self.clock.now_us()
        answer = await self.budgets.reserve(
            bounds(self.limits, self.caller, now_us), asked(most, deployment.price, first=not self.counted)
        )
        if isinstance(answer, Refusal):
            return _told(answer, now_us)
        self.counted = True
        self.open = Charge(answer, deployment)
        return None

    def ended(self, usage: Usage | None, *, sent: bool, reason: str | None = None) -> None:
        """Settle the open call. `usage` is None where it is not whole; `reason` says why the call failed."""
        charge, self.open = self.open, None
        if charge is None:
            return
        reservation = charge.reservation
        if not sent:
            cost: Amounts | None = NOTHING
            self.counted = self.counted and not reservation.reserved.requests
        elif usage is None and reason in FREE:
            cost = Amounts(reservation.reserved.requests, 0, 0)
        else:
            cost = None if usage is None else spent(usage, charge.deployment.price, reservation.reserved.requests)
        if cost is not None:
            self.settling.append(self.budgets.settle(reservation, cost))

    async def seen(self) -> None:
        """Wait a moment until others see what was settled: a client that asks again at once shall find the room."""
        if self.settling:
            await asyncio.wait(self.settling, timeout=SEEN_S)


def sooner(one: BudgetExceeded | None, other: BudgetExceeded) -> BudgetExceeded:
    """Return which of two refusals ends first: that is when it is worth asking again."""
    if one is None or one.retry_after_s is None:
        return other
    return one if other.retry_after_s is None or one.retry_after_s <= other.retry_after_s else other


@dataclass(frozen=True, slots=True)
class Charge:
    """A call's reservation, and by whose price it is settled."""

    reservation: Reservation
    deployment: Deployment


def spending(
    budgets: Budgets, ledger: Ledger, clock: Clock, limits: tuple[Limit, ...], principal: Principal
) -> Spending | None:
    """Return a turn's spending; None, which costs nothing, where nothing is limited."""
    if not limits:
        return None
    caller = Caller(principal.tenant, principal.environment, principal.assistant, principal.key_id)
    return Spending(budgets, ledger, clock, limits, caller)


def _told(refused: Refusal, now_us: int) -> BudgetExceeded:
    limit = (refused.of, refused.per, refused.amount)
    name = f"the limit of {refused.amount} {article(refused.per)} {_whose(refused)}"
    if refused.ends_us is None:
        return CallTooLarge(
            f"this call alone may use more than {name} allows: send less, or ask for a shorter answer", limit=limit
        )
    wait_s = max(ceil((refused.ends_us - now_us) / MICRO), 1)
    return BudgetExceeded(f"{name} is used up; try again in {wait_s} s", limit=limit, retry_after_s=wait_s)


def _whose(refused: Refusal) -> str:
    return "of this assistant" if refused.of == "assistant" else f"for each {refused.of}"
