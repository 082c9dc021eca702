# SPDX-License-Identifier: Apache-2.0
"""Redeemed tickets are forgotten once the day of their end is over, on both stores, and never by a wrong clock."""

from pathlib import Path

from tests.ledger.book import CLOCK, Book, in_book

from customhouse.ledger.partition import DAY_US
from customhouse.ledger.retention import Calendar
from customhouse.store.database import Transaction
from customhouse.tickets import forget, tables


async def expire(book: Book, calendar: Calendar) -> None:
    """Do what a server does now and then."""
    if book.sequencer is None:
        await forget.forget_expired(book.control, calendar)
    else:
        await book.settling.transact(forget.duty(calendar).work)


def test_only_what_expired_before_today_goes(place: Path | str) -> None:
    async def story(book: Book) -> None:
        now_us = CLOCK.now_us()

        def work(tx: Transaction) -> None:
            for tenant in ("acme", "bolt"):
                tx.act_for(tenant)
                for age in (-1, 0, 1, 40):
                    tables.redeem(tx, tenant, f"ticket-{age}", expires_us=now_us - age * DAY_US, redeemed_us=now_us)

        await book.database.transact(work)
        await expire(book, Calendar(CLOCK))
        asked = "SELECT id FROM ticket_redemption GROUP BY id ORDER BY id"
        assert len(book.asked(asked)) == 4, "not in a server's first hour: its clock may be set meanwhile"
        await expire(book, Calendar(CLOCK, settled_s=0))
        assert book.asked(asked) == [("ticket--1",), ("ticket-0",)]
        assert book.asked("SELECT count(*) FROM ticket_redemption") == [(4,)]

    in_book(place, story)
