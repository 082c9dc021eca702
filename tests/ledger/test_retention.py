# SPDX-License-Identifier: Apache-2.0
"""Payloads end with their retention, by whole days, on the record; the records that name them stay."""

from pathlib import Path
from typing import Final

import pytest
from tests.ledger.book import CLOCK, Book, in_book, record

from customhouse.domain.clock import SystemClock
from customhouse.ledger import leader, partition, retention
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import ORGANIZATION
from customhouse.ledger.retention import BATCH, SETTLED_S, Calendar
from customhouse.vault.seal import Sealed

TODAY: Final = partition.day_of_us(CLOCK.now_us())
KEEP: Final = 30
ANY_TIME: Final = Calendar(CLOCK, settled_s=0)


def trace_of(day: int, number: int = 0) -> str:
    return f"{partition.first_id(day)}-7000-8000-{number:012x}"


async def said(book: Book, trace_id: str, tenant: str = "acme") -> None:
    sealed = (Sealed(f"c-{trace_id}", "request", b"words"),)
    await book.ledger.append([Entry(record(tenant=tenant, trace_id=trace_id), sealed)])


async def expire(book: Book, calendar: Calendar = ANY_TIME) -> None:
    """Do what a server does now and then."""
    if book.sequencer is None:
        await retention.delete_days(book.control, book.ledger, calendar, KEEP)
    else:
        await book.settling.transact(lambda tx: retention.drop_days(tx, book.ledger, calendar, KEEP))


def days(book: Book) -> set[str]:
    return {str(row[0])[:13] for row in book.asked("SELECT trace_id FROM payload")}


ENDS = [
    # the day of a trace, whether its payload is still there afterwards
    (TODAY, True),
    (TODAY - KEEP, True),
    (TODAY - KEEP - 1, False),
    (TODAY - 10 * KEEP, False),
]


@pytest.mark.parametrize(("day", "stays"), ENDS, ids=["today", "the last day kept", "a day more", "long ago"])
def test_a_payload_stays_as_long_as_its_day_is_kept(place: Path | str, day: int, stays: bool) -> None:  # noqa: FBT001 - a column of the table
    async def story(book: Book) -> None:
        await said(book, trace_of(day))
        await expire(book)
        assert (days(book) == {partition.first_id(day)}) is stays
        assert await book.kinds(trace_of(day), "acme") == ["request.accepted"], "its record stays in any case"
        expired = book.asked("SELECT COUNT(*) FROM evidence WHERE kind = 'payload.expired'")
        assert expired == [(0 if stays else 1,)]

    in_book(place, story)


def test_whole_days_are_dropped_with_their_partitions(postgres: str) -> None:
    async def story(book: Book) -> None:
        old, kept = TODAY - KEEP - 1, TODAY - 1
        await book.settling.transact(lambda tx: leader.ensure_days(tx, CLOCK))
        book.asked("SELECT ensure_day(CAST(? AS DATE))", partition.iso(old))
        await said(book, trace_of(old))
        await said(book, trace_of(kept))
        assert book.asked("SELECT COUNT(*) FROM payload_default") == [(0,)]
        await expire(book)
        assert days(book) == {partition.first_id(kept)}
        stamp = partition.iso(old).replace("-", "")
        assert book.asked(
            "SELECT CAST(to_regclass(?) AS TEXT), CAST(to_regclass(?) AS TEXT)", f"payload_{stamp}", f"evidence_{stamp}"
        ) == [(None, f"evidence_{stamp}")]
        await expire(book)
        assert await book.kinds(
            book.asked("SELECT trace_id FROM evidence_staged WHERE kind = 'payload.expired'")[0][0], ORGANIZATION
        ) == ["payload.expired"]

    in_book(postgres, story)


def test_more_than_a_batch_goes_in_several_transactions(tmp_path: Path) -> None:
    async def story(book: Book) -> None:
        day = TODAY - KEEP - 5
        sealed = tuple(Sealed(f"c-{number}", "request", b"words") for number in range(BATCH + 3))
        await book.ledger.append([Entry(record(tenant="acme", trace_id=trace_of(day)), sealed)])
        assert await retention.delete_days(book.control, book.ledger, ANY_TIME, KEEP) == BATCH + 3
        assert await retention.delete_days(book.control, book.ledger, ANY_TIME, KEEP) == 0
        assert book.asked("SELECT COUNT(*) FROM evidence WHERE kind = 'payload.expired'") == [(1,)]

    in_book(tmp_path, story)


def test_what_has_expired_can_be_told_afterwards(place: Path | str) -> None:
    async def story(book: Book) -> None:
        assert await book.control.read(retention.expired_before) is None
        await said(book, trace_of(TODAY - 2 * KEEP))
        await expire(book)
        assert await book.control.read(retention.expired_before) == partition.iso(TODAY - KEEP)

    in_book(place, story)


def test_a_record_of_a_clock_that_was_ahead_does_not_hide_later_ones(place: Path | str) -> None:
    async def story(book: Book) -> None:
        for day, before in ((TODAY + 365, TODAY - KEEP), (TODAY, TODAY - KEEP + 3)):
            detail: dict[str, object] = {"before": partition.iso(before)}
            said_then = book.ledger.event(
                retention.EXPIRED,
                actor="retention",
                trace_id=trace_of(day),
                detail=detail,
                references=(retention.EXPIRED,),
            )
            await book.ledger.append([said_then])
        assert await book.control.read(retention.expired_before) == partition.iso(TODAY - KEEP + 3)

    in_book(place, story)


def test_what_goes_in_many_batches_is_recorded_once_a_day(place: Path | str) -> None:
    async def story(book: Book) -> None:
        for number in range(3):
            await said(book, trace_of(TODAY - KEEP - 500, number))
            await expire(book)
            await book.settle()
        assert days(book) == set()
        assert book.asked("SELECT COUNT(*) FROM evidence WHERE kind = 'payload.expired'") == [(1,)]

    in_book(place, story)


class Stepping(SystemClock):
    """A clock that can be set, on a machine that has run for as long as we say."""

    step_us = 0
    ran_us = 0

    def now_us(self) -> int:
        return CLOCK.now_us() + self.step_us

    def elapsed_us(self) -> int:
        return self.ran_us


YEAR_US: Final = 365 * partition.DAY_US


def test_a_clock_that_jumps_a_year_ahead_takes_nothing_away(place: Path | str) -> None:
    async def story(book: Book) -> None:
        clock = Stepping()
        calendar = Calendar(clock, settled_s=0)
        await said(book, trace_of(TODAY))
        await said(book, trace_of(TODAY - KEEP - 1))
        clock.step_us = YEAR_US
        await expire(book, calendar)
        assert days(book) == {partition.first_id(TODAY)}, "what is due by the time before the jump goes, nothing else"
        clock.step_us = 0
        await expire(book, calendar)
        assert days(book) == {partition.first_id(TODAY)}

    in_book(place, story)


def test_a_machine_that_boots_with_its_clock_ahead_has_an_hour_to_set_it(place: Path | str) -> None:
    async def story(book: Book) -> None:
        clock = Stepping()
        clock.step_us = YEAR_US
        calendar = Calendar(clock)
        await said(book, trace_of(TODAY))
        await said(book, trace_of(TODAY - KEEP - 1))
        await expire(book, calendar)
        assert len(days(book)) == 2
        clock.step_us = 0
        await expire(book, calendar)
        clock.ran_us = int(SETTLED_S * 1_000_000)
        await expire(book, calendar)
        assert days(book) == {partition.first_id(TODAY)}

    in_book(place, story)


def test_a_leader_whose_clock_is_ahead_of_the_servers_takes_nothing_away(postgres: str) -> None:
    async def story(book: Book) -> None:
        clock = Stepping()
        clock.step_us = YEAR_US
        await said(book, trace_of(TODAY))
        await expire(book, Calendar(clock, settled_s=0))
        assert days(book) == {partition.first_id(TODAY)}

    in_book(postgres, story)
