# SPDX-License-Identifier: Apache-2.0
"""On both stores: whoever asks at the same time, a limit is not exceeded; and nothing stays reserved for nobody."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from tests.ledger.book import Book, in_book

from customhouse.budget import tables
from customhouse.budget.level import Bound, Caller, Counter, Refusal, Reservation, bounds
from customhouse.budget.limit import Amounts, Limit
from customhouse.budget.reserve import NOTHING, Budgets
from customhouse.domain.errors import BudgetUnavailable, StoreUnavailable
from customhouse.ledger.record import ORGANIZATION
from customhouse.store.database import Database, Transaction
from customhouse.store.postgres import open_postgres
from customhouse.store.sqlite import open_sqlite

T = TypeVar("T")
NOW_US = 1_795_000_000_000_000
KEY = Limit(of="key", per="hour", requests=5)
BOT = Limit(of="assistant", per="day", tokens=1000)
OURS = Limit(of="tenant", per="month", money="0.001")


def bound(*limits: Limit, tenant: str = "acme", key: str = "key-1") -> tuple[Bound, ...]:
    """Return the limits as they bind a turn of a tenant's key."""
    return bounds(limits, Caller(tenant, "dev", "support", key), NOW_US)


async def levels(book: Book, *limits: Limit, tenant: str = "acme") -> list[tuple[int, int, int, int, int]]:
    """Return (requests, tokens spent, reserved, micro-dollars spent, reserved) of each limit's counter."""
    found: list[tuple[int, int, int, int, int]] = []
    for each in bound(*limits, tenant=tenant):
        counter = each.counter

        def look(tx: Transaction, counter: Counter = counter) -> list[tables.Counted]:
            place = tables.Place(counter.tenant, counter.per, counter.began_us)
            return tables.look(tx, counter.environment, counter.assistant, [place])

        found += [
            (at.requests, at.tokens_spent, at.tokens_reserved, at.microusd_spent, at.microusd_reserved)
            for known, at in await book.control.read(look)
            if known == counter
        ]
    return found


@asynccontextmanager
async def replica(book: Book) -> AsyncGenerator[Budgets]:
    """Yield the budgets of a process of its own: a pool, or a connection, that it shares with nobody."""
    if isinstance(book.place, str):
        database: Database = await open_postgres(book.place, "gateway")
    else:
        database = await open_sqlite(book.place)
    try:
        yield Budgets(database, timeout_s=30)
    finally:
        await database.close()


def test_a_reservation_stands_in_every_counter_until_it_is_settled(place: Path | str) -> None:
    async def story(book: Book) -> None:
        budgets = Budgets(book.database, timeout_s=30)
        reservation = await budgets.reserve(bound(KEY, BOT, OURS), Amounts(1, 200, 300))
        assert isinstance(reservation, Reservation)
        assert await levels(book, KEY, BOT, OURS) == [(1, 0, 200, 0, 300)] * 3
        await budgets.settle(reservation, Amounts(1, 17, 30))
        assert await levels(book, KEY, BOT, OURS) == [(1, 17, 0, 30, 0)] * 3
        tenants = {each.counter.tenant for each in bound(KEY, BOT)}
        assert tenants == {ORGANIZATION}, "what spans tenants is no tenant's row"

    in_book(place, story)


def test_a_turn_that_does_not_fit_one_limit_changes_none(place: Path | str) -> None:
    async def story(book: Book) -> None:
        budgets = Budgets(book.database, timeout_s=30)
        assert isinstance(await budgets.reserve(bound(KEY, BOT, OURS), Amounts(1, 900, 0)), Reservation)
        refused = await budgets.reserve(bound(KEY, BOT, OURS), Amounts(1, 200, 0))
        assert isinstance(refused, Refusal)
        assert (refused.of, refused.per, refused.amount) == ("assistant", "day", "tokens")
        assert await levels(book, KEY, BOT, OURS) == [(1, 0, 900, 0, 0)] * 3

    in_book(place, story)


def test_two_replicas_with_many_turns_each_admit_exactly_what_fits(place: Path | str) -> None:
    """Two pools of connections that share nothing but the database; turns of two tenants that share two counters."""

    async def story(book: Book) -> None:
        limit = Limit(of="assistant", per="month", requests=37)
        async with replica(book) as first, replica(book) as second:
            wanted = [
                budgets.reserve(bound(limit, OURS, KEY_OF_ALL, tenant=tenant), Amounts(1, 1, 1))
                for _ in range(25)
                for budgets in (first, second)
                for tenant in ("acme", "bolt")
            ]
            answers = await asyncio.gather(*wanted)
        admitted = [each for each in answers if isinstance(each, Reservation)]
        assert len(admitted) == 37
        assert await levels(book, limit) == [(37, 0, 37, 0, 37)]
        ours, theirs = [(await levels(book, OURS, tenant=tenant))[0][0] for tenant in ("acme", "bolt")]
        assert ours + theirs == 37

    in_book(place, story)


KEY_OF_ALL = Limit(of="key", per="month", requests=1000)


def test_a_caller_that_leaves_while_it_waits_has_nothing_reserved(place: Path | str) -> None:
    async def story(book: Book) -> None:
        budgets = Budgets(book.database, timeout_s=30)
        asking = asyncio.ensure_future(budgets.reserve(bound(KEY), Amounts(1, 10, 0)))
        await asyncio.sleep(0)  # it stands in the queue, and its transaction has begun
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        reservation = await budgets.reserve(bound(KEY), Amounts(1, 10, 0))
        assert isinstance(reservation, Reservation)
        await budgets.settle(reservation, NOTHING)
        assert await levels(book, KEY) == [(0, 0, 0, 0, 0)]

    in_book(place, story)


def test_a_settlement_happens_though_nobody_waits_for_it(place: Path | str) -> None:
    async def story(book: Book) -> None:
        budgets = Budgets(book.database, timeout_s=30)
        reservation = await budgets.reserve(bound(KEY), Amounts(1, 10, 0))
        assert isinstance(reservation, Reservation)
        waiting = asyncio.ensure_future(asyncio.wait_for(budgets.settle(reservation, Amounts(1, 3, 0)), 30))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        other = await budgets.reserve(bound(KEY), Amounts(1, 10, 0))
        assert isinstance(other, Reservation)
        assert await levels(book, KEY) == [(2, 3, 10, 0, 0)]

    in_book(place, story)


class Failing:
    """A store that commits, or not, and then says that it failed."""

    def __init__(self, database: Database, *, after: bool) -> None:
        self._database = database
        self._after = after
        self.fails = False

    def begin_unflushed(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        return asyncio.ensure_future(self._begun(work))

    async def _begun(self, work: Callable[[Transaction], T]) -> T:
        if self.fails and not self._after:
            raise StoreUnavailable
        done = await self._database.begin_unflushed(work)
        if self.fails:
            raise StoreUnavailable
        return done


@pytest.mark.parametrize("after", [False, True])
def test_without_an_answer_nothing_is_admitted_and_what_was_reserved_stands(place: Path | str, after: bool) -> None:  # noqa: FBT001 - a column of the table
    async def story(book: Book) -> None:
        store = Failing(book.database, after=after)
        budgets = Budgets(store, timeout_s=30)  # pyright: ignore[reportArgumentType] - it needs no more of a database
        reservation = await budgets.reserve(bound(KEY), Amounts(1, 10, 0))
        assert isinstance(reservation, Reservation)
        store.fails = True
        with pytest.raises(BudgetUnavailable):
            await budgets.reserve(bound(KEY), Amounts(1, 10, 0))
        with pytest.raises(BudgetUnavailable):
            await budgets.settle(reservation, Amounts(1, 3, 0))
        store.fails = False
        assert isinstance(await budgets.reserve(bound(KEY), Amounts(1, 1, 0)), Reservation), "it goes on"
        spent_or_reserved = (await levels(book, KEY))[0]
        assert spent_or_reserved == ((3, 3, 11, 0, 0) if after else (2, 0, 11, 0, 0))

    in_book(place, story)


def test_a_store_that_does_not_answer_in_time_refuses(place: Path | str) -> None:
    class Silent:
        def begin_unflushed(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
            del work
            return asyncio.get_running_loop().create_future()

    async def story(book: Book) -> None:
        budgets = Budgets(Silent(), timeout_s=0.01)  # pyright: ignore[reportArgumentType] - as above
        with pytest.raises(BudgetUnavailable):
            await budgets.reserve(bound(KEY), Amounts(1, 10, 0))
        assert await levels(book, KEY) == []

    in_book(place, story)


def test_windows_that_have_ended_are_forgotten_a_batch_at_a_time(place: Path | str) -> None:
    async def story(book: Book) -> None:
        budgets = Budgets(book.database, timeout_s=30)
        for tenant in ("acme", "bolt"):
            await budgets.reserve(bound(KEY, OURS, tenant=tenant), Amounts(1, 1, 0))
        ended = bound(KEY)[0].counter.ends_us
        assert await book.settling.transact(lambda tx: tables.forget(tx, ended - 1, 10)) == 0
        assert await book.settling.transact(lambda tx: tables.forget(tx, ended, 10)) == 1
        assert await book.settling.transact(lambda tx: tables.forget(tx, 2**60, 1)) == 1
        assert await book.settling.transact(lambda tx: tables.forget(tx, 2**60, 10)) == 1
        assert await levels(book, KEY, OURS) == []

    in_book(place, story)
