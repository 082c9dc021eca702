# SPDX-License-Identifier: Apache-2.0
"""Appending evidence: records join their tenant's chain inside one transaction, gateway and CLI alike.

Story: Dana's CLI promotes a release while the gateway finishes a turn of the same tenant. Both read the head inside
their own serialised transaction and move it by compare-and-set, so neither record can overwrite or fork the other.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from customhouse.domain.clock import Clock, rfc3339
from customhouse.domain.errors import LedgerUnavailable, StoreUnavailable
from customhouse.ledger import chain, record, tables
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import ORGANIZATION, Detail, Record, Subject
from customhouse.store.database import Database, Transaction
from customhouse.vault.seal import TENANT_KEY_BYTES, TenantKey, unwrap, wrap

MAX_FLUSH: Final = 256
"""Appends in one commit at most, which bounds how long the first of them waits."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    entry: Entry
    canonical: bytes


@dataclass(frozen=True, slots=True)
class _Waiter:
    leaves: list[_Leaf]
    landed: asyncio.Future[None]


class Ledger:
    """The evidence of one installation. Invariant: what `append` returned from is durable and in the chain."""

    def __init__(self, database: Database, root_key: bytes, clock: Clock) -> None:
        """Keep what every append needs; tenant keys are unwrapped once each."""
        self._database = database
        self._root_key = root_key
        self._clock = clock
        self._tenant_keys: dict[str, TenantKey] = {}
        self._waiting: list[_Waiter] = []
        self._flushing: asyncio.Future[None] | None = None

    async def tenant_key(self, tenant: str) -> TenantKey:
        """Return a tenant's key, creating it on first use in a transaction of its own. Raises LedgerUnavailable."""
        known = self._tenant_keys.get(tenant)
        if known is not None:
            return known
        try:
            wrapped = await self._database.transact(lambda tx: self._wrapped(tx, tenant))
            key = TenantKey(tenant, unwrap(self._root_key, tenant, wrapped), self._clock)
        except StoreUnavailable as error:
            raise LedgerUnavailable from error
        self._tenant_keys[tenant] = key
        return key

    async def append(self, entries: Sequence[Entry]) -> None:
        """Write records in a transaction of their own or shared; on return they are durable. Raises LedgerUnavailable.

        What arrives while a commit runs goes into the next one together: one look at each log's head, one fsync.
        A caller that is cancelled no longer waits; its records are written all the same.
        """
        try:
            leaves = [_Leaf(entry, record.encode(entry.record)) for entry in entries]
        except ValueError as error:
            raise LedgerUnavailable from error
        waiter = _Waiter(leaves, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        if self._flushing is None:
            self._flush()
        await waiter.landed

    def write(self, tx: Transaction, entries: Sequence[Entry]) -> None:
        """Write records inside the caller's transaction. Raises LedgerUnavailable, which undoes the caller's work."""
        try:
            self._write(tx, [_Leaf(entry, record.encode(entry.record)) for entry in entries])
        except ValueError as error:
            raise LedgerUnavailable from error

    def _flush(self) -> None:
        batch, self._waiting = self._waiting[:MAX_FLUSH], self._waiting[MAX_FLUSH:]
        leaves = [leaf for waiter in batch for leaf in waiter.leaves]
        self._flushing = self._database.begin(lambda tx: self._write(tx, leaves))
        self._flushing.add_done_callback(lambda flushed: self._landed(batch, flushed))

    def _landed(self, batch: list["_Waiter"], flushed: "asyncio.Future[None]") -> None:
        """Tell the callers of a flush how it ended, and start the next one if anybody waits."""
        self._flushing = None
        cause = asyncio.CancelledError() if flushed.cancelled() else flushed.exception()
        for waiter in batch:
            if waiter.landed.done():
                continue
            if cause is None:
                waiter.landed.set_result(None)
            else:
                refusal = LedgerUnavailable()
                refusal.__cause__ = cause
                waiter.landed.set_exception(refusal)
        if self._waiting:
            self._flush()

    def _write(self, tx: Transaction, leaves: Sequence["_Leaf"]) -> None:
        for tenant in dict.fromkeys(leaf.entry.record.tenant for leaf in leaves):
            self._extend(tx, tenant, [leaf for leaf in leaves if leaf.entry.record.tenant == tenant])
        tables.attach(tx, [leaf.entry for leaf in leaves], [leaf.canonical for leaf in leaves])

    def event(  # the one way to record what happened on the control plane
        self,
        kind: str,
        *,
        actor: str,
        trace_id: str,
        detail: Detail,
        assistant: str | None = None,
        references: tuple[str, ...] = (),
    ) -> Entry:
        """Build the entry of a control-plane event in the organisation's log. `detail` is plain JSON without floats."""
        return Entry(
            Record(
                v=1,
                id=self._clock.uuid7(),
                tenant=ORGANIZATION,
                trace_id=trace_id,
                kind=kind,
                at=rfc3339(self._clock.now_us()),
                principal=Subject(actor=actor),
                assistant=assistant,
                detail=detail,
            ),
            references=references,
        )

    def _extend(self, tx: Transaction, tenant: str, leaves: Sequence["_Leaf"]) -> None:
        before = tables.head(tx, tenant)
        position, previous = (0, chain.GENESIS) if before is None else (before.size, before.hash)
        rows: list[tables.EvidenceRow] = []
        for leaf in leaves:
            leaf_hash = chain.leaf_hash(leaf.canonical)
            previous = chain.link_hash(previous, leaf_hash)
            fields = leaf.entry.record
            link = chain.Link(position, leaf.canonical, leaf_hash, previous)
            rows.append(tables.EvidenceRow(tenant, fields.trace_id, fields.id, fields.kind, link))
            position += 1
        tables.insert_records(tx, rows)
        if not tables.advance_head(tx, before, tables.Head(tenant, position, previous)):
            raise LedgerUnavailable("another writer moved the log's head inside this transaction; nothing was written")

    def _wrapped(self, tx: Transaction, tenant: str) -> bytes:
        found = tables.wrapped_key(tx, tenant)
        if found is not None:
            return found
        fresh = wrap(self._root_key, tenant, self._clock.random(TENANT_KEY_BYTES), self._clock)
        tables.insert_wrapped_key(tx, tenant, fresh, self._clock.now_us())
        return fresh
