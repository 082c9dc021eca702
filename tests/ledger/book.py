# SPDX-License-Identifier: Apache-2.0
"""Records to append, and a ledger on a store of its own: a SQLite file, or a PostgreSQL database with its sequencer."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import apsw
import psycopg

from customhouse.domain.clock import SystemClock, rfc3339
from customhouse.ledger import chain, tables
from customhouse.ledger.append import Ledger
from customhouse.ledger.chain import Verdict
from customhouse.ledger.placing import STAGED
from customhouse.ledger.record import Record
from customhouse.ledger.sequence import Sequencer
from customhouse.store.database import Database
from customhouse.store.leadership import SEQUENCER_LOCK, Leadership
from customhouse.store.postgres import open_postgres
from customhouse.store.sqlite import open_sqlite

CLOCK: Final = SystemClock()
TENANT: Final = "default"
ROOT: Final = bytes(range(32))


def record(kind: str = "request.accepted", tenant: str = TENANT, trace_id: str = "trace", **fields: Any) -> Record:  # noqa: ANN401 - the record's own fields
    """Return a record; `fields` are further ones."""
    return Record(
        v=1, id=CLOCK.uuid7(), tenant=tenant, trace_id=trace_id, kind=kind, at=rfc3339(CLOCK.now_us()), **fields
    )


@dataclass(frozen=True, slots=True)
class Book:
    """A database and a ledger over it. `place` is a file, or the URL of a database that has a `sequencer`."""

    place: Path | str
    database: Database
    ledger: Ledger
    verbs: Database | None = None
    every_log: Database | None = None
    sequencer: Sequencer | None = None

    @property
    def control(self) -> Database:
        """Return the database as people's verbs use it."""
        return self.verbs or self.database

    @property
    def path(self) -> Path:
        """Return the file."""
        assert isinstance(self.place, Path)
        return self.place

    @property
    def settling(self) -> Database:
        """Return the database as whoever settles open calls of all tenants uses it."""
        return self.every_log or self.database

    async def settle(self) -> None:
        """Give every record its place; calls stay open."""
        if self.sequencer is None:
            await self.database.transact(lambda tx: self.ledger.join(tx, None))
        else:
            assert await self.sequencer.elect() is not None
            while await self.sequencer.step():
                pass

    async def verdict(self, tenant: str = TENANT) -> Verdict:
        """Check a log from its first record, and against its head."""

        def check(tx: Any) -> Verdict:  # noqa: ANN401 - a transaction
            tx.act_for(tenant)
            found, head = chain.verify(tables.links(tx, tenant)), tables.head(tx, tenant)
            assert (found.size, found.hash) == ((0, chain.GENESIS) if head is None else (head.size, head.hash))
            return found

        await self.settle()
        return await self.control.read(check)

    async def kinds(self, trace_id: str = "trace", tenant: str = TENANT) -> list[str]:
        """Return the kinds of a trace's records, oldest first."""
        await self.settle()
        return [str(row[0]) for row in self.rows(f"{tenant}/{trace_id}")]

    def rows(self, place: str) -> Sequence[tuple[Any, ...]]:
        """Return (kind, canonical) of the records of `tenant/trace`, read by a connection of our own."""
        return self.asked(
            "SELECT kind, canonical FROM evidence WHERE tenant_id || '/' || trace_id = ? ORDER BY position", place
        )

    def asked(self, sql: str, *values: str | bytes) -> Sequence[tuple[Any, ...]]:
        """Run SQL behind everybody's back."""
        if isinstance(self.place, str):
            return asked(self.place, sql.replace("?", "%s"), *values)
        connection = apsw.Connection(str(self.place))
        try:
            return cast("list[tuple[Any, ...]]", connection.execute(sql, values).fetchall())
        finally:
            connection.close()


def asked(url: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Run SQL on PostgreSQL as the superuser, whom row security lets through."""
    with psycopg.connect(url, autocommit=True, options="-c search_path=customhouse") as connection:
        cursor = connection.execute(sql.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


@asynccontextmanager
async def open_book(place: Path | str) -> AsyncGenerator[Book]:
    """Open a ledger on a file, or on the database of a URL."""
    async with AsyncExitStack() as stack:
        if isinstance(place, Path):
            database = await open_sqlite(place)
            stack.push_async_callback(database.close)
            yield Book(place, database, Ledger(database, ROOT, CLOCK))
            return
        opened: dict[str, Database] = {}
        for role in ("control", "gateway", "sequencer"):
            opened[role] = await open_postgres(place, role)
            stack.push_async_callback(opened[role].close)
        leadership = Leadership(place, "sequencer", SEQUENCER_LOCK)
        stack.push_async_callback(leadership.resign)
        sequencer = Sequencer(opened["sequencer"], leadership, CLOCK, "replica-of-the-test")
        ledger = Ledger(opened["gateway"], ROOT, CLOCK, placing=STAGED)
        yield Book(place, opened["gateway"], ledger, opened["control"], opened["sequencer"], sequencer)


def in_book(place: Path | str, story: Callable[[Book], Awaitable[None]]) -> None:
    """Run a story with an empty ledger: in a file in the directory `place`, or in the database of a URL."""

    async def main() -> None:
        async with open_book(place / "customhouse.db" if isinstance(place, Path) else place) as book:
            await story(book)

    asyncio.run(main())
