# SPDX-License-Identifier: Apache-2.0
"""Moving an installation from SQLite to PostgreSQL: every record, or nothing.

(1) hold the home's server lock; nothing may wait in its spool
(2) the file, brought up to date, is sound (fsck), and every record has its place
(3) the target has the current schema and nobody has used it
(4) copy every table, traces into the partitions of their days; numbers go on where they ended
(5) read every row of both sides again: as many, and the same
(6) the target is sound (fsck), seen as its auditor sees it
(7) mark the home as moving, commit, mark it as moved

(4) to (7) are one transaction of the target. Whatever stops the move before its end, the file was not touched and the
target is empty; at the very end the mark says that a second run must look (store/moved.py).
"""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import msgspec

from customhouse.domain.clock import Clock, rfc3339
from customhouse.domain.errors import MoveRefused
from customhouse.ledger import fsck, partition
from customhouse.ledger.standby import open_standby
from customhouse.settings import Settings, masked
from customhouse.store import home_lock, moved
from customhouse.store.catalog import Table
from customhouse.store.disk import RealDisk
from customhouse.store.migrate_postgres import migrate, require_server
from customhouse.store.migration import packaged
from customhouse.store.move import Source, Target, digest
from customhouse.store.moved import Mark
from customhouse.store.sqlite import open_sqlite
from customhouse.vault.keyring import root_key

Tell = Callable[[str], None]


class MovedTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table, as both sides have it: how many rows, and the sum of their SHA-256."""

    name: str
    rows: int
    sha256_sum: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was moved and compared. `already` says that an earlier run had committed, and this one only compared."""

    home: str
    to: str
    keys: str
    already: bool
    logs: int
    records: int
    tables: tuple[MovedTable, ...]
    partitions: int
    seconds: float


class _Copied(NamedTuple):
    partitions: int
    already: bool


async def move(settings: Settings, url: str, clock: Clock, tell: Tell) -> Report:
    """Move the SQLite database of a home into an empty PostgreSQL database. Raises MoveRefused, StoreUnavailable.

    Cost: measured by benchmarks/upgrade.py; memory stays flat.
    """
    home, place = settings.home_path, masked(url)
    if not settings.database_path.exists():
        raise MoveRefused(f"there is no {settings.database_path}: is {home} the home directory?")
    started = time.monotonic()
    with home_lock.held(home):  # (1)
        mark = moved.read(home)
        if mark is not None and (mark.state == "moved" or mark.to != place):
            raise MoveRefused(
                f"{home} has a mark of {mark.at}: its database moved to {mark.to}; see {moved.NAME} there"
            )
        require_server(url)
        await _refuse_waiting(settings, clock)
        source_report = await _check_file(settings, clock, tell)
        tell("bring the target's schema up to date")
        migrate(url, packaged("postgres"))  # (3)
        source, target = Source(settings.database_path), Target(url)
        try:
            tables = source.tables(target.tables)
            copied = _copy(source, target, tables, mark, partial(partition.days_of, today=_today(clock)), tell)
            compared = _compare(source, target, tables, tell)
            target.secure()
            found = await fsck.check(  # (6)
                target, clock, keep_days=settings.payload_retention_days, shared=True, tell=_about("target", tell)
            )
            if not found.sound or (found.records, found.logs) != (source_report.records, source_report.logs):
                raise MoveRefused(f"the target is not sound: {_first(found)}")
            _commit(settings, target, Mark(state="moving", to=place, at=rfc3339(clock.now_us())), tell)
        finally:
            target.close()
            source.close()
    return Report(
        home=str(home),
        to=place,
        keys=str(settings.keys_path),
        already=copied.already,
        logs=found.logs,
        records=found.records,
        tables=compared,
        partitions=copied.partitions,
        seconds=round(time.monotonic() - started, 3),
    )


async def _refuse_waiting(settings: Settings, clock: Clock) -> None:
    """Refuse while evidence waits in the home's spool, or without the key under which payloads can be read."""
    if not (settings.keys_path / "root.key").is_file():
        raise MoveRefused(f"{settings.keys_path} has no root.key: without it nobody can read what is moved")
    if not settings.spool_path.exists():
        return
    standby = open_standby(
        settings.spool_path,
        root_key(settings.keys_path, clock),
        clock,
        disk=RealDisk(),
        max_bytes=settings.spool_max_bytes,
        max_age_s=settings.spool_max_age_s,
        timeout_s=settings.ledger_timeout_s,
    )
    try:
        await standby.journal.run(standby.spool.open)
        spool = standby.spool
        if spool.entries or spool.gaps:
            raise MoveRefused(
                f"{settings.spool_path} holds {spool.entries} records and {len(spool.gaps)} gaps that are not in the "
                "ledger yet: start the server once on this home, so that they join it, stop it, and move then"
            )
    finally:
        await standby.close()


async def _check_file(settings: Settings, clock: Clock, tell: Tell) -> fsck.Report:
    """(2) Bring the file's schema up to date, and check it."""
    tell("bring the file's schema up to date")
    database = await open_sqlite(settings.database_path)
    try:
        found = await fsck.check(
            database, clock, keep_days=settings.payload_retention_days, shared=False, tell=_about("file", tell)
        )
    finally:
        await database.close()
    if not found.sound:
        raise MoveRefused(f"the file is not sound: {_first(found)}; `customhouse fsck` says more")
    if found.staged:
        raise MoveRefused(
            f"{found.staged} records are of calls that a server left open when it ended: start it once on this home, "
            "so that it records what is known of them, stop it, and move then"
        )
    return found


def _copy(
    source: Source,
    target: Target,
    tables: tuple[Table, ...],
    mark: Mark | None,
    days: Callable[[Iterable[str]], frozenset[int]],
    tell: Tell,
) -> _Copied:
    """(4) Copy every table, unless a run that was cut off at its end has done so."""
    present = target.present()
    if present and mark is not None:
        return _Copied(0, already=True)
    if present:
        raise MoveRefused(
            f"the target is not empty: {', '.join(present[:5])} has rows. Move into a database that nobody has used"
        )
    tell("make the partitions of days")
    made = target.make_days(source.days(days))
    tell(f"copy {len(tables)} tables")
    for table in tables:
        target.fill(table, source, tell)
    return _Copied(made, already=False)


def _compare(source: Source, target: Target, tables: tuple[Table, ...], tell: Tell) -> tuple[MovedTable, ...]:
    """(5) Read every row of both sides again."""
    compared: list[MovedTable] = []
    tell("read every row of both sides again, and compare")
    for table in tables:
        here, there = digest(source.rows(table)), digest(target.rows(table))
        if here != there:
            raise MoveRefused(f"{table.name} has {here[0]} rows in the file, {there[0]} in the target, or others")
        compared.append(MovedTable(name=table.name, rows=here[0], sha256_sum=here[1]))
    return tuple(compared)


def _commit(settings: Settings, target: Target, mark: Mark, tell: Tell) -> None:
    """(7) Commit between the two marks."""
    tell("commit")
    try:
        moved.write(settings.home_path, mark)
        target.commit()
        moved.write(settings.home_path, msgspec.structs.replace(mark, state="moved"))
    except OSError as error:
        raise MoveRefused(
            f"{settings.home_path} cannot be marked as moved: {error.strerror}; run this again"
        ) from error


def _today(clock: Clock) -> int:
    return partition.day_of_us(clock.now_us())


def _about(side: str, tell: Tell) -> Tell:
    return lambda text: tell(f"check the {side}: {text}")


def _first(report: fsck.Report) -> str:
    if not report.findings:
        return f"{report.records} records in {report.logs} logs, which are not as many as in the file"
    first = report.findings[0]
    return f"{first.where}: {first.problem}"
