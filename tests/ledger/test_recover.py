# SPDX-License-Identifier: Apache-2.0
"""A call that a crash cut off is settled as unknown: once, in its own trace, and never as if it had not happened."""

from pathlib import Path

import pytest
from tests.ledger.book import CLOCK, Book, in_book, open_book, record
from tests.ledger.failing import House, in_house

from customhouse.domain.errors import LedgerUnavailable
from customhouse.ledger import record as records
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import ModelFacts, Record
from customhouse.ledger.recover import settle_open_calls, settle_orphans

FACTS = ModelFacts(deployment="local/small", provider="local", requested="small", attempt=1)


def called(span_id: str, tenant: str = "default", trace_id: str = "trace") -> Entry:
    return Entry(
        record("model.called", tenant, trace_id, span_id=span_id, assistant="bot", release="bot@3", model=FACTS),
        opens=True,
    )


def answered(span_id: str) -> Entry:
    return Entry(record("model.answered", span_id=span_id), closes=span_id)


async def settle(book: Book) -> int:
    return await settle_open_calls(book.settling, book.ledger, CLOCK)


def test_what_a_crash_left_open_becomes_unknown_once(place: Path | str) -> None:
    async def story(book: Book) -> None:
        await book.ledger.append([Entry(record()), called("span-1")])
        async with open_book(book.place) as restarted:
            assert await settle(restarted) == 1
            assert await settle(restarted) == 0
        assert await book.kinds() == ["request.accepted", "model.called", "model.unknown"]
        unknown: Record = records.decode(book.rows("default/trace")[-1][1])
        assert unknown.parents == ("span-1",)
        assert (unknown.outcome, unknown.release, unknown.model) == ("unknown", "bot@3", FACTS)
        assert (await book.verdict()).broken_at is None

    in_book(place, story)


def test_a_call_with_an_outcome_is_left_alone(place: Path | str) -> None:
    async def story(book: Book) -> None:
        await book.ledger.append([called("span-1")])
        await book.ledger.append([answered("span-1")])
        await book.ledger.append([called("span-2"), answered("span-2")])
        assert await settle(book) == 0
        assert "model.unknown" not in await book.kinds()

    in_book(place, story)


def test_each_open_call_is_settled_in_its_own_tenants_log(place: Path | str) -> None:
    async def story(book: Book) -> None:
        await book.ledger.append(
            [called("span", "acme", "t1"), called("span", "bolt", "t2"), called("other", "bolt", "t3")]
        )
        assert await settle(book) == 3
        assert await book.kinds("t1", "acme") == ["model.called", "model.unknown"]
        assert await book.kinds("t2", "bolt") == ["model.called", "model.unknown"]
        assert await book.kinds("t3", "bolt") == ["model.called", "model.unknown"]
        assert book.asked("SELECT * FROM open_call") == []

    in_book(place, story)


def test_an_empty_ledger_has_nothing_to_settle(place: Path | str) -> None:
    async def story(book: Book) -> None:
        assert await settle(book) == 0
        assert (await book.verdict()).size == 0

    in_book(place, story)


def test_an_outcome_that_waits_in_the_spool_is_not_also_unknown(tmp_path: Path) -> None:
    """The spool's disk was slow, so the turn was refused, and the entry is there all the same."""

    async def story(house: House) -> None:
        orphans = {"span-1"}
        await house.append("spool", called("span-1"))
        house.faults.fault = "EIO"
        house.disk.hold = True
        with pytest.raises(LedgerUnavailable):
            await house.append("spool", answered("span-1"))
        house.faults.fault = None
        house.standby.answered()
        await settle_orphans(house.book.settling, house.ledger, CLOCK, "", orphans)
        assert orphans == {"span-1"}
        house.disk.hold = False
        house.disk.free.set()
        await house.catch_up()
        await settle_orphans(house.book.settling, house.ledger, CLOCK, "", orphans)
        assert orphans == set()
        assert [found["kind"] for found in house.stored()] == ["gap.declared", "model.called", "model.answered"]
        assert [gap["refused"] for gap in house.gaps()] == [1], "the turn was refused, and its record is there"

    in_house(tmp_path, story, timeout_s=0.05)
