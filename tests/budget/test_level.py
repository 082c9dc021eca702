# SPDX-License-Identifier: Apache-2.0
"""Whatever is reserved and settled in whichever order: nothing that was admitted exceeds a limit, and none is lost."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customhouse.budget.level import (
    MAX_COUNTED,
    Caller,
    Counter,
    Level,
    Order,
    Refusal,
    Reservation,
    Settlement,
    Step,
    believed,
    bounds,
    counters_of,
    work_off,
)
from customhouse.budget.limit import OFS, PERS, UNLIMITED, Amounts, Limit

NOW_US = 1_795_000_000_000_000
ACME = Caller("acme", "dev", "support", "key-1")
BOLT = Caller("bolt", "dev", "support", "key-1")
LIMITS = st.lists(
    st.builds(
        Limit,
        of=st.sampled_from(OFS),
        per=st.sampled_from(PERS),
        requests=st.none() | st.integers(1, 5),
        tokens=st.none() | st.integers(1, 300),
        money=st.none() | st.sampled_from(["0", "0.000100", "0.001"]),
    ),
    min_size=1,
    max_size=4,
).map(tuple)
AMOUNTS = st.builds(Amounts, st.integers(0, 1), st.integers(0, 120), st.integers(0, 400))


def admit(limits: tuple[Limit, ...], *asked: Amounts, caller: Caller = ACME) -> list[Reservation | Refusal | None]:
    """Return what becomes of calls that arrive together."""
    orders = [Order(bounds(limits, caller, NOW_US), each) for each in asked]
    return work_off(dict.fromkeys(counters_of(orders), Level()), orders)[1]


def test_of_two_that_arrive_together_one_fits() -> None:
    first, second = admit((Limit(of="key", per="minute", tokens=100),), Amounts(1, 80, 0), Amounts(1, 80, 0))
    assert isinstance(first, Reservation)
    assert isinstance(second, Refusal)
    assert (second.of, second.per, second.amount) == ("key", "minute", "tokens")


def test_the_limit_that_refuses_for_longest_is_named() -> None:
    limits = (Limit(of="key", per="minute", requests=1), Limit(of="assistant", per="day", requests=1))
    refused = admit(limits, Amounts(1, 0, 0), Amounts(1, 0, 0))[1]
    assert isinstance(refused, Refusal)
    assert (refused.of, refused.per) == ("assistant", "day")


def test_what_is_larger_than_the_limit_never_fits_and_no_time_is_named() -> None:
    refused = admit((Limit(of="key", per="minute", tokens=100),), Amounts(1, 101, 0))[0]
    assert refused == Refusal("key", "minute", "tokens", None)


def test_what_asks_for_nothing_of_an_amount_is_not_refused_for_it() -> None:
    """The second deployment of a turn is no second request."""
    limits = (Limit(of="key", per="minute", requests=1),)
    assert all(isinstance(each, Reservation) for each in admit(limits, Amounts(1, 9, 0), Amounts(0, 9, 0)))


@pytest.mark.parametrize(("of", "shared"), [("key", True), ("assistant", True), ("tenant", False)])
def test_whose_turns_a_counter_counts(of: str, shared: bool) -> None:  # noqa: FBT001 - a column of the table
    limit = Limit(of=of, per="hour", requests=1)  # pyright: ignore[reportArgumentType] - a column of the table
    ours, theirs = (bounds((limit,), caller, NOW_US)[0].counter for caller in (ACME, BOLT))
    assert (ours == theirs) is shared
    other_key, elsewhere = ACME._replace(key_id="key-2"), ACME._replace(environment="production")
    assert (bounds((limit,), other_key, NOW_US)[0].counter == ours) is (of != "key")
    assert bounds((limit,), elsewhere, NOW_US)[0].counter != ours


@pytest.mark.parametrize(
    ("said", "counted"),
    [(-1, None), (-(2**70), None), (0, 0), (17, 17), (MAX_COUNTED + 1, MAX_COUNTED), (2**80, MAX_COUNTED)],
)
def test_a_providers_count_is_believed_within_reason(said: int, counted: int | None) -> None:
    assert believed(said) == counted


def test_a_settlement_whose_reservation_a_crash_forgot_takes_nothing_from_others() -> None:
    limits = (Limit(of="key", per="minute", tokens=100),)
    counter = bounds(limits, ACME, NOW_US)[0].counter
    lost = Settlement(Reservation((counter,), Amounts(1, 80, 0)), Amounts(1, 5, 0))
    after, _ = work_off({counter: Level()}, [lost])
    assert after[counter] == Level(requests=1, tokens_spent=5)


@settings(max_examples=300)
@given(
    LIMITS, st.lists(st.tuples(st.sampled_from([ACME, BOLT]), AMOUNTS, st.integers(0, 3), st.booleans()), max_size=25)
)
def test_whatever_is_interleaved_nothing_admitted_exceeds_a_limit(
    limits: tuple[Limit, ...], story: list[tuple[Caller, Amounts, int, bool]]
) -> None:
    """Calls are admitted and settled in any order, several in one transaction; each uses at most what it reserved."""
    levels: dict[Counter, Level] = {}
    allowed: dict[Counter, list[Amounts]] = {}
    waiting: list[Reservation] = []
    spent: dict[Counter, int] = {}
    for caller, asked, which, settle in story:
        order = Order(bounds(limits, caller, NOW_US), asked)
        for bound in order.bounds:
            allowed.setdefault(bound.counter, []).append(bound.allowed)
        steps: list[Step] = [order]
        if settle and waiting:
            reservation = waiting.pop(which % len(waiting))
            used = Amounts(reservation.reserved.requests, reservation.reserved.tokens // 2, 0)
            steps.insert(which % 2, Settlement(reservation, used))
            for counter in reservation.counters:
                spent[counter] = spent.get(counter, 0) + used.tokens
        for counter in counters_of(steps):
            levels.setdefault(counter, Level())
        before = dict(levels)
        levels, answers = work_off(levels, steps)
        waiting += [each for each in answers if isinstance(each, Reservation)]
        if len(steps) == 1 and isinstance(answers[0], Refusal):
            assert levels == before, "all or nothing"
        holds(levels, allowed)
    for counter, level in levels.items():
        assert level.tokens_spent == spent.get(counter, 0), "what was spent is counted to the token"
        assert level.tokens_reserved == sum(each.reserved.tokens for each in waiting if counter in each.counters)
        assert level.requests >= 0


def holds(levels: Mapping[Counter, Level], allowed: Mapping[Counter, list[Amounts]]) -> None:
    for counter, level in levels.items():
        for each in allowed[counter]:
            assert all(taken <= most for taken, most in zip(level.taken, each, strict=True))


@given(LIMITS, st.lists(AMOUNTS, max_size=8))
def test_counters_are_locked_in_one_order_by_everybody(limits: tuple[Limit, ...], asked: list[Amounts]) -> None:
    orders = [Order(bounds(limits, caller, NOW_US), each) for each in asked for caller in (BOLT, ACME)]
    found = counters_of(orders)
    assert list(found) == sorted(set(found))
    assert counters_of(orders[::-1]) == found
    assert sum(each.tokens for each in asked) < UNLIMITED
