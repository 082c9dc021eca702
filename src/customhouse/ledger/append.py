# SPDX-License-Identifier: Apache-2.0
"""Appending evidence: what was enforced becomes durable in one transaction, for gateway and command line alike.

Where a record goes first is the store's (placing.py): on SQLite it joins its tenant's chain at once, but for those with
which a call begins (chained.py); on PostgreSQL it is staged, and the one sequencer gives it its place (staged.py).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from customhouse.domain.clock import Clock, rfc3339
from customhouse.domain.errors import LedgerUnavailable, StoreUnavailable
from customhouse.domain.failure_mode import FailureMode
from customhouse.ledger import record, tables
from customhouse.ledger.entry import Entry, Leaf
from customhouse.ledger.placing import CHAINED, Placing
from customhouse.ledger.record import ORGANIZATION, Detail, Record, Subject
from customhouse.ledger.standby import FAILED, SLOW, Standby
from customhouse.ledger.state import LedgerState
from customhouse.store.database import Database, DuplicateRow, Transaction
from customhouse.vault.seal import TENANT_KEY_BYTES, TenantKey, unwrap, wrap

MAX_FLUSH: Final = 256
"""Appends in one commit at most, which bounds how long the first of them waits."""


Where = Literal["database", "spool", "skipped", "refused"]
"""What became of an append: `skipped` is the mode `open`, whose records the gap counts."""
Observe = Callable[[Where, Sequence[Leaf], int], None]
"""Is told of every append as soon as its caller was, and how many microseconds it took. It must not raise or wait."""


@dataclass(frozen=True, slots=True)
class _Waiter:
    leaves: list[Leaf]
    mode: FailureMode
    landed: asyncio.Future[None]
    began_us: int


class Ledger:
    """The evidence of one installation. Invariant: what `append` returned from is durable."""

    def __init__(
        self,
        database: Database,
        root_key: bytes,
        clock: Clock,
        *,
        placing: Placing = CHAINED,
        replica: str = "",
        standby: Standby | None = None,
        observe: Observe | None = None,
    ) -> None:
        """Keep what every append needs; tenant keys are unwrapped once each. `replica` has the calls that it opens.

        A `standby` takes what the database does not; without one (the command line) everything is `closed`.
        """
        self._standby = standby
        self._observe = observe
        self._placing = placing
        self.replica: Final = replica
        self._database = database
        self._root_key = root_key
        self._clock = clock
        self._tenant_keys: dict[str, TenantKey] = {}
        self._waiting: list[_Waiter] = []
        self._flushing: asyncio.Future[None] | None = None
        self._lone: Callable[[], bool] = lambda: False

    def commit_here_while(self, lone: Callable[[], bool]) -> None:
        """Let a commit hold up the event loop where that is quick, while `lone` says that one turn runs alone.

        Only a commit of turns that are refused when the ledger fails: others go on when it does not answer in time, and
        time must pass for that while a commit hangs.
        """
        self._lone = lone

    async def tenant_key(self, tenant: str) -> TenantKey:
        """Return a tenant's key, creating it on first use in a transaction of its own. Raises LedgerUnavailable."""
        known = self._tenant_keys.get(tenant)
        if known is not None:
            return known
        if self.down:
            raise LedgerUnavailable("the tenant's key is not in memory, and the database does not answer")
        try:
            async with asyncio.timeout(self._standby.timeout_s if self._standby else None):
                wrapped = await self._first_key(tenant)
        except (StoreUnavailable, TimeoutError) as error:
            if self._standby is not None:
                self._standby.fail(SLOW if isinstance(error, TimeoutError) else FAILED)
            raise LedgerUnavailable from error
        try:
            key = TenantKey(tenant, unwrap(self._root_key, tenant, wrapped), self._clock)
        except StoreUnavailable as error:
            raise LedgerUnavailable from error
        self._tenant_keys[tenant] = key
        return key

    async def append(self, entries: Sequence[Entry], mode: FailureMode = "closed") -> None:
        """Write records in a transaction of their own or shared; on return they are durable. Raises LedgerUnavailable.

        What arrives while a commit runs goes into the next one together: one look at each log's head, one fsync.
        A caller that is cancelled no longer waits; its records are written all the same. When the database fails, or
        does not answer in time, they go where `mode` says (standby.py).
        """
        try:
            leaves = [Leaf(entry, record.encode(entry.record)) for entry in entries]
        except ValueError as error:
            raise LedgerUnavailable from error
        waiter = _Waiter(leaves, mode, asyncio.get_running_loop().create_future(), self._clock.elapsed_us())
        if self._standby is not None and self._standby.diverts(mode):
            self._divert(self._standby, [waiter], None)
        else:
            self._waiting.append(waiter)
            self._go_on()
        await waiter.landed

    async def append_with(self, entries: Sequence[Entry], work: Callable[[Transaction], None]) -> None:
        """Write records in one transaction with `work`; on return both are durable, and neither is when it raises.

        It goes to the database alone, whatever a turn's mode says. Raises LedgerUnavailable, and as `work` does.
        """
        try:
            leaves = [Leaf(entry, record.encode(entry.record)) for entry in entries]
        except ValueError as error:
            raise LedgerUnavailable from error
        began_us = self._clock.elapsed_us()

        def both(tx: Transaction) -> None:
            self._placing.alone(tx, self.replica)
            work(tx)
            self._write(tx, leaves)

        try:
            await self._database.begin(both)
        except StoreUnavailable as error:
            raise LedgerUnavailable from error
        if self._observe is not None:
            self._observe("database", leaves, self._clock.elapsed_us() - began_us)

    async def append_once(self, leaves: Sequence[Leaf]) -> None:
        """Write those of the leaves that are not in the ledger yet, in one transaction. Raises StoreUnavailable.

        Waits for appends on their way whose outcome nobody knows: the one that runs, and a COMMIT that was given up
        and may land yet, of an earlier process too. Cost: one query for each trace more.
        """
        while self._flushing is not None:
            await asyncio.wait([self._flushing])

        def work(tx: Transaction) -> None:
            self._placing.alone(tx, self.replica)
            self._write(tx, _unknown(tx, leaves))

        await self._database.begin(work)

    def release(self) -> None:
        """Let appends go on that were held back while the last entries of the spool joined the ledger."""
        standby = self._standby
        if standby is None:
            return
        standby.held = False
        if standby.down:
            waiting, self._waiting = self._waiting, []
            self._divert(standby, waiting, None)
        self._go_on()

    @property
    def down(self) -> bool:
        """Whether the database takes no evidence now: turns do what their mode says, without asking it."""
        return self._standby is not None and self._standby.down

    @property
    def state(self) -> LedgerState:
        """Return how the ledger is doing."""
        return LedgerState() if self._standby is None else self._standby.state

    def join(self, tx: Transaction, spans: frozenset[str] | None) -> None:
        """Give the records with which open calls began their places: of all, or of some. Raises LedgerUnavailable."""
        self._placing.join(tx, spans)

    def write(self, tx: Transaction, entries: Sequence[Entry]) -> None:
        """Write records inside the caller's transaction. Raises LedgerUnavailable, which undoes the caller's work."""
        try:
            self._write(tx, [Leaf(entry, record.encode(entry.record)) for entry in entries])
        except ValueError as error:
            raise LedgerUnavailable from error

    def _flush(self) -> None:
        batch, self._waiting = self._waiting[:MAX_FLUSH], self._waiting[MAX_FLUSH:]
        leaves = [leaf for waiter in batch for leaf in waiter.leaves]

        def work(tx: Transaction) -> None:
            if not batch:  # overdue before it began: its callers were told otherwise
                raise LedgerUnavailable
            self._placing.alone(tx, self.replica)
            self._write(tx, leaves)

        here = self._lone() and all(waiter.mode == "closed" for waiter in batch)
        self._flushing = flushing = (self._database.begin_here if here else self._database.begin)(work)
        if flushing.done():
            self._landed(batch, flushing, None)
            return
        late: asyncio.TimerHandle | None = None
        standby = self._standby
        if standby is not None:
            late = asyncio.get_running_loop().call_later(standby.timeout_s, lambda: self._overdue(standby, batch))
        flushing.add_done_callback(lambda flushed: self._landed(batch, flushed, late))

    def _landed(
        self, batch: list["_Waiter"], flushed: "asyncio.Future[None]", late: asyncio.TimerHandle | None
    ) -> None:
        """Tell the callers of a flush how it ended, and start the next one if anybody waits."""
        self._flushing = None
        if late is not None:
            late.cancel()
        cause = asyncio.CancelledError() if flushed.cancelled() else flushed.exception()
        if self._standby is not None and isinstance(cause, StoreUnavailable):
            self._standby.fail(FAILED)
            self._divert(self._standby, [*batch, *self._waiting], cause)
            self._waiting = []
            return
        for waiter in batch:
            _settle(waiter.landed, cause)
        self._go_on()
        if self._observe is not None:
            # Once the callers have gone on: a turn waits for its records, not for their count.
            where: Where = "database" if cause is None else "refused"
            asyncio.get_running_loop().call_soon(_tell, self._observe, where, batch, self._clock.elapsed_us())

    def _go_on(self) -> None:
        held = self._standby is not None and self._standby.held
        if self._waiting and self._flushing is None and not held:
            self._flush()

    def _overdue(self, standby: Standby, batch: list["_Waiter"]) -> None:
        """Let nobody wait longer for a database that does not answer; a flush that has begun may be written or not."""
        standby.fail(SLOW)
        diverted = [*batch, *self._waiting]
        batch.clear()
        self._waiting = []
        self._divert(standby, diverted, TimeoutError())

    def _divert(self, standby: Standby, waiters: list["_Waiter"], cause: BaseException | None) -> None:
        """Hand appends over, in their order. A caller that was cancelled has handed its records over all the same."""
        for waiter in waiters:
            taken = standby.take(waiter.leaves, waiter.mode, cause)
            taken.add_done_callback(partial(self._taken, waiter))

    def _taken(self, waiter: "_Waiter", taken: "asyncio.Future[None]") -> None:
        _follow(waiter.landed, taken)
        kept = not taken.cancelled() and taken.exception() is None
        where: Where = "refused" if not kept else "spool" if waiter.mode == "spool" else "skipped"
        if self._observe is not None:
            _tell(self._observe, where, [waiter], self._clock.elapsed_us())

    def _write(self, tx: Transaction, leaves: Sequence[Leaf]) -> None:
        for tenant in dict.fromkeys(leaf.entry.record.tenant for leaf in leaves):
            own = [leaf for leaf in leaves if leaf.entry.record.tenant == tenant]
            tx.act_for(tenant)
            self._placing.extend(tx, tenant, own, self.replica)

    def event(  # the one way to record what happened on the control plane
        self,
        kind: str,
        *,
        actor: str,
        trace_id: str,
        detail: Detail,
        assistant: str | None = None,
        references: tuple[str, ...] = (),
        tenant: str = ORGANIZATION,
    ) -> Entry:
        """Build the entry of a control-plane event, found by its actor and by `references`.

        What is about one tenant's data stands in that tenant's log. `detail` is plain JSON without floats.
        """
        return Entry(
            Record(
                v=1,
                id=self._clock.uuid7(),
                tenant=tenant,
                trace_id=trace_id,
                kind=kind,
                at=rfc3339(self._clock.now_us()),
                principal=Subject(actor=actor),
                assistant=assistant,
                detail=detail,
            ),
            references=tuple(dict.fromkeys((*references, actor))),
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


def _unknown(tx: Transaction, leaves: Sequence[Leaf]) -> list[Leaf]:
    """Return the leaves whose records are not in the ledger."""
    known: set[str] = set()
    for tenant, trace_id in dict.fromkeys((leaf.entry.record.tenant, leaf.entry.record.trace_id) for leaf in leaves):
        tx.act_for(tenant)
        known |= tables.record_ids(tx, tenant, trace_id)
    return [leaf for leaf in leaves if leaf.entry.record.id not in known]


def _settle(landed: "asyncio.Future[None]", cause: BaseException | None) -> None:
    if landed.done():
        return
    if cause is None:
        landed.set_result(None)
        return
    refusal = LedgerUnavailable()
    refusal.__cause__ = cause
    landed.set_exception(refusal)


def _tell(observe: Observe, where: Where, waiters: Sequence[_Waiter], ended_us: int) -> None:
    for waiter in waiters:
        observe(where, waiter.leaves, ended_us - waiter.began_us)


def _follow(landed: "asyncio.Future[None]", taken: "asyncio.Future[None]") -> None:
    cause = asyncio.CancelledError() if taken.cancelled() else taken.exception()
    if isinstance(cause, LedgerUnavailable) and not landed.done():
        landed.set_exception(cause)
    else:
        _settle(landed, cause)
