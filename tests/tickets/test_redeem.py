# SPDX-License-Identifier: Apache-2.0
"""A ticket is redeemed once, with one record in its tenant's log, on both stores."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.ledger.book import CLOCK, ROOT, Book, in_book, open_book, record

from customhouse.domain.errors import (
    CustomhouseError,
    LedgerUnavailable,
    Overloaded,
    StoreUnavailable,
    TicketInvalid,
    TicketUsed,
)
from customhouse.ledger.append import Ledger
from customhouse.ledger.entry import Entry
from customhouse.ledger.placing import CHAINED
from customhouse.ledger.record import Record, decode
from customhouse.store.database import Transaction
from customhouse.ticket import Claims, call_digest
from customhouse.tickets.redeem import MAX_AT_ONCE, Redeemed, Redemptions
from customhouse.vault.mint import LIFETIME_S, ticket_keys

KEYS = ticket_keys(ROOT, 1)
DIGEST = call_digest("issue_refund", {"order_id": "7"})


def claims(**said: Any) -> Claims:  # noqa: ANN401 - claims
    now_s = CLOCK.now_us() // 1_000_000
    found = Claims(
        iss=KEYS.issuer,
        aud="orders",
        sub="support",
        jti=CLOCK.uuid7(),
        iat=now_s,
        exp=now_s + LIFETIME_S,
        tenant="acme",
        environment="dev",
        trace_id=CLOCK.uuid7(),
        tool="issue_refund",
        digest=DIGEST,
    )
    return replace(found, **said)


def redemptions(book: Book) -> Redemptions:
    return Redemptions(book.database, book.ledger, KEYS, CLOCK)


async def outcome(book: Book, ticket: str, by: Redemptions | None = None) -> Redeemed | str:
    try:
        return await (by or redemptions(book)).redeem(ticket)
    except CustomhouseError as error:
        return error.code


async def passed(book: Book, said: Claims) -> str:
    """Record that a turn passed the call, and return its ticket."""
    await book.ledger.append([Entry(record("tool.passed", said.tenant, said.trace_id))])
    return KEYS.signing.mint(said)


def records(book: Book, kind: str = "ticket.redeemed") -> list[Record]:
    found = book.asked("SELECT canonical FROM evidence")
    return [each for (canonical,) in found if (each := decode(bytes(canonical))).kind == kind]


def test_a_redemption_is_a_row_and_a_record_under_the_turns_trace(place: Path | str) -> None:
    async def story(book: Book) -> None:
        said = claims()
        given = await outcome(book, await passed(book, said))
        assert isinstance(given, Redeemed)
        assert (given.jti, given.trace_id) == (said.jti, said.trace_id)
        await book.settle()
        (found,) = records(book)
        assert (found.tenant, found.trace_id, found.parents) == ("acme", said.trace_id, (said.jti,))
        assert (found.assistant, found.at) == ("support", given.redeemed_at)
        assert found.tool is not None
        assert found.tool.name == "issue_refund"
        assert found.detail == {"audience": "orders", "environment": "dev"}
        (row,) = book.asked("SELECT tenant_id, id, expires_us FROM ticket_redemption")
        assert row == ("acme", said.jti, said.exp * 1_000_000)
        assert DIGEST not in repr((found, row)), "a plain digest of arguments would confirm guesses for ever"

    in_book(place, story)


def test_the_second_one_is_told_and_not_recorded(place: Path | str) -> None:
    async def story(book: Book) -> None:
        ticket = await passed(book, claims())
        assert isinstance(await outcome(book, ticket), Redeemed)
        assert await outcome(book, ticket) == TicketUsed.code
        assert await outcome(book, ticket) == TicketUsed.code
        await book.settle()
        assert len(records(book)) == 1

    in_book(place, story)


def test_what_became_of_redemptions_is_counted_by_codes_of_ours(place: Path | str) -> None:
    async def story(book: Book) -> None:
        room = redemptions(book)
        ticket = await passed(book, claims())
        late = KEYS.signing.mint(claims(iat=1, exp=61))
        for each in (ticket, ticket, ticket, late, "SECRET", "SECRET.SECRET.SECRET"):
            await outcome(book, each, room)
        assert room.counts == {"accepted": 1, "ticket.used": 2, "ticket.expired": 1, "ticket.malformed": 2}

    in_book(place, story)


def test_of_many_at_once_on_two_replicas_one_is_first(place: Path | str) -> None:
    async def story(book: Book) -> None:
        ticket = await passed(book, claims())
        replicas = (redemptions(book), redemptions(book))
        outcomes = await asyncio.gather(*(outcome(book, ticket, replicas[each % 2]) for each in range(20)))
        assert sorted(map(repr, outcomes))[:19] == [repr(TicketUsed.code)] * 19
        assert sum(isinstance(each, Redeemed) for each in outcomes) == 1
        await book.settle()
        assert len(records(book)) == 1

    in_book(place, story)


def test_others_in_the_same_commit_are_not_undone(place: Path | str) -> None:
    """On SQLite works share a commit; one that is refused is run again by itself."""

    async def story(book: Book) -> None:
        used, good = await passed(book, claims()), [await passed(book, claims()) for _ in range(5)]
        await outcome(book, used)
        together = await asyncio.gather(*(outcome(book, each) for each in (used, *good, used)))
        assert [isinstance(each, Redeemed) for each in together] == [False, *[True] * 5, False]
        await book.settle()
        assert len(records(book)) == 6

    in_book(place, story)


def test_two_tenants_may_have_tickets_of_one_id(place: Path | str) -> None:
    async def story(book: Book) -> None:
        mine = claims()
        theirs = replace(mine, tenant="bolt", trace_id=CLOCK.uuid7())
        assert isinstance(await outcome(book, await passed(book, mine)), Redeemed)
        assert isinstance(await outcome(book, await passed(book, theirs)), Redeemed)
        await book.settle()
        assert {each.tenant for each in records(book)} == {"acme", "bolt"}

    in_book(place, story)


NOW = CLOCK.now_us() // 1_000_000
REFUSED: list[tuple[str, str]] = [
    ("ticket.malformed", "nonsense"),
    ("ticket.missing", ""),
    ("ticket.key_unknown", ticket_keys(bytes(32), 1).signing.mint(claims())),
    ("ticket.other_installation", KEYS.signing.mint(claims(iss="urn:customhouse:other"))),
    ("ticket.expired", KEYS.signing.mint(claims(iat=NOW - 100, exp=NOW - 40))),
    ("ticket.from_the_future", KEYS.signing.mint(claims(iat=NOW + 3600, exp=NOW + 3660))),
]


@pytest.mark.parametrize(("reason", "ticket"), REFUSED, ids=lambda value: value if value.startswith("ticket.") else "")
def test_what_is_no_good_ticket_never_reaches_the_database(tmp_path: Path, reason: str, ticket: str) -> None:
    class Never:
        def begin(self, work: object) -> object:
            raise AssertionError(work)

    async def story(book: Book) -> None:
        closed: Any = Never()
        with pytest.raises(TicketInvalid) as caught:
            await Redemptions(closed, book.ledger, KEYS, CLOCK).redeem(ticket)
        assert caught.value.detail.startswith(reason)
        assert caught.value.status_hint == 400

    in_book(tmp_path / "book.db", story)


def test_one_too_many_at_once_is_turned_away_and_may_come_again(tmp_path: Path) -> None:
    class Slow:
        """A database that answers when it is told to."""

        def __init__(self) -> None:
            self.waiting: list[asyncio.Future[None]] = []

        def begin(self, work: object) -> asyncio.Future[None]:
            del work
            self.waiting.append(asyncio.get_running_loop().create_future())
            return self.waiting[-1]

    async def story(book: Book) -> None:
        database: Any = Slow()
        slow = Redemptions(database, book.ledger, KEYS, CLOCK)
        tickets = [KEYS.signing.mint(claims()) for _ in range(MAX_AT_ONCE + 1)]
        running = [asyncio.ensure_future(slow.redeem(each)) for each in tickets[:-1]]
        await asyncio.sleep(0)
        assert len(database.waiting) == MAX_AT_ONCE
        with pytest.raises(Overloaded):
            await slow.redeem(tickets[-1])
        for each in database.waiting:
            each.set_exception(StoreUnavailable())
        ended = await asyncio.gather(*running, return_exceptions=True)
        assert {type(each) for each in ended} == {StoreUnavailable}
        again = asyncio.ensure_future(slow.redeem(tickets[-1]))
        await asyncio.sleep(0)
        database.waiting[-1].set_result(None)
        assert await again

    in_book(tmp_path / "book.db", story)


def test_without_its_record_no_ticket_is_redeemed(place: Path | str) -> None:
    async def story(book: Book) -> None:
        def broken(tx: Transaction, tenant: str, leaves: object, replica: str) -> None:
            del tx, tenant, leaves, replica
            raise LedgerUnavailable

        ticket = await passed(book, claims())
        failing = Ledger(book.database, ROOT, CLOCK, placing=CHAINED._replace(extend=broken))
        with pytest.raises(LedgerUnavailable):
            await Redemptions(book.database, failing, KEYS, CLOCK).redeem(ticket)
        assert book.asked("SELECT count(*) FROM ticket_redemption") == [(0,)]
        assert isinstance(await outcome(book, ticket), Redeemed), "nothing was burnt"

    in_book(place, story)


def test_it_survives_a_restart(tmp_path: Path) -> None:
    ticket = KEYS.signing.mint(claims())

    async def redeem() -> Redeemed | str:
        async with open_book(tmp_path / "book.db") as book:
            return await outcome(book, ticket)

    assert isinstance(asyncio.run(redeem()), Redeemed)
    assert asyncio.run(redeem()) == TicketUsed.code
