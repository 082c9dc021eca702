# SPDX-License-Identifier: Apache-2.0
"""fsck finds what was done to a database behind the server's back, says where, and finds nothing in a sound one."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest
from tests.ledger.book import CLOCK, Book, asked, in_book, record

from customhouse.ledger import fsck, fsck_rights, fsck_tables
from customhouse.ledger.entry import Entry
from customhouse.ledger.fsck import Report
from customhouse.store.database import Database
from customhouse.store.postgres import open_postgres

TRACE, OTHER = CLOCK.uuid7(), CLOCK.uuid7()
Damage = Callable[[Book], Awaitable[None]]


async def written(book: Book) -> None:
    """Write two logs, with payloads, ids, a call that is open and one that ended."""
    key = await book.ledger.tenant_key("acme")
    sealed = key.seal(TRACE, "request", b"where is my order")
    said = record("request.accepted", "acme", TRACE, commitments={"request": sealed.commitment})
    await book.ledger.append([Entry(said, (sealed,), ("call_7",))])
    await book.ledger.append([Entry(record("model.called", "acme", TRACE, span_id="s1"), opens=True)])
    await book.ledger.append([Entry(record("model.answered", "acme", TRACE, span_id="s1"), closes="s1")])
    await book.ledger.append([Entry(record("model.called", "acme", OTHER, span_id="s2"), opens=True)])
    await book.ledger.append([Entry(record("request.accepted", "bolt", OTHER)) for _ in range(3)])


async def checked(book: Book) -> Report:
    if book.sequencer is None:
        return await fsck.check(book.database, CLOCK, keep_days=184, shared=False, tell=lambda _: None)
    auditor: Database = await open_postgres(str(book.place), "auditor", deadline_s=None)
    try:
        return await fsck.check(auditor, CLOCK, keep_days=184, shared=True, tell=lambda _: None)
    finally:
        await auditor.close()


def test_a_sound_database_is_sound(place: Path | str) -> None:
    async def story(book: Book) -> None:
        empty = await checked(book)
        assert (empty.sound, empty.logs, empty.findings) == (True, 0, ())
        await written(book)
        waiting = await checked(book)
        assert (waiting.findings, waiting.staged + waiting.records) == ((), 7)
        assert waiting.staged == (1 if book.sequencer is None else 7)
        await book.settle()
        report = await checked(book)
        assert (report.findings, report.logs, report.records, report.staged) == ((), 2, 7, 0)

    in_book(place, story)


def altered(sql: str, *values: str | bytes) -> Damage:
    async def damage(book: Book) -> None:
        book.asked(sql, *values)

    return damage


async def rewritten(book: Book) -> None:
    """Change a record, its leaf and every link after it: what somebody does who knows how the chain is made."""
    rows = book.asked("SELECT position, canonical FROM evidence WHERE tenant_id = 'acme' ORDER BY position")
    link = bytes(32)
    for position, canonical in rows:
        content = bytes(canonical).replace(b"request.accepted", b"request.refused")
        leaf = hashlib.sha256(b"\x00" + content).digest()
        link = hashlib.sha256(b"\x02" + link + leaf).digest()
        book.asked(
            "UPDATE evidence SET canonical = ?, leaf_hash = ?, link_hash = ? WHERE tenant_id = 'acme' AND position = ?",
            content,
            leaf,
            link,
            position,
        )


async def spaced(book: Book) -> None:
    """Write a record with a blank, and leaf and head with it: whole as a chain, and not what the writer writes."""
    [(before,)] = book.asked("SELECT canonical FROM evidence WHERE tenant_id = 'bolt' AND position = 2")
    [(previous,)] = book.asked("SELECT link_hash FROM evidence WHERE tenant_id = 'bolt' AND position = 1")
    content = bytes(before).replace(b'"v":1', b'"v": 1')
    leaf = hashlib.sha256(b"\x00" + content).digest()
    link = hashlib.sha256(b"\x02" + bytes(previous) + leaf).digest()
    where = "WHERE tenant_id = 'bolt' AND position = 2"
    book.asked(f"UPDATE evidence SET canonical = ?, leaf_hash = ?, link_hash = ? {where}", content, leaf, link)  # noqa: S608 - the line above
    book.asked("UPDATE chain_head SET hash = ? WHERE tenant_id = 'bolt'", link)


DAMAGES: Final = [
    # what was done, how, the check that finds it, where, and words of what it says
    ("bytes changed", altered("UPDATE evidence SET canonical = ? WHERE kind = 'model.answered'", b"{}"),
     "log", "log acme, position 2", "not those of its leaf"),
    ("a record and all after it", rewritten, "log", "log acme, end", "the head does not name the last link"),
    ("a record removed", altered("DELETE FROM evidence WHERE kind = 'model.answered'"),
     "log", "log acme, position 2", "positions 2 to 2 are missing"),
    ("the end cut off", altered("DELETE FROM evidence WHERE tenant_id = 'bolt' AND position > 0"),
     "log", "log bolt, position 1", "positions 1 to 2 are missing"),
    ("the head moved back", altered("UPDATE chain_head SET size = 2 WHERE tenant_id = 'bolt'"),
     "log", "log bolt, end", "the last place taken is 2"),
    ("the head removed", altered("DELETE FROM chain_head WHERE tenant_id = 'bolt'"),
     "log", "log bolt", "records and no head"),
    ("a record before the first", altered("INSERT INTO evidence (tenant_id, position, id, trace_id, kind, canonical,"
     " leaf_hash, link_hash) SELECT tenant_id, -7, 'forged', trace_id, kind, canonical, leaf_hash, link_hash"
     " FROM evidence WHERE tenant_id = 'bolt' AND position = 1"),
     "log", "log bolt, position -7", "before the log's first place"),
    ("no canonical JSON", spaced, "record", "log bolt, position 2", "not canonical JSON"),
    ("a column changed", altered("UPDATE evidence SET id = 'x' WHERE tenant_id = 'bolt' AND position = 1"),
     "record", "log bolt, position 1", "the record says id"),
    ("a record twice", altered("UPDATE evidence SET id = 'x' WHERE tenant_id = 'bolt' AND position > 0"),
     "record", "log bolt, record x", "2 times"),
    ("a payload removed", altered("DELETE FROM payload"),
     "payload", "log acme, position 0", "its request payload is not there"),
    ("an id that leads nowhere", altered("INSERT INTO reference (tenant_id, name, trace_id) VALUES ('acme', 'n', 't')"),
     "reference", "log acme", "n leads to trace t"),
    ("a call without a record", altered("UPDATE open_call SET span_id = 's9'"),
     "open_call", "log acme, span s9", "no model.called record"),
    ("a call that ended", altered("UPDATE open_call SET span_id = 's1', record = (SELECT canonical FROM evidence"
     " WHERE trace_id = ? AND kind = 'model.called')", TRACE), "open_call", "log acme, span s1", "has model.answered"),
    ("a pin nobody moved", altered("INSERT INTO pin (environment, assistant, plane, digest, release_number,"
     " pinned_at_us, pinned_by) VALUES ('dev', 'bot', 'prompt', 'd', 1, 0, 'x')"),
     "registry", "pins of bot in dev", "was never moved there"),
    ("a document changed", altered("INSERT INTO version (digest, assistant, plane, number, document, created_by,"
     " created_at_us) VALUES ('sha256:0', 'bot', 'prompt', 1, ?, 'x', 0)", b"{}"),
     "registry", "prompt version sha256:0 of bot", "the document was changed"),
    ("a release changed", altered("INSERT INTO release (digest, assistant, number, statement, signature, key_id,"
     " created_at_us) VALUES ('sha256:0', 'bot', 1, ?, ?, 'k', 0)", b"{}", b""),
     "registry", "release bot@1", "does not have its digest"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "check", "where", "says"), [row[1:] for row in DAMAGES], ids=[r[0] for r in DAMAGES]
)
def test_it_finds(place: Path | str, damage: Damage, check: str, where: str, says: str) -> None:
    async def story(book: Book) -> None:
        await written(book)
        await book.settle()
        await damage(book)
        report = await checked(book)
        assert not report.sound
        found = [each for each in report.findings if (each.check, each.where) == (check, where)]
        assert any(says in each.problem and each.advice for each in found), report.findings

    in_book(place, story)


RIGHTS: Final = [
    # what an administrator did, the table or role that is named, and words of what is said
    ("ALTER TABLE evidence NO FORCE ROW LEVEL SECURITY", "evidence", "not forced"),
    ("ALTER TABLE payload_default DISABLE ROW LEVEL SECURITY", "payload_default", "row security is off"),
    ("GRANT UPDATE ON evidence TO customhouse_gateway", "evidence", "gateway may UPDATE, and should not"),
    ("GRANT SELECT ON payload_default TO customhouse_auditor", "payload_default", "auditor may SELECT"),
    ("GRANT SELECT (key_hash) ON person TO customhouse_auditor", "person", "may SELECT key_hash"),
    ("GRANT SELECT ON payload TO PUBLIC", "payload", "PUBLIC may SELECT"),
    ("REVOKE INSERT ON payload FROM customhouse_gateway", "payload", "gateway may not INSERT, and should"),
    ("CREATE POLICY wide ON evidence TO customhouse_gateway USING (true)", "evidence", "policy wide shows"),
    (
        "GRANT EXECUTE ON FUNCTION drop_payloads(date) TO customhouse_gateway",
        "drop_payloads()",
        "gateway may EXECUTE AS",
    ),
    (
        "CREATE FUNCTION peek() RETURNS SETOF payload LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM payload'",
        "peek()",
        "PUBLIC may EXECUTE AS OWNER",
    ),
    ("REVOKE EXECUTE ON FUNCTION staged_logs() FROM customhouse_control", "staged_logs()", "control may not EXECUTE"),
    ("GRANT CREATE ON SCHEMA customhouse TO customhouse_gateway", "schema", "gateway may CREATE"),
    ("DROP POLICY own ON tenant_key", "tenant_key", "no policy keeps control and gateway"),
    ("DROP POLICY ends ON approval", "approval", "policy ends of customhouse_gateway is missing"),
    ("ALTER POLICY asks ON approval WITH CHECK (true)", "approval", "customhouse_gateway is missing, or is not"),
    ("GRANT UPDATE (approvers) ON approval TO customhouse_gateway", "approval", "may UPDATE approvers, and should not"),
    ("GRANT INSERT ON approval_answer TO customhouse_gateway", "approval_answer", "gateway may INSERT, and should not"),
]


@pytest.mark.parametrize(("statement", "where", "says"), RIGHTS, ids=[row[0] for row in RIGHTS])
def test_it_finds_rights_that_are_not_the_expected_ones(postgres: str, statement: str, where: str, says: str) -> None:
    async def story(book: Book) -> None:
        asked(postgres, statement)
        report = await checked(book)
        assert [each.where for each in report.findings] == [where], report.findings
        assert says in report.findings[0].problem

    in_book(postgres, story)


def test_the_expected_rights_are_those_of_the_schema(postgres: str) -> None:
    async def story(_: Book) -> None:
        auditor = await open_postgres(postgres, "auditor")
        assert await auditor.read(fsck_tables.grants) == fsck_rights.expected_grants()
        await auditor.close()

    in_book(postgres, story)


def test_a_position_that_is_taken_in_two_partitions_is_found(postgres: str) -> None:
    async def story(book: Book) -> None:
        await written(book)
        await book.settle()
        book.asked(
            "INSERT INTO evidence SELECT tenant_id, position, 'twin', 'another', kind, canonical, leaf_hash, link_hash"
            " FROM evidence WHERE tenant_id = 'bolt' AND position = 1"
        )
        report = await checked(book)
        assert any("taken twice" in each.problem for each in report.findings)

    in_book(postgres, story)


def test_a_database_that_is_wrong_everywhere_is_told_of_in_bounds(tmp_path: Path) -> None:
    async def story(book: Book) -> None:
        await asyncio.gather(*(book.ledger.append([Entry(record())]) for _ in range(300)))
        book.asked("UPDATE evidence SET leaf_hash = x'00'")
        report = await checked(book)
        assert len(report.findings) == fsck.MAX_FINDINGS
        assert report.more >= 100

    in_book(tmp_path, story)
