# SPDX-License-Identifier: Apache-2.0
"""Catching up on both stores: what the database answered with an error and committed all the same is there once."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import pytest
from tests.ledger.book import CLOCK, ROOT, Book, in_book, record

from customhouse.domain.errors import StoreUnavailable
from customhouse.ledger import catch_up
from customhouse.ledger.append import Ledger
from customhouse.ledger.entry import Entry
from customhouse.ledger.placing import CHAINED, STAGED
from customhouse.ledger.standby import Standby, open_standby
from customhouse.store.database import Database, Transaction
from customhouse.store.disk import RealDisk

T = TypeVar("T")


@dataclass
class Unsure:
    """A database that fails when told to: before anything happens, or after it has committed."""

    database: Database
    fails: Literal["before", "after"] | None = None

    def begin(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        return asyncio.ensure_future(self._begun(work))

    def begin_here(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        return self.begin(work)

    def begin_unflushed(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        return self.database.begin_unflushed(work)

    async def _begun(self, work: Callable[[Transaction], T]) -> T:
        if self.fails == "before":
            raise StoreUnavailable
        done = await self.database.begin(work)
        if self.fails == "after":
            raise StoreUnavailable
        return done

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        return await self.begin(work)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self.database.read(work)

    async def changed(self, timeout_s: float) -> bool:
        return await self.database.changed(timeout_s)

    async def close(self) -> None:
        await self.database.close()


def ledger_of(book: Book, unsure: Unsure, standby: Standby) -> Ledger:
    placing = STAGED if isinstance(book.place, str) else CHAINED
    return Ledger(unsure, ROOT, CLOCK, placing=placing, standby=standby)


def spool_in(directory: Path) -> Standby:
    return open_standby(
        directory / "spool", ROOT, CLOCK, disk=RealDisk(), max_bytes=2**24, max_age_s=3600, timeout_s=30
    )


@pytest.mark.parametrize("fails", ["before", "after"])
@pytest.mark.parametrize("drain_fails", [None, "before", "after"])
def test_nothing_is_there_twice(
    place: Path | str,
    tmp_path: Path,
    fails: Literal["before", "after"],
    drain_fails: Literal["before", "after"] | None,
) -> None:
    """The turn's commit and the drain's may both be answered with an error although they happened."""

    async def story(book: Book) -> None:
        unsure, standby = Unsure(book.database), spool_in(tmp_path)
        ledger = ledger_of(book, unsure, standby)
        await catch_up.start(ledger, standby)
        given = [Entry(record(trace_id="trace", detail={"n": n})) for n in range(4)]
        await ledger.append([given[0]], "spool")
        unsure.fails = fails
        await ledger.append([given[1]], "spool")
        await ledger.append([given[2]], "spool")
        await book.settle()  # on PostgreSQL some are in the chain by now, and some are staged
        unsure.fails = drain_fails
        if drain_fails is not None:
            with pytest.raises(StoreUnavailable):
                await catch_up.catch_up(ledger, standby)
        unsure.fails = None
        await catch_up.catch_up(ledger, standby)
        await ledger.append([given[3]], "spool")
        assert ledger.state.status == "ok"
        await standby.close()
        await book.settle()
        found = book.asked("SELECT id FROM evidence WHERE trace_id = ? ORDER BY position", "trace")
        assert [row[0] for row in found] == [entry.record.id for entry in given]
        assert (await book.verdict()).broken_at is None

    in_book(place, story)


@pytest.mark.parametrize("fails", [None, "after"])
def test_a_gap_is_declared_once(place: Path | str, tmp_path: Path, fails: Literal["after"] | None) -> None:
    async def story(book: Book) -> None:
        unsure, standby = Unsure(book.database, "before"), spool_in(tmp_path)
        ledger = ledger_of(book, unsure, standby)
        await standby.journal.run(standby.spool.open)
        for tenant in ("acme", "bolt", "acme"):
            await ledger.append([Entry(record(tenant=tenant))], "open")
        unsure.fails = fails
        if fails is not None:
            with pytest.raises(StoreUnavailable):
                await catch_up.catch_up(ledger, standby)
        unsure.fails = None
        await catch_up.catch_up(ledger, standby)
        await standby.close()
        await book.settle()
        found = book.asked("SELECT tenant_id FROM evidence WHERE kind = ? ORDER BY tenant_id", "gap.declared")
        assert [row[0] for row in found] == ["_organization", "acme", "bolt"]

    in_book(place, story)
