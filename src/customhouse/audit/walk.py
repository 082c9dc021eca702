# SPDX-License-Identifier: Apache-2.0
"""Reading logs for an audit: a page a transaction, so that nobody waits for a reader of millions of records.

Records may land behind the place where it reads (a replica's spool that is taken in): the answer is of what was there.
"""

from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec

from customhouse.audit import tables
from customhouse.audit.routing import Fold, Found, MissingRecords, Question, Routing
from customhouse.ledger import tables as ledger
from customhouse.ledger.record import ORGANIZATION
from customhouse.ledger.tables import Place
from customhouse.registry import replica_tables
from customhouse.registry.replica import Replica
from customhouse.store.database import Readable, Transaction

MAX_TURN_US: Final = 24 * 3600 * 1_000_000
"""A trace's id tells when it began; a call within the time may belong to a turn that began so much earlier."""
SILENT_S: Final = 15
"""Three reports of a replica that reports least often (registry/presence.py)."""

_Page = Callable[[Transaction, str, str, str], tuple[Found, ...]]


class _Gap(msgspec.Struct, frozen=True, rename={"since": "from", "until": "to"}):
    since: str
    until: str
    reason: str
    count: int = 0
    at_least: bool = False
    refused: int | None = None


class _Declared(msgspec.Struct, frozen=True):
    detail: _Gap


async def routing(database: Readable, question: Question, since_us: int, until_us: int) -> Routing:
    """Answer a question; `since_us` and `until_us` are its times. Raises StoreUnavailable.

    Cost: for each log, one indexed look-up for each PAGE calls of the time.
    """
    fold = Fold(question)
    first, before = _id_at(max(0, since_us - MAX_TURN_US)), _id_at(until_us + 1000)
    logs = await database.read(ledger.logs) if question.tenant is None else (question.tenant,)
    for log in logs:
        async for page in _pages(database, tables.calls, log, first, before):
            fold.add(page)
    gaps = await _gaps(database, fold, before)
    return fold.answer(gaps, await _pending(database))


async def _gaps(database: Readable, fold: Fold, before: str) -> list[MissingRecords]:
    """Return the gaps that touch the time: the organisation's log has all of them, a tenant's its own share."""
    question, found = fold.question, list[MissingRecords]()
    async for page in _pages(database, tables.gaps, ORGANIZATION, "", before):
        for record in page:
            try:
                gap = _gap(record.canonical)
                if gap.until < question.since or gap.since >= question.until or gap.refused is not None:
                    continue
                share = gap if question.tenant is None else await _share(database, question.tenant, record.trace_id)
            except msgspec.MsgspecError:
                fold.alter(record)
                continue
            if share is not None:
                found.append(msgspec.convert(share, MissingRecords, from_attributes=True))
    return found


async def _share(database: Readable, tenant: str, trace_id: str) -> _Gap | None:
    """Return what a tenant's own log says of a gap, or None when it was not concerned."""
    (stored,) = await database.read(lambda tx: ledger.records_of_traces(tx, [Place(tenant, trace_id)]))
    return _gap(stored[0].canonical) if stored else None


def _gap(canonical: bytes) -> _Gap:
    return msgspec.json.decode(canonical, type=_Declared).detail


async def _pending(database: Readable) -> tuple[str, ...]:
    """Return the replicas of whose evidence nobody knows that all of it is in the database.

    A replica that the database has not heard of may be cut off from it and answer turns, or was killed while it was:
    what it said of itself was said before.
    """

    def work(tx: Transaction) -> tuple[str, ...]:
        now_us = replica_tables.now_us(tx)
        return tuple(sorted(each.name for each in replica_tables.replicas(tx) if _keeps(each, now_us)))

    return await database.read(work)


def _keeps(replica: Replica, now_us: int) -> bool:
    if replica.ended_at_us is not None:
        return replica.state.ledger not in {"ok", "refusing"}  # what was refused left no record anywhere
    return replica.state.ledger != "ok" or now_us - replica.seen_at_us > SILENT_S * 1_000_000


async def _pages(
    database: Readable, page_of: _Page, log: str, after: str, before: str
) -> AsyncIterator[tuple[Found, ...]]:
    while page := await database.read(lambda tx, after=after: page_of(tx, log, after, before)):
        yield page
        after = page[-1].trace_id


def _id_at(at_us: int) -> str:
    """Return the smallest text that the id of a trace can be which begins at this millisecond or later."""
    digits = f"{at_us // 1000:012x}"
    return f"{digits[:8]}-{digits[8:]}"
