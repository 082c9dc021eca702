# SPDX-License-Identifier: Apache-2.0
"""Appending: one chain whoever writes, each caller's failure its own, nothing half-written, nothing forgotten."""

import asyncio
from pathlib import Path

import apsw
import pytest
from tests.ledger.book import ROOT, TENANT, Book, in_book, open_book, record

from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import LedgerUnavailable, StoreUnavailable
from customhouse.ledger import tables
from customhouse.ledger.append import MAX_FLUSH, Ledger
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import MAX_RECORD_BYTES, ORGANIZATION, Record
from customhouse.store.database import DuplicateRow, Transaction
from customhouse.store.sqlite import SqliteTransaction
from customhouse.vault.seal import Sealed


def entry(kind: str = "request.accepted", tenant: str = TENANT, trace_id: str = "trace") -> Entry:
    return Entry(record(kind, tenant, trace_id))


def too_large() -> Entry:
    return Entry(record(detail={"text": "x" * MAX_RECORD_BYTES}))


def test_many_appends_over_two_ledgers_make_one_chain(place: Path | str) -> None:
    async def story(book: Book) -> None:
        async with open_book(book.place) as other:
            await asyncio.gather(
                *(
                    each.ledger.append([entry(trace_id=f"{name}-{number}"), entry("response.completed")])
                    for number in range(200)
                    for name, each in (("a", book), ("b", other))
                )
            )
        verdict = await book.verdict()
        assert (verdict.size, verdict.broken_at) == (800, None)
        positions = [row[0] for row in book.asked("SELECT position FROM evidence ORDER BY position")]
        assert positions == list(range(800))

    in_book(place, story)


def test_each_tenant_has_a_chain_of_its_own(place: Path | str) -> None:
    async def story(book: Book) -> None:
        mixed = [entry(tenant=("acme", "bolt")[number % 2]) for number in range(7)]
        await asyncio.gather(book.ledger.append(mixed), book.ledger.append([entry(tenant="bolt")]))
        assert [(await book.verdict(tenant)).size for tenant in ("acme", "bolt", "nobody")] == [4, 4, 0]

    in_book(place, story)


def test_records_of_one_append_keep_their_order(place: Path | str) -> None:
    kinds = ["request.accepted", "model.called", "model.answered", "response.completed"]

    async def story(book: Book) -> None:
        await book.ledger.append([entry(kind) for kind in kinds])
        assert await book.kinds() == kinds

    in_book(place, story)


def test_more_appends_than_a_commit_takes_all_land(place: Path | str) -> None:
    async def story(book: Book) -> None:
        await asyncio.gather(*(book.ledger.append([entry()]) for _ in range(2 * MAX_FLUSH + 3)))
        assert (await book.verdict()).size == 2 * MAX_FLUSH + 3

    in_book(place, story)


def test_a_record_over_its_bound_refuses_only_its_caller(place: Path | str) -> None:
    async def story(book: Book) -> None:
        appends = [[entry()], [entry("model.called"), too_large()], [entry("response.completed")], [too_large()]]
        results = await asyncio.gather(*(book.ledger.append(one) for one in appends), return_exceptions=True)
        assert [type(result) for result in results] == [type(None), LedgerUnavailable, type(None), LedgerUnavailable]
        assert await book.kinds() == ["request.accepted", "response.completed"]
        assert (await book.verdict()).broken_at is None

    in_book(place, story)


def test_when_the_database_fails_all_who_wait_are_refused_and_later_ones_land(tmp_path: Path) -> None:
    def hurried(tx: Transaction) -> None:
        assert isinstance(tx, SqliteTransaction)
        tx._connection.set_busy_timeout(1)  # pyright: ignore[reportPrivateUsage]

    async def story(book: Book) -> None:
        await book.database.transact(hurried)
        other = apsw.Connection(str(book.path))
        other.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(*(book.ledger.append([entry()]) for _ in range(20)), return_exceptions=True)
        assert {type(result) for result in results} == {LedgerUnavailable}
        causes = [result.__cause__ for result in results if isinstance(result, LedgerUnavailable)]
        assert {type(cause) for cause in causes} == {StoreUnavailable}
        other.execute("ROLLBACK")
        other.close()
        await book.ledger.append([entry("response.completed")])
        assert await book.kinds() == ["response.completed"]
        assert (await book.verdict()).size == 1

    in_book(tmp_path, story)


def test_the_records_of_a_caller_who_left_are_written_all_the_same(place: Path | str) -> None:
    async def story(book: Book) -> None:
        first = asyncio.ensure_future(book.ledger.append([entry()]))
        second = asyncio.ensure_future(book.ledger.append([entry("model.called")]))
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        await book.ledger.append([entry("response.completed")])
        assert (first.cancelled(), second.cancelled()) == (True, True)
        assert await book.kinds() == ["request.accepted", "model.called", "response.completed"]

    in_book(place, story)


def test_what_is_written_in_a_transaction_that_fails_was_never_written(place: Path | str) -> None:
    async def story(book: Book) -> None:
        def change(tx: Transaction) -> None:
            book.ledger.write(tx, [Entry(record(), (Sealed("c", "prompt", b"x"),), ("name",), opens=False)])
            raise LookupError("the change itself failed")

        with pytest.raises(LookupError):
            await book.control.transact(change)
        assert (await book.verdict()).size == 0
        for table in ("evidence", "payload", "reference", "chain_head"):
            assert book.asked(f"SELECT * FROM {table}") == []  # noqa: S608 - the names above

    in_book(place, story)


def test_a_change_whose_evidence_cannot_be_written_is_undone(place: Path | str) -> None:
    async def story(book: Book) -> None:
        def change(tx: Transaction) -> None:
            tx.run("environment_ensure", name="dev", reviewers=0)
            book.ledger.write(tx, [too_large()])

        with pytest.raises(LedgerUnavailable):
            await book.control.transact(change)
        assert book.asked("SELECT * FROM environment") == []

    in_book(place, story)


def test_a_head_that_moved_inside_the_transaction_stops_the_write(tmp_path: Path) -> None:
    """Somebody who rewrites the head with the file in hand does not get a forked log out of it."""

    async def story(book: Book) -> None:
        def change(tx: Transaction) -> None:
            tx.act_for(TENANT)
            before = tables.head(tx, TENANT)
            book.ledger.write(tx, [entry()])
            assert not tables.advance_head(tx, before and before._replace(size=99), tables.Head(TENANT, 1, b"x"))

        await book.ledger.append([entry()])
        await book.control.transact(change)
        assert (await book.verdict()).size == 2
        book.asked("UPDATE chain_head SET size = 1, hash = x'00'")
        with pytest.raises(LedgerUnavailable) as caught:
            await book.ledger.append([entry()])
        assert isinstance(caught.value.__cause__, DuplicateRow), "position 1 is taken: the log cannot fork"

    in_book(tmp_path, story)


def test_payloads_and_further_ids_land_with_their_record(place: Path | str) -> None:
    async def story(book: Book) -> None:
        sealed = (Sealed("c1", "prompt", b"one"), Sealed("c2", "answer", b"two"))
        await book.ledger.append([Entry(record(), sealed, ("call_7", "support@3"))])
        await book.ledger.append([Entry(record(), sealed[:1], ("call_7",))])
        assert book.asked("SELECT commitment, kind, sealed FROM payload ORDER BY 1") == [
            ("c1", "prompt", b"one"),
            ("c2", "answer", b"two"),
        ]
        assert book.asked("SELECT name, trace_id FROM reference") == [("call_7", "trace"), ("support@3", "trace")]

    in_book(place, story)


def test_a_tenants_key_is_made_once_and_opens_again(place: Path | str) -> None:
    async def story(book: Book) -> None:
        async with open_book(book.place) as other:
            keys = await asyncio.gather(*(each.ledger.tenant_key("acme") for each in (book, other, book, other)))
        sealed = keys[0].seal("trace", "prompt", b"secret")
        assert {key.open("trace", "prompt", sealed.commitment, sealed.content) for key in keys} == {b"secret"}
        assert len(book.asked("SELECT 1 FROM tenant_key")) == 1
        stranger = Ledger(book.database, ROOT[::-1], SystemClock())
        with pytest.raises(LedgerUnavailable) as caught:
            await stranger.tenant_key("acme")
        assert "restore keys/root.key" in str(caught.value.__cause__)

    in_book(place, story)


def test_an_event_of_the_control_plane_stands_in_the_organisations_log(place: Path | str) -> None:
    async def story(book: Book) -> None:
        event = book.ledger.event(
            "pin.moved", actor="dana@acme.test", trace_id="t", detail={"to": 2}, assistant="bot", references=("bot@2",)
        )
        found: Record = event.record
        assert (found.tenant, found.principal and found.principal.actor) == (ORGANIZATION, "dana@acme.test")
        assert event.references == ("bot@2", "dana@acme.test"), "found by who did it, too"
        await book.ledger.append([event])
        assert await book.kinds("t", ORGANIZATION) == ["pin.moved"]

    in_book(place, story)
