# SPDX-License-Identifier: Apache-2.0
"""Appending evidence: records join their tenant's chain inside one transaction, gateway and CLI alike.

Story: Dana's CLI promotes a release while the gateway finishes a turn of the same tenant. Both read the head inside
their own serialised transaction and move it by compare-and-set, so neither record can overwrite or fork the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from customhouse.domain.clock import Clock, rfc3339
from customhouse.domain.errors import LedgerUnavailable, StoreUnavailable
from customhouse.ledger import chain, record, tables
from customhouse.ledger.record import ORGANIZATION, Detail, Record, Subject
from customhouse.store.database import Database, DuplicateRow, Transaction
from customhouse.vault.seal import TENANT_KEY_BYTES, Sealed, TenantKey, unwrap, wrap


@dataclass(frozen=True, slots=True)
class Entry:
    """A record with what goes into the same transaction.

    `references` are further ids under which the trace is found. `opens` keeps the record as an open call until an entry
    whose `closes` is its span; what a crash leaves open is settled as `model.unknown` at the next start.
    """

    record: Record
    payloads: tuple[Sealed, ...] = ()
    references: tuple[str, ...] = ()
    opens: bool = False
    closes: str | None = None


class Ledger:
    """The evidence of one installation. Invariant: what `append` returned from is durable and in the chain."""

    def __init__(self, database: Database, root_key: bytes, clock: Clock) -> None:
        """Keep what every append needs; tenant keys are unwrapped once each."""
        self._database = database
        self._root_key = root_key
        self._clock = clock
        self._tenant_keys: dict[str, TenantKey] = {}

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
        """Write records in a transaction of their own; on return they are durable. Raises LedgerUnavailable."""
        try:
            await self._database.transact(lambda tx: self.write(tx, entries))
        except (StoreUnavailable, DuplicateRow, ValueError) as error:
            raise LedgerUnavailable from error

    def write(self, tx: Transaction, entries: Sequence[Entry]) -> None:
        """Write records inside the caller's transaction. Raises LedgerUnavailable, which undoes the caller's work."""
        for tenant in dict.fromkeys(entry.record.tenant for entry in entries):
            self._extend(tx, tenant, [entry for entry in entries if entry.record.tenant == tenant])

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

    def _extend(self, tx: Transaction, tenant: str, entries: Sequence[Entry]) -> None:
        before = tables.head(tx, tenant)
        position, previous = (0, chain.GENESIS) if before is None else (before.size, before.hash)
        for entry in entries:
            canonical = record.encode(entry.record)
            leaf = chain.leaf_hash(canonical)
            previous = chain.link_hash(previous, leaf)
            trace_id = entry.record.trace_id
            link = chain.Link(position, canonical, leaf, previous)
            tables.insert_record(tx, tenant, trace_id, entry.record.id, entry.record.kind, link)
            position += 1
            self._attach(tx, entry, canonical)
        if not tables.advance_head(tx, before, tables.Head(tenant, position, previous)):
            raise LedgerUnavailable("another writer moved the log's head inside this transaction; nothing was written")

    def _attach(self, tx: Transaction, entry: Entry, canonical: bytes) -> None:
        tenant, trace_id = entry.record.tenant, entry.record.trace_id
        for payload in entry.payloads:
            stored = tables.StoredPayload(payload.commitment, payload.kind, payload.content)
            tables.insert_payload(tx, tenant, trace_id, stored)
        for name in entry.references:
            tables.insert_reference(tx, tenant, name, trace_id)
        if entry.opens and entry.record.span_id is not None:
            tables.open_call(tx, tenant, entry.record.span_id, canonical)
        if entry.closes is not None:
            tables.close_call(tx, tenant, entry.closes)

    def _wrapped(self, tx: Transaction, tenant: str) -> bytes:
        found = tables.wrapped_key(tx, tenant)
        if found is not None:
            return found
        fresh = wrap(self._root_key, tenant, self._clock.random(TENANT_KEY_BYTES), self._clock)
        tables.insert_wrapped_key(tx, tenant, fresh, self._clock.now_us())
        return fresh
