# SPDX-License-Identifier: Apache-2.0
"""The sequencer: gives staged records their places in their logs' chains. One leads, however many replicas there are.

Rules kept:
- Elected by a lock that a session of its own holds (store/leadership.py), so that its end is known when that ends.
- Fenced: every transaction of a leader first locks the row that names its epoch. Story: replica A leads, its machine
  sleeps for a minute, B is elected. A wakes up in the middle of a batch, finds B's epoch, and writes nothing.
- Order: records get their places in the order in which they were staged. A record whose staging was acknowledged before
  another's began comes first, since a staged number is taken inside the transaction that was acknowledged.
- What moves, moves in one transaction: places, heads and the end of the staging. A crash leaves all or nothing of it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple, Protocol

from customhouse.domain.clock import Clock
from customhouse.domain.errors import CustomhouseError, StoreUnavailable
from customhouse.ledger import chain, partition, sequence_tables, tables
from customhouse.ledger.sequence_tables import Place, Staged
from customhouse.ledger.tables import Head
from customhouse.store.database import Database, DuplicateRow, Transaction

BATCH: Final = 1000
"""Records placed in one transaction at most: 8 MB at the very most, some 50 ms."""
BUSY_PAUSE_S: Final = 0.005
"""After a batch that was not full: what arrives meanwhile goes into the next one together."""
IDLE_PAUSE_S: Final = 0.1
"""The longest pause; each look that finds nothing doubles it. A look is one query without a lock or a write."""
ELECTION_PAUSE_S: Final = 0.5
"""How often a replica that does not lead asks whether the leader is gone."""
HEARTBEAT_S: Final = 1.0
"""How often a leader lets the server hear that it lives."""

_log = logging.getLogger(__name__)


class Fenced(Exception):  # noqa: N818 - a fact that the leader acts on
    """Another replica was elected, or the log is not where the leader left it: this term is over."""


class _NewDays(Exception):  # noqa: N818 - as above
    """Records wait whose days this leader has not looked at; nothing was written."""

    def __init__(self, days: frozenset[int]) -> None:
        """Keep the days."""
        super().__init__()
        self.days = days


class Election(Protocol):
    """The lock of the one leader."""

    async def win(self) -> bool:
        """Take the lock unless another holds it; return whether it is held. Raises StoreUnavailable."""
        ...

    async def keep(self) -> bool:
        """Return whether the lock is still held; a holder that does not ask for long loses it."""
        ...

    async def resign(self) -> None:
        """Give the lock up."""
        ...


@dataclass(frozen=True, slots=True)
class Duty:
    """What else a leader does, every `every_s` seconds: `work` runs in a transaction after the fence was checked.

    A duty that fails is tried again when it is due next; placing records goes on meanwhile.
    """

    name: str
    work: Callable[[Transaction], object]
    every_s: float = 1.0


class Progress(NamedTuple):
    """What a sequencer says of itself. `epoch` None: it does not lead."""

    epoch: int | None
    placed: int


@dataclass(frozen=True, slots=True)
class _Standing:
    """Where the logs stand as this leader left them, and the days whose partitions it looked after.

    Replaced after each commit.
    """

    heads: dict[str, Head]
    days: frozenset[int] = frozenset()


class Sequencer:
    """One replica's candidate. Invariant: it writes only while its epoch is the newest."""

    def __init__(
        self, database: Database, election: Election, clock: Clock, replica: str, duties: Sequence[Duty] = ()
    ) -> None:
        """Keep what a term needs; `run` stands for election."""
        self._database = database
        self._election = election
        self._clock = clock
        self._replica = replica
        self._due_at_us = [(duty, 0) for duty in duties]
        self._epoch: int | None = None
        self._standing = _Standing({})
        self._placed = 0
        self._pause_s = BUSY_PAUSE_S
        self._heard_at_us = 0

    @property
    def progress(self) -> Progress:
        """Return whether this replica leads, and how many records it has placed."""
        return Progress(self._epoch, self._placed)

    async def run(self) -> None:
        """Stand for election, lead, and stand again, until cancelled; then the lock is free for the next at once."""
        unheard = False
        try:
            while True:
                try:
                    pause_s = await self._turn()
                    unheard = False
                except (Fenced, DuplicateRow, StoreUnavailable) as error:
                    if self._epoch is not None:
                        _log.warning("no longer the sequencer: %s", error)
                    elif not unheard:  # said once an outage: it is asked twice a second
                        _log.warning("cannot ask who is the sequencer, and goes on asking: %s", error)
                    self._epoch, pause_s, unheard = None, ELECTION_PAUSE_S, True
                    await self._election.resign()
                await asyncio.sleep(pause_s)
        finally:
            self._epoch = None
            await self._election.resign()

    async def elect(self) -> int | None:
        """Begin a term if nobody leads; return its epoch. Raises StoreUnavailable."""
        if not await self._election.win():
            return None

        def work(tx: Transaction) -> tuple[int, dict[str, Head]]:
            # Waits for a transaction of the leader before that is still on its way, and fences every later one.
            epoch = sequence_tables.begin_term(tx, self._replica, self._clock.now_us())
            return epoch, {head.tenant: head for head in tables.heads(tx)}

        self._epoch, heads = await self._database.begin(work)
        self._standing = _Standing(heads)
        self._heard_at_us = self._clock.elapsed_us()
        return self._epoch

    async def step(self) -> int:
        """Place one batch under this term; return how many records were placed. Raises Fenced, StoreUnavailable."""
        epoch, standing = self._epoch, self._standing
        if epoch is None:
            raise Fenced("this replica was not elected")
        today = partition.day_of_us(self._clock.now_us())
        try:
            placed, self._standing = await self._database.begin(lambda tx: _place(tx, epoch, standing, today))
        except _NewDays as new:
            await self._make_days(epoch, new.days)
            return await self.step()
        self._placed += placed
        return placed

    async def _make_days(self, epoch: int, days: frozenset[int]) -> None:
        """Make partitions, or let this term's records of these days go into the DEFAULT one.

        Story: a backup reads every table for an hour, and a partition cannot be attached meanwhile. Records that come
        from a spool of last week do not wait for that, and nobody else's wait for them.
        """
        try:
            for day in sorted(days):
                await self._database.begin(_fenced(epoch, partial(sequence_tables.ensure_days, first=day, last=day)))
        except StoreUnavailable as error:
            _log.warning("partitions of %d days cannot be made now: %s", len(days), error)
        self._standing = replace(self._standing, days=self._standing.days | days)

    async def _turn(self) -> float:
        if self._epoch is None:
            epoch = await self.elect()
            if epoch is None:
                return ELECTION_PAUSE_S
            _log.info("this replica is the sequencer, epoch %d", epoch)
        await self._confirm()
        placed = await self.step()
        await self._do_duties()
        if placed == BATCH:
            return 0
        self._pause_s = BUSY_PAUSE_S if placed else min(2 * self._pause_s, IDLE_PAUSE_S)
        return self._pause_s

    async def _confirm(self) -> None:
        now_us = self._clock.elapsed_us()
        if now_us - self._heard_at_us >= HEARTBEAT_S * 1_000_000:
            if not await self._election.keep():
                raise Fenced("the session that held the lock has ended")
            self._heard_at_us = now_us

    async def _do_duties(self) -> None:
        epoch = self._epoch
        for place, (duty, due_at_us) in enumerate(self._due_at_us):
            now_us = self._clock.elapsed_us()
            if epoch is None or now_us < due_at_us:
                continue
            self._due_at_us[place] = (duty, now_us + int(duty.every_s * 1_000_000))
            try:
                await self._database.begin(_fenced(epoch, duty.work))
            except Fenced:
                raise
            except (CustomhouseError, DuplicateRow) as error:
                _log.warning("%s: %s", duty.name, error)
            except Exception:  # noqa: BLE001 - the supervisor of a duty: what it cannot do stops nobody's records
                _log.exception("%s failed", duty.name)


def _fenced(epoch: int, work: Callable[[Transaction], object]) -> Callable[[Transaction], None]:
    def fenced(tx: Transaction) -> None:
        _require(tx, epoch)
        work(tx)

    return fenced


def _require(tx: Transaction, epoch: int) -> None:
    if not sequence_tables.holds_term(tx, epoch):
        raise Fenced(f"epoch {epoch} is over, another replica was elected")


def _place(tx: Transaction, epoch: int, before: _Standing, today: int) -> tuple[int, _Standing]:
    # Looked at before the fence is locked, so that an idle look writes nothing: only the holder of the newest epoch
    # takes staged records away, and the fence, once locked, says that this has been us since we were elected.
    waiting = sequence_tables.staged(tx, BATCH)
    if not waiting:
        return 0, before
    days = partition.days_of((each.trace_id for each in waiting), today) - before.days
    if days:
        raise _NewDays(days)
    _require(tx, epoch)
    found, moved = places(waiting, before.heads)
    if not sequence_tables.place(tx, found):
        raise Fenced("another sequencer took the same records")
    if not sequence_tables.advance(tx, before.heads, tuple(moved.values())):
        raise Fenced("a log's head is not where this sequencer left it")
    return len(waiting), _Standing({**before.heads, **moved}, before.days)


def places(waiting: Sequence[Staged], heads: dict[str, Head]) -> tuple[list[Place], dict[str, Head]]:
    """Return where each record stands, and the heads of the logs that moved. Pure; cost about 3 µs a record."""
    moved: dict[str, Head] = {}
    found: list[Place] = []
    for each in waiting:
        head = moved.get(each.tenant) or heads.get(each.tenant) or Head(each.tenant, 0, chain.GENESIS)
        leaf_hash = chain.leaf_hash(each.canonical)
        link_hash = chain.link_hash(head.hash, leaf_hash)
        found.append(Place(each.seq, head.size, leaf_hash, link_hash))
        moved[each.tenant] = Head(each.tenant, head.size + 1, link_hash)
    return found, moved
