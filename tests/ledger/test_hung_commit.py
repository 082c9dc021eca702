# SPDX-License-Identifier: Apache-2.0
"""A COMMIT that hangs longer than anybody waits, and lands after all: what it wrote is there once.

On PostgreSQL a deferred trigger waits, inside the COMMIT, for a lock that the test holds: as a disk that stalls does.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
import pytest
from tests.ledger.book import CLOCK, ROOT, asked, record
from tests.ledger.failing import House, in_house

from customhouse.domain.errors import LedgerUnavailable, StoreUnavailable
from customhouse.ledger import catch_up
from customhouse.ledger.append import Ledger
from customhouse.ledger.entry import Entry
from customhouse.ledger.placing import STAGED
from customhouse.ledger.recover import settle_open_calls
from customhouse.ledger.standby import Standby, open_standby
from customhouse.store.disk import RealDisk
from customhouse.store.postgres import PostgresDatabase, open_postgres

REPLICA: Final = "replica-1"
DEADLINE_S: Final = 0.4
TIMEOUT_S: Final = 0.1
_HELD: Final = 99
_HANG: Final = """
CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(99);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER hang AFTER INSERT ON evidence_staged DEFERRABLE INITIALLY DEFERRED
   FOR EACH ROW EXECUTE FUNCTION hang();
"""


@dataclass(frozen=True, slots=True)
class Shaky:
    """A replica's ledger on a database whose commits hang while `holder` has the lock."""

    url: str
    database: PostgresDatabase
    sequencer: PostgresDatabase
    ledger: Ledger
    standby: Standby
    holder: psycopg.Connection[tuple[object, ...]]

    def hold(self) -> None:
        self.holder.execute("SELECT pg_advisory_lock(%s)", (_HELD,))

    def release(self) -> None:
        self.holder.execute("SELECT pg_advisory_unlock(%s)", (_HELD,))

    async def settled(self) -> None:
        """Return when no work is on its way any more, those that were given up included."""
        while self.database.unsettled:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0)

    def found(self) -> list[str]:
        return [str(row[0]) for row in asked(self.url, "SELECT kind FROM evidence_staged ORDER BY seq")]


@asynccontextmanager
async def shaky(url: str, directory: Path) -> AsyncGenerator[Shaky]:
    asked(url, _HANG)
    database = await open_postgres(url, "gateway", deadline_s=DEADLINE_S)
    sequencer = await open_postgres(url, "sequencer", deadline_s=DEADLINE_S)
    standby = open_standby(
        directory / "spool", ROOT, CLOCK, disk=RealDisk(), max_bytes=2**22, max_age_s=3600, timeout_s=TIMEOUT_S
    )
    ledger = Ledger(database, ROOT, CLOCK, placing=STAGED, replica=REPLICA, standby=standby)
    try:
        await catch_up.start(ledger, standby)
        with psycopg.connect(url, autocommit=True) as holder:
            yield Shaky(url, database, sequencer, ledger, standby, holder)
    finally:
        await standby.close()
        await database.close()
        await sequencer.close()


def in_shaky(url: str, directory: Path, story: Callable[[Shaky], Awaitable[None]]) -> None:
    async def main() -> None:
        async with shaky(url, directory) as house:
            await story(house)

    asyncio.run(main())


def test_a_commit_that_lands_after_its_records_were_spooled_is_not_doubled(postgres: str, tmp_path: Path) -> None:
    async def story(house: Shaky) -> None:
        house.hold()
        await house.ledger.append([Entry(record())], "spool")
        assert house.standby.spool.entries == 1
        with pytest.raises(StoreUnavailable):  # nobody knows yet whether it will be there
            await catch_up.catch_up(house.ledger, house.standby)
        again = asyncio.ensure_future(catch_up.catch_up(house.ledger, house.standby))
        await asyncio.sleep(DEADLINE_S / 2)
        house.release()
        await asyncio.wait([again])
        await house.settled()
        await catch_up.catch_up(house.ledger, house.standby)
        assert house.found() == ["request.accepted"]

    in_shaky(postgres, tmp_path, story)


def test_an_outcome_that_lands_late_is_not_also_unknown(postgres: str, tmp_path: Path) -> None:
    async def story(house: Shaky) -> None:
        await house.ledger.append([Entry(record("model.called", span_id="span"), opens=True)])
        house.hold()
        with pytest.raises(LedgerUnavailable):
            await house.ledger.append([Entry(record("model.answered", span_id="span"), closes="span")])
        settling = asyncio.ensure_future(
            settle_open_calls(house.sequencer, house.ledger, CLOCK, REPLICA, frozenset({"span"}))
        )
        await asyncio.sleep(DEADLINE_S / 2)
        house.release()
        assert await settling == 0
        await house.settled()
        assert house.found() == ["model.called", "model.answered"]

    in_shaky(postgres, tmp_path, story)


def test_a_call_that_landed_although_its_turn_went_on_without_it_is_settled(tmp_path: Path) -> None:
    """An `open` turn whose call was counted as skipped and is in the ledger after all: nobody else will close it."""

    async def story(house: House) -> None:
        house.faults.hold = True
        await house.append("open", Entry(record("model.called", span_id="a"), opens=True))
        await house.append("open", Entry(record("model.answered", span_id="a"), closes="a"))
        house.faults.hold = False
        house.faults.free.set()
        await house.catch_up()
        assert house.book.asked("SELECT span_id FROM opening") == [("a",)]
        assert house.standby.unsettled == {"a"}

    in_house(tmp_path, story, timeout_s=0.05)
