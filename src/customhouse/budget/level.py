# SPDX-License-Identifier: Apache-2.0
"""Where counters stand, and what a turn makes of them: whether it fits, what is reserved, what is settled. Pure.

Rules kept:
- All or nothing: a turn that does not fit one of its limits changes none of its counters.
- What is spent and what is reserved never exceed a limit by anything that was admitted. What a provider counts beyond
  what was reserved is put down all the same: it was spent.
- A reservation whose cost nobody knows stands until its window ends, as if it had been spent: whoever cannot count
  does not under-count.

Story: 100 tokens are left in the minute. Two turns on two replicas may use 80 each. The first that gets there reserves
80; the second is refused. The first used 15: the next turn finds 85 left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from customhouse.budget.limit import AMOUNTS, Amount, Amounts, Limit, Of, Per, window
from customhouse.domain.answer import Usage
from customhouse.domain.price import Price, cost_microusd
from customhouse.ledger.record import ORGANIZATION

MAX_COUNTED: Final = 100_000_000
"""Tokens of one call that are believed, an order of magnitude above any model's context; a larger count is this one."""
MAX_COST: Final = 10**12
"""Micro-dollars of one call that are put down at most: a million dollars."""
_FOR_EVER: Final = 2**63


class Caller(NamedTuple):
    """Whose turn it is."""

    tenant: str
    environment: str
    assistant: str
    key_id: str


class Counter(NamedTuple):
    """One holder's use of one assistant in one window. Counters are locked in the order of their fields.

    What spans tenants (a key may be of several) is the organisation's row, and no tenant's.
    """

    tenant: str
    environment: str
    assistant: str
    holder: str
    per: Per
    began_us: int
    ends_us: int


class Level(NamedTuple):
    """What a counter says. `changes` counts its changes: each compares it and sets it."""

    requests: int = 0
    tokens_spent: int = 0
    tokens_reserved: int = 0
    microusd_spent: int = 0
    microusd_reserved: int = 0
    changes: int = 0

    @property
    def taken(self) -> Amounts:
        """Return what is spent or reserved."""
        return Amounts(
            self.requests, self.tokens_spent + self.tokens_reserved, self.microusd_spent + self.microusd_reserved
        )


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit for one turn: the counter that it is kept by, and how far that may go."""

    counter: Counter
    of: Of
    allowed: Amounts


@dataclass(frozen=True, slots=True)
class Refusal:
    """The limit that a turn does not fit. `ends_us` is when its window ends; None: the turn alone is too large."""

    of: Of
    per: Per
    amount: Amount
    ends_us: int | None


@dataclass(frozen=True, slots=True)
class Reservation:
    """What was put down for a call in each of its counters, before it left."""

    counters: tuple[Counter, ...]
    reserved: Amounts


@dataclass(frozen=True, slots=True)
class Order:
    """A call that wants to leave: its limits, and the most that it will use."""

    bounds: tuple[Bound, ...]
    asked: Amounts


@dataclass(frozen=True, slots=True)
class Settlement:
    """A call whose cost is known: `spent` takes the place of what was reserved. `requests` are given back by it."""

    reservation: Reservation
    spent: Amounts


Step = Order | Settlement
Answer = Reservation | Refusal | None


def bounds(limits: Sequence[Limit], caller: Caller, now_us: int) -> tuple[Bound, ...]:
    """Return the limits as they bind a caller's turn now."""
    return tuple(Bound(counter(limit, caller, now_us), limit.of, limit.amounts) for limit in limits)


def counter(limit: Limit, caller: Caller, now_us: int) -> Counter:
    """Return the counter of a limit for a caller now."""
    began_us, ends_us = window(limit.per, now_us)
    tenant = caller.tenant if limit.of == "tenant" else ORGANIZATION
    holder = f"key:{caller.key_id}" if limit.of == "key" else limit.of
    return Counter(tenant, caller.environment, caller.assistant, holder, limit.per, began_us, ends_us)


def work_off(levels: Mapping[Counter, Level], steps: Sequence[Step]) -> tuple[dict[Counter, Level], list[Answer]]:
    """Take steps one after the other; return where the counters stand then, and what became of each step.

    `levels` has every counter of every step.
    """
    now = dict(levels)
    answers: list[Answer] = []
    for step in steps:
        if isinstance(step, Settlement):
            for each in step.reservation.counters:
                now[each] = settled(now[each], step.reservation.reserved, step.spent)
            answers.append(None)
            continue
        refused = refusal(step.bounds, now, step.asked)
        if refused is None:
            counters = tuple(dict.fromkeys(bound.counter for bound in step.bounds))
            for each in counters:
                now[each] = reserved(now[each], step.asked)
            answers.append(Reservation(counters, step.asked))
        else:
            answers.append(refused)
    return now, answers


def counters_of(steps: Sequence[Step]) -> tuple[Counter, ...]:
    """Return every counter of the steps once, in the order in which they are locked."""
    found = {
        each
        for step in steps
        for each in (
            step.reservation.counters if isinstance(step, Settlement) else (bound.counter for bound in step.bounds)
        )
    }
    return tuple(sorted(found))


def refusal(bounds: Sequence[Bound], levels: Mapping[Counter, Level], asked: Amounts) -> Refusal | None:
    """Return the limit that a call does not fit, or None. Of several the one that refuses for longest."""
    found = [
        Refusal(
            bound.of,
            bound.counter.per,
            amount,
            None if wanted > allowed else bound.counter.ends_us,
        )
        for bound in bounds
        for amount, taken, wanted, allowed in zip(
            AMOUNTS, levels[bound.counter].taken, asked, bound.allowed, strict=True
        )
        if wanted and taken + wanted > allowed
    ]
    return max(found, key=_length, default=None)


def reserved(level: Level, asked: Amounts) -> Level:
    """Return a counter after a call was admitted."""
    return Level(
        level.requests + asked.requests,
        level.tokens_spent,
        level.tokens_reserved + asked.tokens,
        level.microusd_spent,
        level.microusd_reserved + asked.microusd,
        level.changes,
    )


def settled(level: Level, was: Amounts, spent: Amounts) -> Level:
    """Return a counter after a call's cost was counted: never below nothing, whatever a server's crash forgot."""
    return Level(
        max(level.requests - was.requests, 0) + spent.requests,
        level.tokens_spent + spent.tokens,
        max(level.tokens_reserved - was.tokens, 0),
        level.microusd_spent + spent.microusd,
        max(level.microusd_reserved - was.microusd, 0),
        level.changes,
    )


def spent(usage: Usage, price: Price | None, requests: int) -> Amounts | None:
    """Return what a call used as its provider counted it; None where the count cannot be true."""
    counts = (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.cache_written_tokens)
    prompt, completion, cached, written = (believed(each) for each in counts)
    if prompt is None or completion is None or cached is None or written is None:
        return None
    cost = (
        0
        if price is None
        else cost_microusd(
            price, prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached, cache_write_tokens=written
        )
    )
    return Amounts(requests, prompt + completion, min(cost, MAX_COST))


def believed(tokens: int) -> int | None:
    """Return a provider's count as it is put down: None for one below nothing, at most `MAX_COUNTED`."""
    return None if tokens < 0 else min(tokens, MAX_COUNTED)


def _length(refused: Refusal) -> int:
    return _FOR_EVER if refused.ends_us is None else refused.ends_us
