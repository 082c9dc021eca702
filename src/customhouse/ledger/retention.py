# SPDX-License-Identifier: Apache-2.0
"""Payloads end with their retention; the records that name them stay for ever, and say less from then on.

Rules kept:
- `payload.expired` is in the organisation's log before anything is taken away, or in the same transaction.
- Whole days go, counted in UTC by the traces' own ids: what a trace says of its payloads depends on its day alone.
- PostgreSQL drops the days' partitions, and deletes what lies in no day's partition; SQLite deletes in bounded batches.
- No clock that is wrong takes anything away at once (`Calendar`): what is gone is gone.

Story: a machine boots with its clock a year ahead, and the time service sets it back two minutes later. Nothing was
taken away in between. Another one's clock jumps a year ahead while it leads: the days that count go on as before.
"""

import logging
from collections.abc import Sequence
from typing import Final

import msgspec

from customhouse.domain.clock import Clock
from customhouse.ledger import partition, record, sequence_tables, tables
from customhouse.ledger.append import Ledger
from customhouse.ledger.record import ORGANIZATION
from customhouse.store.database import Database, Transaction

EXPIRED: Final = "payload.expired"
BATCH: Final = 500
"""Payloads deleted in one transaction at most: some 10 ms, for which others wait on SQLite."""
EVERY_S: Final = 60.0
"""How often a server looks for payloads whose time has come."""
SETTLED_S: Final = 3600.0
"""A server takes nothing away in its first hour: a machine that boots with a wrong clock has it set meanwhile."""
_ACTOR: Final = "retention"
_STEP_US: Final = 3600 * 1_000_000
"""A step of the clock forward that is told of; smaller ones change no day that matters."""

_log = logging.getLogger(__name__)


class _Detail(msgspec.Struct):
    before: str = ""


class Calendar:
    """Which day it is, for retention alone: a step of the wall clock back counts, one forward does not.

    A restart believes the clock again; on PostgreSQL the server's clock has its say too.
    """

    def __init__(self, clock: Clock, *, settled_s: float = SETTLED_S) -> None:
        """Begin at this moment, which is a server's start."""
        self.clock: Final = clock
        self._began_us = clock.elapsed_us()
        self._ahead_us = clock.now_us() - self._began_us
        self._settled_us = int(settled_s * 1_000_000)
        self._told = False

    def today(self) -> int | None:
        """Return the day, in days since 1970 (UTC), or None while nobody should rely on it."""
        elapsed_us = self.clock.elapsed_us()
        ahead_us = self.clock.now_us() - elapsed_us
        if ahead_us - self._ahead_us > _STEP_US and not self._told:
            self._told = True
            _log.warning("the clock jumped ahead: retention goes by the time before it, until this server restarts")
        self._ahead_us = min(self._ahead_us, ahead_us)
        if elapsed_us - self._began_us < self._settled_us:
            return None
        return partition.day_of_us(elapsed_us + self._ahead_us)


def drop_days(tx: Transaction, ledger: Ledger, calendar: Calendar, keep_days: int) -> int:
    """Drop payloads older than `keep_days` days on PostgreSQL, and record it; return how many days were dropped.

    A duty of the leader: what lies in no day's partition goes at most `BATCH` a time. Of the leader's day and the
    server's the earlier one counts.
    """
    today = calendar.today()
    if today is None:
        return 0
    before = min(today, partition.day_of_us(sequence_tables.now_us(tx))) - keep_days
    days = sequence_tables.drop_payloads(tx, before)
    loose = _logs_with_payloads(tx, before)
    for log in loose:
        tx.act_for(log)
        tables.delete_payloads(tx, log, partition.first_id(before), BATCH)
    if days or (loose and expired_before(tx) != partition.iso(before)):
        _record(tx, ledger, calendar.clock, before, days)
    return len(days)


async def delete_days(database: Database, ledger: Ledger, calendar: Calendar, keep_days: int) -> int:
    """Delete payloads older than `keep_days` days on SQLite, and record it first; return how many.

    Others write between two batches. Raises StoreUnavailable.
    """
    today = calendar.today()
    if today is None:
        return 0
    before, total = today - keep_days, 0

    def announce(tx: Transaction) -> tuple[str, ...]:
        """Record what will be deleted; return the logs that have any."""
        loose = _logs_with_payloads(tx, before)
        if loose and expired_before(tx) != partition.iso(before):
            _record(tx, ledger, calendar.clock, before, ())
        return loose

    def delete(tx: Transaction, log: str) -> int:
        """Delete one batch of a log; return how many."""
        tx.act_for(log)
        return tables.delete_payloads(tx, log, partition.first_id(before), BATCH)

    for log in await database.transact(announce):
        while True:
            deleted = await database.transact(lambda tx, log=log: delete(tx, log))
            total += deleted
            if deleted < BATCH:
                break
    return total


def expired_before(tx: Transaction) -> str | None:
    """Return the day (YYYY-MM-DD) before which payloads have expired, or None while none has.

    Of the newest records the one that says most: one that was written by a clock that was ahead stays the newest.
    """
    newest = tables.traces_named(tx, [ORGANIZATION], EXPIRED)
    found = [record.decode(row.canonical) for rows in tables.records_of_traces(tx, newest) for row in rows]
    said = [msgspec.convert(each.detail, _Detail).before for each in found if each.kind == EXPIRED]
    return max(said, default=None)


def _logs_with_payloads(tx: Transaction, before: int) -> tuple[str, ...]:
    """Return the logs with payloads older than a day. Cost: one look at the index for each log."""
    found: list[str] = []
    for log in tables.logs(tx):
        tx.act_for(log)
        if tables.has_payloads_before(tx, log, partition.first_id(before)):
            found.append(log)
    return tuple(found)


def _record(tx: Transaction, ledger: Ledger, clock: Clock, before: int, days: Sequence[str]) -> None:
    detail: dict[str, object] = {"before": partition.iso(before)}
    if days:
        detail |= {"first": days[0], "last": days[-1], "days": len(days)}
    expired = ledger.event(EXPIRED, actor=_ACTOR, trace_id=clock.uuid7(), detail=detail, references=(EXPIRED,))
    ledger.write(tx, [expired])
