# SPDX-License-Identifier: Apache-2.0
"""What a call begins with on SQLite: one row until its outcome, and nothing of it hidden, lost or out of order."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ledger.book import CLOCK, ROOT, Book, in_book, record

from customhouse.audit import tables as audit_tables
from customhouse.domain.errors import LedgerUnavailable
from customhouse.ledger import fsck, opening, tables, trace
from customhouse.ledger.append import Ledger
from customhouse.ledger.entry import Entry, Leaf, storable
from customhouse.ledger.record import encode
from customhouse.ledger.recover import settle_open_calls
from customhouse.ledger.tables import Place
from customhouse.store.database import Transaction
from customhouse.vault.seal import Sealed

TRACE: Final = "019ab000-0000-7000-8000-000000000001"
SPAN: Final = "019ab000-0000-7000-8000-00000000000a"
ROWS: Final = "SELECT trace_id FROM opening"
BODY: Final = b"where is my order"


async def begin(book: Book, trace_id: str = TRACE, span: str = SPAN, tenant: str = "acme") -> None:
    """Write what a turn writes before its model is asked."""
    key = await book.ledger.tenant_key(tenant)
    sealed = key.seal(trace_id, "request", BODY)
    accepted = record("request.accepted", tenant, trace_id, commitments={"request": sealed.commitment})
    called = record("model.called", tenant, trace_id, span_id=span)
    await book.ledger.append([Entry(accepted, (sealed,), ("support@2", "key_7")), Entry(called, opens=True)])


async def end(book: Book, trace_id: str = TRACE, span: str = SPAN, tenant: str = "acme") -> None:
    answered = record("model.answered", tenant, trace_id, span_id=span)
    completed = record("response.completed", tenant, trace_id)
    await book.ledger.append([Entry(answered, closes=span), Entry(completed, references=("call_9",))])


def on_sqlite(tmp_path: Path, story: Callable[[Book], Awaitable[None]]) -> None:
    in_book(tmp_path, story)


@given(
    st.lists(
        st.tuples(st.lists(st.binary(max_size=40), max_size=3), st.lists(st.text(max_size=9), max_size=3)),
        min_size=1,
        max_size=4,
    )
)
def test_a_row_gives_back_what_was_kept(written: list[tuple[list[bytes], list[str]]]) -> None:
    leaves: list[Leaf] = []
    for number, (contents, names) in enumerate(written):
        last = number == len(written) - 1
        said = record("model.called" if last else "request.accepted", "acme", TRACE, span_id=SPAN if last else None)
        sealed = tuple(Sealed(f"c{index}", f"kind {index}", each) for index, each in enumerate(contents))
        leaves.append(Leaf(Entry(said, sealed, tuple(names), opens=last), encode(said)))
    assert opening.begun(leaves) == SPAN
    back = opening.leaves_of(opening.kept(SPAN, leaves))
    assert [replace(leaf, entry=replace(leaf.entry, references=())) for leaf in back] == [
        replace(leaf, entry=replace(leaf.entry, references=())) for leaf in leaves
    ]
    names = [[storable(name) for name in leaf.entry.references] for leaf in leaves]
    assert [list(leaf.entry.references) for leaf in back] == names


def test_a_call_that_has_just_begun_is_seen_whole(tmp_path: Path) -> None:
    async def story(book: Book) -> None:
        await begin(book)
        assert book.asked(ROWS) == [(TRACE,)]
        assert book.asked("SELECT count(*) FROM evidence") == book.asked("SELECT count(*) FROM payload") == [(0,)]
        key = await book.ledger.tenant_key("acme")

        def look(tx: Transaction) -> None:
            assert trace.last(tx, "acme") == trace.last(tx, None) == ("acme", TRACE)
            for name in (TRACE, "support@2", "key_7"):
                assert trace.find(tx, name, None) == trace.find(tx, name, "acme") == (("acme", TRACE),)
                assert trace.find(tx, name, "bolt") == ()
            (found,) = trace.read_each(tx, [Place("acme", TRACE)])
            assert [(step.position, step.record.kind) for step in found.steps] == [
                (None, "request.accepted"),
                (None, "model.called"),
            ]
            assert found.intact
            (payload,) = trace.payloads(tx, "acme", TRACE)
            assert key.open(TRACE, payload.kind, payload.commitment, payload.sealed) == BODY
            assert trace.payloads(tx, "bolt", TRACE) == ()
            assert [each.trace_id for each in audit_tables.calls(tx, "acme", "", "~")] == [TRACE]
            assert audit_tables.calls(tx, "bolt", "", "~") == ()

        await book.database.read(look)

    on_sqlite(tmp_path, story)


def test_a_name_that_holds_nul_is_found_before_and_after(tmp_path: Path) -> None:
    """SQL cuts a JSON text at its NUL; PostgreSQL holds none at all. Both know the name by another sign."""

    async def story(book: Book) -> None:
        called = Entry(record("model.called", "acme", TRACE, span_id=SPAN), references=("a\0b",), opens=True)
        await book.ledger.append([called])

        def found(tx: Transaction) -> list[tuple[tuple[str, str], ...]]:
            return [trace.find(tx, name, "acme") for name in ("a\0b", "a", "b")]

        assert await book.database.read(found) == [(("acme", TRACE),), (), ()]
        await end(book)
        assert await book.database.read(found) == [(("acme", TRACE),), (), ()]

    on_sqlite(tmp_path, story)


def test_its_records_stand_before_its_outcome(tmp_path: Path) -> None:
    async def story(book: Book) -> None:
        await begin(book)
        await book.ledger.append([Entry(record("request.refused", "acme", "019ab000-0000-7000-8000-000000000002"))])
        await end(book)
        assert book.asked("SELECT kind FROM evidence ORDER BY position") == [
            ("request.refused",),
            ("request.accepted",),
            ("model.called",),
            ("model.answered",),
            ("response.completed",),
        ]
        assert (await book.verdict("acme")).reason is None
        assert book.asked(ROWS) == book.asked("SELECT span_id FROM open_call") == []
        assert book.asked("SELECT name FROM reference ORDER BY name") == [("call_9",), ("key_7",), ("support@2",)]
        assert book.asked("SELECT kind FROM payload") == [("request",)]

    on_sqlite(tmp_path, story)


def test_another_attempt_of_the_turn_follows_the_first(tmp_path: Path) -> None:
    async def story(book: Book) -> None:
        await begin(book)
        failed = Entry(record("model.failed", "acme", TRACE, span_id=SPAN), closes=SPAN)
        again = Entry(record("model.called", "acme", TRACE, span_id="second"), opens=True)
        await book.ledger.append([failed, again])
        assert book.asked(ROWS) == []
        assert book.asked("SELECT span_id FROM open_call") == [("second",)]
        await end(book, span="second")
        assert await book.kinds(TRACE, "acme") == [
            "request.accepted",
            "model.called",
            "model.failed",
            "model.called",
            "model.answered",
            "response.completed",
        ]
        assert book.asked("SELECT span_id FROM open_call") == []

    on_sqlite(tmp_path, story)


def test_many_turns_at_once_of_several_tenants(tmp_path: Path) -> None:
    async def story(book: Book) -> None:
        turns = [(f"019ab000-0000-7000-8000-1{n:011d}", f"span-{n}", ("acme", "bolt")[n % 2]) for n in range(40)]
        await asyncio.gather(*(begin(book, *turn) for turn in turns))
        assert book.asked("SELECT count(*) FROM opening") == [(40,)]
        await asyncio.gather(*(end(book, *turn) for turn in turns[::-1]))
        for tenant in ("acme", "bolt"):
            verdict = await book.verdict(tenant)
            assert (verdict.size, verdict.reason) == (80, None)
        whole = ["request.accepted", "model.called", "model.answered", "response.completed"]
        for trace_id, _, tenant in turns:
            assert await book.kinds(trace_id, tenant) == whole
        assert book.asked(ROWS) == []

    on_sqlite(tmp_path, story)


def test_the_same_span_in_two_tenants_is_two_calls(tmp_path: Path) -> None:
    async def story(book: Book) -> None:
        for tenant in ("acme", "bolt"):
            await begin(book, tenant=tenant)
        await end(book, tenant="bolt")
        assert book.asked("SELECT tenant_id FROM opening") == [("acme",)]
        await end(book)
        assert (await book.verdict("acme")).size == (await book.verdict("bolt")).size == 4  # noqa: PLR2004 - a turn

    on_sqlite(tmp_path, story)


def test_what_a_crash_left_begun_becomes_unknown_once(tmp_path: Path) -> None:
    async def story(book: Book) -> None:
        await begin(book)
        fresh = Ledger(book.database, ROOT, CLOCK, replica="the next one")
        assert await settle_open_calls(book.database, fresh, CLOCK) == 1
        assert await settle_open_calls(book.database, fresh, CLOCK) == 0
        assert await book.kinds(TRACE, "acme") == ["request.accepted", "model.called", "model.unknown"]
        assert book.asked(ROWS) == book.asked("SELECT span_id FROM open_call") == []
        assert (await book.verdict("acme")).reason is None

    on_sqlite(tmp_path, story)


def test_of_many_only_the_orphans_are_settled(tmp_path: Path) -> None:
    async def story(book: Book) -> None:
        await begin(book)
        other = "019ab000-0000-7000-8000-000000000002"
        await begin(book, other, "other")
        assert await settle_open_calls(book.database, book.ledger, CLOCK, "", frozenset({"other"})) == 1
        assert book.asked(ROWS) == [(TRACE,)]
        assert (await book.kinds(other, "acme"))[-1] == "model.unknown"
        await end(book)
        assert (await book.verdict("acme")).reason is None

    on_sqlite(tmp_path, story)


def test_what_is_written_again_is_known(tmp_path: Path) -> None:
    """The spool may have what a COMMIT that was given up has written all the same."""

    async def story(book: Book) -> None:
        said = [record("request.accepted", "acme", TRACE), record("model.called", "acme", TRACE, span_id=SPAN)]
        entries = [Entry(said[0]), Entry(said[1], opens=True)]
        await book.ledger.append(entries)
        await book.ledger.append_once([Leaf(entry, encode(entry.record)) for entry in entries])
        await end(book)
        assert (await book.verdict("acme")).size == 4  # noqa: PLR2004 - a turn
        await book.ledger.append_once([Leaf(entry, encode(entry.record)) for entry in entries])
        assert (await book.verdict("acme")).size == 4  # noqa: PLR2004 - likewise

    on_sqlite(tmp_path, story)


LEAVES: Final = "SELECT leaves FROM opening"
DAMAGES: Final = [
    ("no JSON", "UPDATE opening SET leaves = 'x'", "cannot be read"),
    ("no record", "UPDATE opening SET leaves = '[]'", "no record says which call is open"),
    ("another number", "UPDATE opening SET id = 7", "does not have its call's number"),
    ("another tenant's", "UPDATE opening SET tenant_id = 'bolt'", "the record says tenant 'acme'"),
    ("another trace's", "UPDATE opening SET trace_id = 't'", "the record says trace_id"),
    ("another call's", "UPDATE opening SET span_id = 's'", "no record says which call is open"),
    ("payloads cut off", "UPDATE opening SET sealed = x'00'", "do not make up the 1 sealed bytes"),
    ("a record's bytes", "UPDATE opening SET leaves = replace(leaves, '\\\"v\\\":1', '\\\"v\\\": 1')", "not canonical"),
    ("a record's kind", "UPDATE opening SET leaves = json_set(leaves, '$[0].kind', 'x')", "the record says kind"),
    ("a payload", "UPDATE opening SET leaves = json_set(leaves, '$[0].payloads', json('[]'))", "its request payload"),
]


@pytest.mark.parametrize(("sql", "says"), [row[1:] for row in DAMAGES], ids=[row[0] for row in DAMAGES])
def test_damage_is_found(tmp_path: Path, sql: str, says: str) -> None:
    async def story(book: Book) -> None:
        await begin(book)
        sound = await fsck.check(book.database, CLOCK, keep_days=184, shared=False, tell=lambda _: None)
        assert (sound.findings, sound.staged) == ((), 2)
        book.asked(sql)
        report = await fsck.check(book.database, CLOCK, keep_days=184, shared=False, tell=lambda _: None)
        assert any(says in each.problem for each in report.findings if each.check == "opening"), report.findings

    on_sqlite(tmp_path, story)


def test_a_record_that_waits_and_has_its_place_is_found(tmp_path: Path) -> None:
    async def story(book: Book) -> None:
        await begin(book)
        [(leaves,)] = book.asked(LEAVES)
        book.asked(
            "INSERT INTO evidence (tenant_id, position, id, trace_id, kind, canonical, leaf_hash, link_hash)"
            " VALUES ('acme', 0, ?, ?, 'request.accepted', x'00', x'00', x'00')",
            json.loads(leaves)[0]["id"],
            TRACE,
        )
        report = await fsck.check(book.database, CLOCK, keep_days=184, shared=False, tell=lambda _: None)
        assert any("waits for its place, and has one" in each.problem for each in report.findings)

    on_sqlite(tmp_path, story)


def test_what_cannot_be_read_back_is_not_dropped(tmp_path: Path) -> None:
    async def story(book: Book) -> None:
        await begin(book)
        book.asked("UPDATE opening SET leaves = '[{}]'")
        with pytest.raises(LedgerUnavailable):
            await end(book)
        assert book.asked(ROWS) == [(TRACE,)]
        assert book.asked("SELECT count(*) FROM evidence") == [(0,)]

    on_sqlite(tmp_path, story)


def test_nobody_takes_what_another_tenants_call_began_with(tmp_path: Path) -> None:
    async def story(book: Book) -> None:
        await begin(book)

        def take(tx: Transaction) -> opening.Opening | None:
            tx.act_for("bolt")
            return tables.take_opening(tx, "bolt", SPAN)

        assert await book.database.transact(take) is None
        assert book.asked(ROWS) == [(TRACE,)]

    on_sqlite(tmp_path, story)
