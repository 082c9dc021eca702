# SPDX-License-Identifier: Apache-2.0
"""Appending evidence: what was enforced becomes durable in one transaction, for gateway and command line alike.

Where a record goes first is the store's: on SQLite it joins its tenant's chain at once (chained.py), on PostgreSQL it
is staged, and the one sequencer gives it its place (staged.py, sequence.py).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from customhouse.domain.clock import Clock, rfc3339
from customhouse.domain.errors import LedgerUnavailable, StoreUnavailable
from customhouse.ledger import chained, record, tables
from customhouse.ledger.entry import Entry, Leaf
from customhouse.ledger.record import ORGANIZATION, Detail, Record, Subject
from customhouse.store.database import Database, DuplicateRow, Transaction
from customhouse.vault.seal import TENANT_KEY_BYTES, TenantKey, unwrap, wrap

MAX_FLUSH: Final = 256
"""Appends in one commit at most, which bounds how long the first of them waits."""


Extend = Callable[[Transaction, str, Sequence[Leaf]], None]
"""Adds leaves to one tenant's log, inside a transaction that acts for the tenant. Raises LedgerUnavailable."""


@dataclass(frozen=True, slots=True)
class _Waiter:
    leaves: list[Leaf]
    landed: asyncio.Future[None]


class Ledger:
    """The evidence of one installation. Invariant: what `append` returned from is durable."""

    def __init__(
        self,
        database: Database,
        root_key: bytes,
        clock: Clock,
        *,
        extend: Extend = chained.extend,
        replica: str = "",
    ) -> None:
        """Keep what every append needs; tenant keys are unwrapped once each. `replica` has the calls that it opens."""
        self._extend = extend
        self._replica = replica
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
            wrapped = await self._first_key(tenant)
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
            leaves = [Leaf(entry, record.encode(entry.record)) for entry in entries]
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
            self._write(tx, [Leaf(entry, record.encode(entry.record)) for entry in entries])
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

    def _write(self, tx: Transaction, leaves: Sequence[Leaf]) -> None:
        for tenant in dict.fromkeys(leaf.entry.record.tenant for leaf in leaves):
            own = [leaf for leaf in leaves if leaf.entry.record.tenant == tenant]
            tx.act_for(tenant)
            self._extend(tx, tenant, own)
            tables.attach(tx, own, self._replica)

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

    async def _first_key(self, tenant: str) -> bytes:
        try:
            return await self._database.begin(lambda tx: self._wrapped(tx, tenant))
        except DuplicateRow:  # another replica was first: now there is one to read
            return await self._database.begin(lambda tx: self._wrapped(tx, tenant))

    def _wrapped(self, tx: Transaction, tenant: str) -> bytes:
        tx.act_for(tenant)
        found = tables.wrapped_key(tx, tenant)
        if found is not None:
            return found
        fresh = wrap(self._root_key, tenant, self._clock.random(TENANT_KEY_BYTES), self._clock)
        tables.insert_wrapped_key(tx, tenant, fresh, self._clock.now_us())
        return fresh
