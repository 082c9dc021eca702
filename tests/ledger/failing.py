# SPDX-License-Identifier: Apache-2.0
"""A ledger whose database and whose local disk fail when they are told to, on files of its own."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.ledger.book import CLOCK, ROOT, Book, record
from tests.store.faulty_disk import FaultyDisk
from tests.store.faulty_vfs import NAME, Faults, faulty_vfs

from customhouse.domain.failure_mode import FailureMode
from customhouse.ledger import catch_up
from customhouse.ledger.append import Ledger
from customhouse.ledger.entry import Entry
from customhouse.ledger.standby import Standby, open_standby
from customhouse.store.sqlite import open_sqlite

MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class House:
    """A ledger with its standby, and what makes it fail: `faults` the database, `disk` the spool."""

    book: Book
    ledger: Ledger
    standby: Standby
    faults: Faults
    disk: FaultyDisk

    async def append(self, mode: FailureMode, *entries: Entry) -> tuple[str, ...]:
        """Append entries, one of them when none is given; return the ids of their records."""
        given: Sequence[Entry] = entries or [Entry(record())]
        await self.ledger.append(given, mode)
        return tuple(entry.record.id for entry in given)

    async def catch_up(self) -> None:
        """Bring the ledger up to date, once."""
        await catch_up.catch_up(self.ledger, self.standby)

    def stored(self) -> list[dict[str, Any]]:
        """Return every record of every log, in the order of its log."""
        rows = self.book.asked("SELECT canonical FROM evidence ORDER BY tenant_id, position")
        return [json.loads(row[0]) for row in rows]

    def ids(self) -> list[str]:
        return [found["id"] for found in self.stored() if found["kind"] != "gap.declared"]

    def gaps(self, tenant: str = "_organization") -> list[dict[str, Any]]:
        """Return the details of the gaps that a log declares."""
        return [each["detail"] for each in self.stored() if (each["kind"], each["tenant"]) == ("gap.declared", tenant)]


@asynccontextmanager
async def open_house(
    path: Path,
    faults: Faults,
    *,
    timeout_s: float = 5,
    max_bytes: int = 64 * MEBIBYTE,
    max_age_s: float = 3600,
    root: bytes = ROOT,
) -> AsyncGenerator[House]:
    """Open a ledger and its spool as a server does."""
    database = await open_sqlite(path / "customhouse.db", NAME)
    disk = FaultyDisk()
    standby = open_standby(
        path / "spool", root, CLOCK, disk=disk, max_bytes=max_bytes, max_age_s=max_age_s, timeout_s=timeout_s
    )
    ledger = Ledger(database, ROOT, CLOCK, standby=standby)
    try:
        await database.read(lambda _: None)  # both threads have their connection before anything fails
        await catch_up.start(ledger, standby)
        yield House(Book(path / "customhouse.db", database, ledger), ledger, standby, faults, disk)
    finally:
        faults.fault = None  # closing a connection writes too
        await standby.close()
        await database.close()


def in_house(path: Path, story: Callable[[House], Awaitable[None]], **bounds: Any) -> None:  # noqa: ANN401 - open_house's
    """Run a story with an empty ledger and an empty spool."""

    async def main() -> None:
        async with open_house(path, faults, **bounds) as house:
            await story(house)

    with faulty_vfs() as faults:
        asyncio.run(main())
