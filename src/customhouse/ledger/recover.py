# SPDX-License-Identifier: Apache-2.0
"""What a crash left behind: every model call that began and has no outcome becomes `model.unknown`, never silent.

Story: power fails while a provider writes its answer. The call's record was durable before it left, the outcome was
not. At the next start the record says `unknown`: nobody may read the silence as "it did not happen".
"""

from customhouse.domain.clock import Clock, rfc3339
from customhouse.ledger import record, tables
from customhouse.ledger.append import Ledger
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import Record
from customhouse.store.database import Database, Transaction


async def settle_open_calls(
    database: Database, ledger: Ledger, clock: Clock, replica: str | None = None, spans: frozenset[str] | None = None
) -> int:
    """Record calls that `replica` (None: any) has open as unknown; return how many.

    `spans` None means all of them: only while that replica answers no turn.
    """
    return await database.transact(lambda tx: settle(tx, ledger, clock, replica, spans))


async def settle_orphans(database: Database, ledger: Ledger, clock: Clock, replica: str, orphans: set[str]) -> None:
    """Settle calls whose outcome could not be written, and take them out of `orphans`. Raises StoreUnavailable.

    Not while anything waits in the local spool: a turn that was refused because the spool did not answer in time may
    have its outcome there.
    """
    spans = frozenset(orphans)
    if spans and ledger.state.status != "spooling":
        await settle_open_calls(database, ledger, clock, replica, spans)
        orphans -= spans


def settle(
    tx: Transaction, ledger: Ledger, clock: Clock, replica: str | None, spans: frozenset[str] | None = None
) -> int:
    """Do so inside the caller's transaction."""
    ledger.join(tx, spans)
    holders = tables.replicas_with_open_calls(tx) if replica is None else (replica,)
    # Closed first, and only what was closed here is unknown: its outcome may be on its way in another transaction.
    left = [call for holder in holders for call in _closed(tx, holder, spans)]
    ledger.write(tx, [_unknown(record.decode(canonical), span_id, clock) for _, span_id, canonical in left])
    return len(left)


def _closed(tx: Transaction, holder: str, spans: frozenset[str] | None) -> tuple[tuple[str, str, bytes], ...]:
    if spans is None:
        return tables.close_calls(tx, holder)
    return tuple(call for span_id in sorted(spans) for call in tables.close_call(tx, holder, span_id))


def _unknown(called: Record, span_id: str, clock: Clock) -> Entry:
    unknown = Record(
        v=1,
        id=clock.uuid7(),
        tenant=called.tenant,
        trace_id=called.trace_id,
        kind="model.unknown",
        at=rfc3339(clock.now_us()),
        span_id=span_id,
        parents=(span_id,),
        assistant=called.assistant,
        release=called.release,
        snapshot=called.snapshot,
        generation=called.generation,
        labels=called.labels,
        model=called.model,
        outcome="unknown",
    )
    return Entry(unknown)
