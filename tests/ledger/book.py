# SPDX-License-Identifier: Apache-2.0
"""Records to append, and a ledger on a file of its own."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import apsw

from customhouse.domain.clock import SystemClock, rfc3339
from customhouse.ledger import chain, tables
from customhouse.ledger.append import Ledger
from customhouse.ledger.chain import Verdict
from customhouse.ledger.record import Record
from customhouse.store.sqlite import SqliteDatabase, open_sqlite

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
    """A database and a ledger over it."""

    path: Path
    database: SqliteDatabase
    ledger: Ledger

    async def verdict(self, tenant: str = TENANT) -> Verdict:
        """Check a log from its first record, and against its head."""

        def check(tx: Any) -> Verdict:  # noqa: ANN401 - a transaction
            tx.act_for(tenant)
            found, head = chain.verify(tables.links(tx, tenant)), tables.head(tx, tenant)
            assert (found.size, found.hash) == ((0, chain.GENESIS) if head is None else (head.size, head.hash))
            return found

        return await self.database.read(check)

    async def kinds(self, trace_id: str = "trace", tenant: str = TENANT) -> list[str]:
        """Return the kinds of a trace's records, oldest first."""
        return [str(row[0]) for row in self.rows(f"{tenant}/{trace_id}")]

    def rows(self, place: str) -> Sequence[tuple[Any, ...]]:
        """Return (kind, canonical) of the records of `tenant/trace`, read by a connection of our own."""
        return self.asked(
            "SELECT kind, canonical FROM evidence WHERE tenant_id || '/' || trace_id = ? ORDER BY position", place
        )

    def asked(self, sql: str, *values: str | bytes) -> Sequence[tuple[Any, ...]]:
        """Run SQL behind everybody's back."""
        connection = apsw.Connection(str(self.path))
        try:
            return cast("list[tuple[Any, ...]]", connection.execute(sql, values).fetchall())
        finally:
            connection.close()


@asynccontextmanager
async def open_book(path: Path) -> AsyncGenerator[Book]:
    """Open a ledger on a file."""
    database = await open_sqlite(path)
    try:
        yield Book(path, database, Ledger(database, ROOT, CLOCK))
    finally:
        await database.close()


def in_book(path: Path, story: Callable[[Book], Awaitable[None]]) -> None:
    """Run a story with an empty ledger."""

    async def main() -> None:
        async with open_book(path / "customhouse.db") as book:
            await story(book)

    asyncio.run(main())
