# SPDX-License-Identifier: Apache-2.0
"""A trace is found by any id that a person may hold, in the right tenant's log, and says when it was altered."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from tests.ledger.book import CLOCK, Book, in_book, record

from customhouse.ledger import trace
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import ORGANIZATION

OLDER, TRACE, OTHER = (f"019ab000-0000-7000-8000-00000000000{number}" for number in range(3))
"""Written out, and not drawn: rows are named after them, and every worker of a parallel run must name them alike."""
RESPONSE: Final = f"chatcmpl-{TRACE.replace('-', '')}"
W3C: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
KINDS: Final = ("request.accepted", "tool.decided", "response.completed")

HELD: Final = [
    ("the trace id", TRACE),
    ("the response's id", RESPONSE),
    ("a message's id", RESPONSE.replace("chatcmpl-", "msg_")),
    ("a tool call's id", "call_7"),
    ("a decision's id", "decision-1"),
    ("a release", "support@3"),
    ("the client's own trace id", W3C),
]


async def written(book: Book) -> None:
    """Write one turn of a tenant, an older one that shares the release, and an event of the organisation."""
    names = ("call_7", "decision-1", "support@3", W3C)
    await book.ledger.append([Entry(record("request.accepted", "acme", OLDER), references=("support@3",))])
    await book.ledger.append([Entry(record(kind, "acme", TRACE), references=names) for kind in KINDS])
    await book.ledger.append([Entry(record("request.accepted", "bolt", OTHER), references=("call_8",))])
    await book.ledger.append([Entry(record("pin.moved", ORGANIZATION, OTHER), references=("support@9",))])


async def found(book: Book, name: str, tenant: str | None = None) -> Sequence[tuple[str, str]]:
    return await book.control.read(lambda tx: trace.find(tx, name, tenant))


@pytest.mark.parametrize("name", [row[1] for row in HELD], ids=[row[0] for row in HELD])
def test_it_is_found_by(place: Path | str, name: str) -> None:
    async def story(book: Book) -> None:
        await written(book)
        assert (await found(book, name))[0] == ("acme", TRACE)
        assert (await found(book, name, "acme"))[0] == ("acme", TRACE)
        assert await found(book, name, "bolt") == (), "another tenant's log does not tell"

    in_book(place, story)


def test_what_several_traces_share_names_them_newest_first(place: Path | str) -> None:
    async def story(book: Book) -> None:
        await written(book)
        assert await found(book, "support@3") == (("acme", TRACE), ("acme", OLDER))

    in_book(place, story)


@pytest.mark.parametrize(
    "name", ["", "%", "call_", "chatcmpl-", "msg_", RESPONSE.upper(), RESPONSE + "0", "support@", "_organization"]
)
def test_nothing_else_finds_anything(place: Path | str, name: str) -> None:
    async def story(book: Book) -> None:
        await written(book)
        assert await found(book, name) == ()

    in_book(place, story)


def test_the_last_turn_is_no_event_of_the_organisation(place: Path | str) -> None:
    async def story(book: Book) -> None:
        assert await book.control.read(lambda tx: trace.last(tx, None)) is None
        await written(book)
        assert await book.control.read(lambda tx: trace.last(tx, None)) == ("bolt", OTHER)
        assert await book.control.read(lambda tx: trace.last(tx, "acme")) == ("acme", TRACE)
        assert await book.control.read(lambda tx: trace.last(tx, "nobody")) is None

    in_book(place, story)


async def read(book: Book) -> trace.Trace:
    return await book.control.read(lambda tx: trace.read(tx, "acme", TRACE, (OLDER,)))


def test_it_is_read_in_order_and_intact(place: Path | str) -> None:
    async def story(book: Book) -> None:
        await written(book)
        await book.settle()
        read_back = await read(book)
        assert [step.record.kind for step in read_back.steps] == list(KINDS)
        assert [step.position for step in read_back.steps] == [1, 2, 3]
        assert (read_back.intact, read_back.others) == (True, (OLDER,))

    in_book(place, story)


ALTERED = [
    # what somebody with the file in hand wrote over the second record, how many records can still be read
    ("another kind", b"$BEFORE", 3),
    ("no JSON at all", b"not json", 2),
    ("JSON that is no record", b"{}", 2),
    ("bytes that are no text", b"\xff\x00", 2),
]


@pytest.mark.parametrize(("what", "value", "readable"), ALTERED, ids=[row[0] for row in ALTERED])
def test_an_altered_record_is_told_and_does_not_hide_the_others(
    place: Path | str, what: str, value: bytes, readable: int
) -> None:
    async def story(book: Book) -> None:
        await written(book)
        await book.settle()
        [(before,)] = book.asked("SELECT canonical FROM evidence WHERE kind = 'tool.decided'")
        after = value.replace(b"$BEFORE", before.replace(b"tool.decided", b"tool.passed"))
        book.asked("UPDATE evidence SET canonical = ? WHERE kind = 'tool.decided'", after)
        read_back = await read(book)
        assert read_back.intact is False, what
        assert len(read_back.steps) == readable

    in_book(place, story)


def test_a_decision_is_not_hidden_by_another_tenants_tool_calls_of_its_id(place: Path | str) -> None:
    """Bolt's model may call its tools whatever it likes: also by the id of a decision that acme was told."""

    async def story(book: Book) -> None:
        decided = record("tool.decided", "acme", OLDER)
        await book.ledger.append([Entry(decided, references=(decided.id,))])
        planted = [Entry(record("tool.proposed", "bolt", CLOCK.uuid7()), references=(decided.id,)) for _ in range(30)]
        await book.ledger.append(planted)
        assert (await found(book, decided.id))[0] == ("acme", OLDER)
        assert await found(book, decided.id, "acme") == (("acme", OLDER),)

    in_book(place, story)


def test_an_id_with_a_nul_takes_no_other_tenants_records_with_it(place: Path | str) -> None:
    """A model chose an id with a NUL; the records of both tenants were in one commit, which PostgreSQL refused."""

    async def story(book: Book) -> None:
        chosen = Entry(record("tool.proposed", "bolt", OTHER), references=("call_\x00",))
        await asyncio.gather(
            book.ledger.append([Entry(record("request.accepted", "acme", TRACE), references=("call_7",))]),
            book.ledger.append([chosen]),
        )
        assert await found(book, "call_7") == (("acme", TRACE),)
        assert await found(book, "call_\x00") == (("bolt", OTHER),)

    in_book(place, story)
