# SPDX-License-Identifier: Apache-2.0
"""Sessions of the console: who is signed in, until when, and what ends it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.api.house import LOCAL, House, open_house

from customhouse.access import people, session_tables, sessions, token
from customhouse.access.credentials import Credentials
from customhouse.access.sessions import MAX_SESSIONS, SESSION_S
from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import ReplicaStale, Unauthenticated
from customhouse.settings import Settings
from customhouse.store.database import Transaction
from customhouse.store.stores import open_stores


class Later(SystemClock):
    """A clock that goes ahead of the machine's."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.ahead_us = seconds * 1_000_000

    def now_us(self) -> int:
        return super().now_us() + self.ahead_us


def in_house(home: Path, work: Callable[[House], Awaitable[None]]) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            await work(house)

    asyncio.run(main())


async def sign_in(house: House, key: str) -> sessions.Session:
    return await sessions.begin(house.control, house.credentials, key, trace_id="in")


async def resumed(house: House, presented: str, credentials: Credentials | None = None) -> str | None:
    found = await sessions.resume(house.control, credentials or house.credentials, presented)
    return None if found is None else found.actor.name


def test_a_browser_stays_signed_in_until_it_signs_out_and_the_ledger_says_both(home: Path) -> None:
    async def work(house: House) -> None:
        key = await house.person("dana@acme.test", "approver")
        session, other = await sign_in(house, key), await sign_in(house, key)
        assert session.token.startswith("chs_")
        assert session.token != other.token
        assert await resumed(house, session.token) == "dana@acme.test"
        await sessions.end(house.control, session, trace_id="out")
        await sessions.end(house.control, session, trace_id="out again")
        assert await resumed(house, session.token) is None
        assert await resumed(house, other.token) == "dana@acme.test", "another browser is another session"
        kinds = [(one.kind, one.trace_id) for one in await house.evidence()]
        assert kinds[1:] == [("session.began", "in"), ("session.began", "in"), ("session.ended", "out")]
        stored = b"".join(path.read_bytes() for path in home.iterdir() if path.is_file())
        assert session.token[4:].encode() not in stored

    in_house(home, work)


def test_whoever_is_revoked_is_signed_out_everywhere_and_a_new_key_brings_nothing_back(home: Path) -> None:
    async def work(house: House) -> None:
        browsers = [await sign_in(house, await house.person("sam@acme.test", "auditor"))]
        elsewhere = Credentials(house.control.database, house.control.clock, stale_after_s=30)
        assert await resumed(house, browsers[0].token, elsewhere) == "sam@acme.test"
        await people.revoke(house.control, LOCAL, "sam@acme.test", trace_id="t")
        assert await resumed(house, browsers[0].token, elsewhere) is None
        fresh = await house.person("sam@acme.test", "auditor")
        assert await resumed(house, browsers[0].token) is None
        assert await resumed(house, (await sign_in(house, fresh)).token) == "sam@acme.test"

    in_house(home, work)


def test_a_working_day_and_a_number_of_browsers_are_the_bounds(home: Path) -> None:
    async def work(house: House) -> None:
        key = await house.person("dana@acme.test", "approver")
        first = await sign_in(house, key)
        over = replace(house.control, clock=Later(SESSION_S))
        assert await sessions.resume(over, house.credentials, first.token) is None
        rest = [await sign_in(house, key) for _ in range(MAX_SESSIONS)]
        assert await resumed(house, first.token) is None, "the oldest makes room"
        assert [await resumed(house, one.token) for one in rest] == ["dana@acme.test"] * MAX_SESSIONS
        later = await sessions.begin(over, house.credentials, key, trace_id="t")
        assert await resumed(house, rest[0].token) is None, "what has ended is taken away"
        assert await resumed(house, later.token) == "dana@acme.test"

    in_house(home, work)


@pytest.mark.parametrize(
    ("presented", "because"),
    [
        ("", "nothing"),
        ("cho_" + "A" * 43, "unknown"),
        ("chs_" + "A" * 43, "a session is no key"),
        ("chk_" + "A" * 43, "an application's key"),
        ("cho_' OR 1=1 --", "not shaped like one"),
    ],
)
def test_who_does_not_get_in(home: Path, presented: str, because: str) -> None:
    async def work(house: House) -> None:
        await house.person("dana@acme.test", "approver")
        with pytest.raises(Unauthenticated):
            await sign_in(house, presented)
        assert await resumed(house, presented) is None, because
        assert len(await house.evidence()) == 1

    in_house(home, work)


def test_an_operator_key_is_no_session_and_a_session_is_no_key(home: Path) -> None:
    async def work(house: House) -> None:
        key = await house.person("dana@acme.test", "approver")
        session = await sign_in(house, key)
        assert await resumed(house, key) is None
        assert house.credentials.person(session.token) is None
        assert token.mentions(f"/approvals?x={session.token}"), "it is kept out of addresses as a key is"

    in_house(home, work)


def test_a_replica_that_cannot_ask_recognises_nobody(home: Path) -> None:
    async def work(house: House) -> None:
        session = await sign_in(house, await house.person("dana@acme.test", "approver"))
        stale = Credentials(house.control.database, house.control.clock, stale_after_s=-1)
        with pytest.raises(ReplicaStale):
            await resumed(house, session.token, stale)

    in_house(home, work)


def test_postgresql_keeps_them_too(home: Path, postgres: str) -> None:
    def add(tx: Transaction, number: int) -> None:
        session_tables.begin(tx, bytes([number]) * 32, b"k" * 32, number, 100)
        session_tables.tidy(tx, b"k" * 32, 2, 1)

    async def main() -> None:
        async with open_stores(Settings(home=str(home), database=postgres)) as stores:
            for number in (1, 2, 3):
                await stores.control.transact(lambda tx, number=number: add(tx, number))

            def kept(tx: Transaction, now_us: int) -> list[bool]:
                return [session_tables.get(tx, bytes([number]) * 32, now_us) is not None for number in (1, 2, 3)]

            assert await stores.control.read(lambda tx: kept(tx, 50)) == [False, True, True]
            assert await stores.control.read(lambda tx: kept(tx, 100)) == [False, False, False]
            assert await stores.control.transact(lambda tx: session_tables.end(tx, b"\2" * 32))
            assert await stores.control.read(lambda tx: kept(tx, 50)) == [False, False, True]

    asyncio.run(main())
