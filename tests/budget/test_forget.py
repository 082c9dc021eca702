# SPDX-License-Identifier: Apache-2.0
"""Windows are forgotten once their day is over, on both stores, and never because a clock is wrong for a moment."""

from pathlib import Path

from tests.ledger.book import CLOCK, Book, in_book

from customhouse.budget import forget
from customhouse.budget.level import Caller, bounds
from customhouse.budget.limit import Amounts, Limit
from customhouse.budget.reserve import Budgets
from customhouse.ledger.partition import DAY_US
from customhouse.ledger.retention import Calendar

MINUTE = Limit(of="key", per="minute", requests=5)
MONTH = Limit(of="tenant", per="month", requests=5)


async def expire(book: Book, calendar: Calendar) -> None:
    """Do what a server does now and then."""
    if book.sequencer is None:
        await forget.forget_ended(book.control, calendar)
    else:
        await book.settling.transact(forget.duty(calendar).work)


async def used(book: Book, at_us: int) -> None:
    """Use one request of both limits at a moment."""
    bound = bounds((MINUTE, MONTH), Caller("acme", "dev", "support", "key-1"), at_us)
    await Budgets(book.database, timeout_s=30).reserve(bound, Amounts(1, 1, 0))


def kept(book: Book) -> list[tuple[str, int]]:
    return [(row[0], row[1]) for row in book.asked("SELECT per, began_us / 60000000 FROM budget_window ORDER BY 1, 2")]


def test_only_what_ended_before_today_goes(place: Path | str) -> None:
    async def story(book: Book) -> None:
        now_us = CLOCK.now_us()
        for days in (0, 1, 40):
            await used(book, now_us - days * DAY_US)
        before = kept(book)
        await expire(book, Calendar(CLOCK))
        assert kept(book) == before, "not in a server's first hour: its clock may be set meanwhile"
        await expire(book, Calendar(CLOCK, settled_s=0))
        assert ("minute", now_us // 60_000_000) in kept(book)
        assert sum(per == "minute" for per, _ in kept(book)) == 1
        assert 1 <= sum(per == "month" for per, _ in kept(book)) <= 2, "a month that has not ended stays"

    in_book(place, story)
