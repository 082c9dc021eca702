# SPDX-License-Identifier: Apache-2.0
"""Reading every log a page at a time, on both stores, sequenced or still staged."""

from pathlib import Path
from typing import Final

import pytest
from tests.ledger.book import CLOCK, Book, in_book, record

from customhouse.audit import tables, walk
from customhouse.audit.routing import Question, Routing
from customhouse.domain.clock import rfc3339
from customhouse.domain.label import Classification
from customhouse.ledger import gap
from customhouse.ledger.entry import Entry
from customhouse.ledger.mark import Gap, Skipped
from customhouse.ledger.record import ModelFacts
from customhouse.registry import replica_tables
from customhouse.registry.replica import State
from customhouse.store.database import Transaction

HOUR_US: Final = 3_600_000_000


def called(tenant: str, level: str | None, trace_id: str | None = None) -> Entry:
    model = ModelFacts(deployment="local/small", provider="local", requested="m", attempt=1)
    detail: dict[str, object] | None = None if level is None else {"classification": level}
    trace = trace_id or CLOCK.uuid7()
    return Entry(record("model.called", tenant, trace, model=model, assistant="support", detail=detail))


async def asked(book: Book, tenant: str | None = None, *, hours_ago: int = 1) -> Routing:
    now_us = CLOCK.now_us() + 1_000_000
    since_us = now_us - hours_ago * HOUR_US
    question = Question(Classification.CONFIDENTIAL, rfc3339(since_us), rfc3339(now_us), tenant)
    return await walk.routing(book.control, question, since_us, now_us)


def counted(found: Routing) -> tuple[int, int]:
    return sum(each.calls for each in found.destinations), sum(each.calls for each in found.unknown)


@pytest.mark.parametrize("settled", [True, False], ids=["sequenced", "staged"])
def test_every_log_is_read_and_one_alone(place: Path | str, *, settled: bool) -> None:
    async def story(book: Book) -> None:
        trace = CLOCK.uuid7()
        entries = [
            called("acme", "confidential", trace),
            called("acme", "restricted", trace),
            called("acme", "internal"),
            called("bolt", "confidential"),
            called("bolt", None),
            Entry(record("request.accepted", "bolt", CLOCK.uuid7(), detail={"classification": "confidential"})),
        ]
        await book.ledger.append(entries)
        if settled:
            await book.settle()
        everybody, acme = await asked(book), await asked(book, "acme")
        assert counted(everybody) == (3, 1)
        assert counted(acme) == (2, 0)
        assert (everybody.proven, acme.proven) == (False, True)
        assert acme.destinations[0].traces == (trace,)
        assert counted(await asked(book, "nobody")) == (0, 0)

    in_book(place, story)


def test_more_than_a_page_counts_each_once(place: Path | str) -> None:
    async def story(book: Book) -> None:
        """Traces have several calls, so that a page ends in the middle of one."""
        traces = [CLOCK.uuid7() for _ in range(tables.PAGE // 2)]
        entries = [called("acme", "confidential", trace) for trace in traces for _ in range(3)]
        await book.ledger.append(entries[:-1])
        await book.settle()
        await book.ledger.append(entries[-1:])
        assert counted(await asked(book)) == (len(entries), 0)

    in_book(place, story)


def test_a_trace_of_more_than_a_page(place: Path | str) -> None:
    async def story(book: Book) -> None:
        trace = CLOCK.uuid7()
        entries = [called("acme", "confidential", trace) for _ in range(tables.PAGE + 1)]
        await book.ledger.append([*entries, called("acme", "confidential")])
        assert counted(await asked(book)) == (tables.PAGE + 2, 0)

    in_book(place, story)


def test_what_began_before_the_time_or_is_out_of_it(place: Path | str) -> None:
    async def story(book: Book) -> None:
        early = CLOCK.now_us() - 2 * HOUR_US
        old = f"{early // 1000:012x}"
        await book.ledger.append([called("acme", "confidential", f"{old[:8]}-{old[8:]}-7000-8000-000000000000")])
        assert counted(await asked(book)) == (1, 0), "the call left within the hour, its turn began before"
        assert counted(await asked(book, hours_ago=0)) == (0, 0)

    in_book(place, story)


def test_declared_gaps_within_the_time_are_told(place: Path | str) -> None:
    async def story(book: Book) -> None:
        now_us = CLOCK.now_us()
        missing = Gap(
            CLOCK.uuid7(), CLOCK.uuid7(), now_us - 60_000_000, "database", {"acme": Skipped(CLOCK.uuid7(), 7)}
        )
        refused = Gap(CLOCK.uuid7(), CLOCK.uuid7(), now_us - 60_000_000, "database", {})
        await book.ledger.append([*gap.declaration(missing, now_us, exact=False), gap.refusals(refused, now_us, 3)])
        await book.settle()
        everybody, acme, bolt = await asked(book), await asked(book, "acme"), await asked(book, "bolt")
        assert [(each.count, each.at_least, each.reason) for each in everybody.gaps] == [(7, True, "database")]
        assert [each.count for each in acme.gaps] == [7]
        assert (bolt.gaps, bolt.proven) == ((), True), "its log is whole"
        assert (await asked(book, hours_ago=0)).gaps == ()

    in_book(place, story)


@pytest.mark.parametrize(
    ("why", "ledger", "silent_s", "ended", "proven"),
    [
        ("it reports, and writes as usual", "ok", 0, False, True),
        ("its records wait on its disk", "spooling", 0, False, False),
        ("it was well before it was cut off, and may spool since", "ok", walk.SILENT_S + 1, False, False),
        ("it was killed days ago, with whatever its disk holds", "ok", 6 * 86400, False, False),
        ("it stopped in order with nothing left", "ok", 6 * 86400, True, True),
        ("it stopped in order, and its records still wait on its disk", "spooling", 6 * 86400, True, False),
        ("it stopped while it counted records that it could not write", "open", 60, True, False),
        ("what it refused left no record", "refusing", 60, True, True),
    ],
)
def test_a_replica_that_may_keep_evidence_on_its_disk_is_told(
    place: Path | str, why: str, ledger: str, silent_s: int, *, ended: bool, proven: bool
) -> None:
    def work(tx: Transaction) -> None:
        state, seen_us = State(stale_refuse_s=30, ledger=ledger, turns=0), replica_tables.now_us(tx)
        replica_tables.put(tx, "id-1", "gateway-1", "1", seen_us, state)
        if ended:
            replica_tables.end(tx, "id-1", state)

    async def story(book: Book) -> None:
        await book.control.transact(work)
        book.asked(f"UPDATE replica SET seen_at_us = seen_at_us - {silent_s * 1_000_000} WHERE id = 'id-1'")  # noqa: S608
        found = await asked(book)
        assert found.proven is proven, why
        assert found.pending == (() if proven else ("gateway-1",))

    in_book(place, story)
