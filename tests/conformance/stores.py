# SPDX-License-Identifier: Apache-2.0
"""The two stores as one kind of thing: opened as rooms open them, and read behind their back by a plain connection."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ledger.book import Book

from customhouse.ledger.append import Ledger
from customhouse.store import postgres, worker
from customhouse.store.database import Database, Transaction
from customhouse.store.postgres import open_postgres
from customhouse.store.postgres_session import Role
from customhouse.store.sqlite import open_sqlite

PATIENCE_S = 30
"""Longer than any test waits, so that no deadline of the store decides one that is not about deadlines."""


@dataclass(frozen=True, slots=True)
class Store:
    """A place for a database: a SQLite file, or the URL of a PostgreSQL database."""

    place: Path | str

    @property
    def shared(self) -> bool:
        """Whether it is PostgreSQL."""
        return isinstance(self.place, str)

    @property
    def threads(self) -> int:
        """Return how many reads run beside each other in one database object of people's verbs."""
        return postgres.CONNECTIONS["control"] if self.shared else 1

    @property
    def bound(self) -> int:
        """Return how many works may wait."""
        return postgres.MAX_QUEUED if self.shared else worker.MAX_QUEUED

    @asynccontextmanager
    async def opened(self, role: Role = "control") -> AsyncGenerator[Database]:
        """Open the database as a room has it, and close it at the end."""
        if isinstance(self.place, Path):
            database: Database = await open_sqlite(self.place)
        else:
            database = await open_postgres(self.place, role, deadline_s=PATIENCE_S)
        try:
            yield database
        finally:
            await database.close()

    def asked(self, sql: str, *values: str | bytes) -> Sequence[tuple[Any, ...]]:
        """Run SQL behind everybody's back, committed at once; `?` stands for values."""
        return Book(self.place, _NOBODY, _NOTHING).asked(sql, *values)

    def names(self) -> set[str]:
        """Return the rows that `put` wrote, as another process sees them."""
        return {str(row[0]) for row in self.asked("SELECT assistant FROM base_release")}


_NOBODY: Database = None  # pyright: ignore[reportAssignmentType] - `asked` needs the place alone
_NOTHING: Ledger = None  # pyright: ignore[reportAssignmentType] - likewise

Story = Callable[[Database], Awaitable[None]]


def put(name: str) -> Callable[[Transaction], int]:
    """Return a work that adds one row."""
    return lambda tx: tx.run("base_put", environment="dev", assistant=name, release_number=1)


class Held:
    """Keeps every thread of a database busy with a read until it is let go: what follows queues up behind."""

    def __init__(self, database: Database, threads: int) -> None:
        """Begin to hold."""
        self._entered = threading.Semaphore(0)
        self._go = threading.Event()
        self._threads = threads
        self._done = [asyncio.ensure_future(database.read(self._work)) for _ in range(threads)]

    def _work(self, _tx: Transaction) -> None:
        self._entered.release()
        assert self._go.wait(PATIENCE_S)

    async def entered(self) -> None:
        """Wait until all of them are busy."""
        for _ in range(self._threads):
            assert await asyncio.to_thread(self._entered.acquire, timeout=PATIENCE_S)

    async def go(self) -> None:
        """Let them go."""
        self._go.set()
        await asyncio.gather(*self._done)


async def queued(*works: Awaitable[object]) -> Sequence[asyncio.Future[object]]:
    """Start works and return once each of them stands in the queue."""
    tasks = [asyncio.ensure_future(work) for work in works]
    await asyncio.sleep(0)  # every task runs up to its place in the queue
    return tasks
