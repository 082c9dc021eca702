# SPDX-License-Identifier: Apache-2.0
"""What happens to evidence while the database does not take it: refused, spooled or counted, as the turn's mode says.

Rules kept: `closed` raises. `spool` returns when the entry is fsynced here. `open` returns when the gap is marked here,
and only for turns that offered no write or irreversible tool (the turn asks for `closed` otherwise). While entries wait
in the spool, further ones of that mode go behind them, so that a trace keeps its order. Whatever fails here refuses.

Story: the database's disk fills up during Lee's turn. His assistant's mode is `spool`: the record of the model's answer
goes to the local spool, Lee gets his answer, and the record joins the ledger ten minutes later with `late: true`. Mia's
assistant is `closed`: her turn is refused at once, and the ledger says later how many were.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from customhouse.domain.clock import Clock
from customhouse.domain.errors import CustomhouseError, LedgerUnavailable
from customhouse.domain.failure_mode import FailureMode
from customhouse.ledger import gap, record, segment
from customhouse.ledger.entry import Entry, Leaf
from customhouse.ledger.gap import Tally
from customhouse.ledger.mark import Gap
from customhouse.ledger.spool import Spool
from customhouse.ledger.state import LedgerState, Status
from customhouse.store.disk import Disk
from customhouse.store.journal import Journal, unavailable
from customhouse.vault.derive import subkey
from customhouse.vault.keyring import key_file

FAILED: Final = "ledger.unavailable"
SLOW: Final = "ledger.slow"
"""Reasons of an outage: the database refused, or did not answer in time."""


def open_standby(
    directory: Path, root_key: bytes, clock: Clock, *, disk: Disk, max_bytes: int, max_age_s: float, timeout_s: float
) -> "Standby":
    """Return the standby of a home whose spool is `directory`; its key is the home's own. Raises StoreUnavailable."""
    identity = key_file(directory / "identity", clock.random(16).hex().encode() + b"\n", hex_bytes=16)
    key = subkey(root_key, b"customhouse spool v1", salt=identity)
    return Standby(Spool(directory, key, disk, clock, max_bytes), clock, max_age_s=max_age_s, timeout_s=timeout_s)


class Standby:
    """Stands in for the database, one for each server. Lives in the event loop; files are the journal's."""

    def __init__(self, spool: Spool, clock: Clock, *, max_age_s: float, timeout_s: float) -> None:
        """`max_age_s` bounds the oldest entry of the spool, `timeout_s` how long an append may wait for anything."""
        self.spool: Final = spool
        self.journal: Final = Journal(spool.commit)
        self.clock: Final = clock
        self.timeout_s: Final = timeout_s
        self.work: Final = asyncio.Event()
        self.unsettled: Final[set[str]] = set()
        # While the last entries join the ledger appends wait for a moment: under load the spool would never be empty.
        self.held = False
        self._max_age_us = int(max_age_s * 1_000_000)
        self._down: str | None = None
        self._since_us: int | None = None
        self._pending = 0
        self._outage: Gap | None = None
        self._refused = 0
        self._tally: Tally | None = None
        self._declaring: Undeclared | None = None
        self._skipped_calls: set[str] = set()
        self._declared = 0

    @property
    def down(self) -> bool:
        """Whether the database takes no evidence now."""
        return self._down is not None

    @property
    def backlog(self) -> int:
        """Return how many entries and appends wait here."""
        return self.spool.entries + self._pending

    @property
    def done(self) -> bool:
        """Whether there is nothing to catch up with."""
        return not (self.down or self.backlog or self.spool.gaps or self._tally or self._outage or self._declaring)

    @property
    def state(self) -> LedgerState:
        """Return one look at how the ledger is doing. Cost: about 1 µs."""
        spool, tally, declaring = self.spool, self._tally, self._declaring
        skipped = (tally.total if tally else 0) + (declaring.skipped if declaring else 0)
        status: Status = "ok"
        if self.backlog:
            status = "spooling"
        elif skipped:
            status = "open"
        elif self.down:
            status = "refusing"
        return LedgerState(
            status=status,
            down=self.down,
            since_us=None if status == "ok" else self._since_us,
            reason=self._down,
            refused=self._refused + (declaring.refused if declaring else 0),
            skipped=skipped,
            spool_entries=spool.entries,
            spool_bytes=spool.size_bytes,
            spool_oldest_us=spool.oldest_us if spool.entries else None,
            gaps=len(spool.gaps),
            declared=self._declared,
            rejected=spool.rejected,
        )

    def diverts(self, mode: FailureMode) -> bool:
        """Whether an append goes here without asking the database: it is down, or entries of the mode wait here."""
        return self.down or (mode == "spool" and self.backlog > 0 and not self.held)

    def fail(self, reason: str) -> None:
        """Note that the database failed: until it answers again nobody waits for it."""
        if not self.down:
            self._down = reason
            self._since_us = self._since_us or self.clock.now_us()
            self.work.set()

    def answered(self) -> None:
        """Note that the database took evidence again."""
        self._down = None
        if self.state.status == "ok":
            self._since_us = None

    async def close(self) -> None:
        """Finish what was handed over, and close the files."""
        await self.journal.run(self.spool.close)
        await self.journal.stop()

    def take(self, leaves: Sequence[Leaf], mode: FailureMode, cause: BaseException | None) -> "asyncio.Future[None]":
        """Do with an append what its mode says; the future ends when the turn may go on, or with LedgerUnavailable.

        Whatever the mode, what is refused is counted, and declared later.
        """
        match mode:
            case "spool":
                taken = self._keep(leaves)
            case "open":
                taken = self._skip(leaves, cause)
            case "closed":
                taken = _refused(cause)
        taken.add_done_callback(self._ended)
        return taken

    def _ended(self, taken: "asyncio.Future[None]") -> None:
        if taken.cancelled() or taken.exception() is not None:
            self._outage = self._outage or gap.begun(self.clock, self._down or FAILED).gap()
            self._refused += 1
            self.work.set()

    def _keep(self, leaves: Sequence[Leaf]) -> "asyncio.Future[None]":
        now_us = self.clock.now_us()
        if self.spool.entries and now_us - self.spool.oldest_us > self._max_age_us:
            return _refused(None, "the oldest entry of the local spool is older than spool_max_age_s")
        try:
            bodies = [_late(leaf, now_us) for leaf in leaves]
        except ValueError as error:
            return _refused(error)
        self._pending += 1
        self.work.set()
        kept = self.journal.append(bodies)
        kept.add_done_callback(lambda _: self._kept())
        return self._within(kept)

    def _kept(self) -> None:
        self._pending -= 1

    def _skip(self, leaves: Sequence[Leaf], cause: BaseException | None) -> "asyncio.Future[None]":
        tally = self._tally = self._tally or gap.begun(self.clock, self._down or FAILED)
        self._follow_calls(leaves, attempted=cause is not None)
        self.work.set()
        if tally.add(leaves, self.clock):
            noted = tally.gap()
            noting = self.journal.submit(lambda: self.spool.note(noted))
            noting.add_done_callback(lambda ended: self._noted(tally, noted, leaves, ended))
            return self._within(noting)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def _noted(self, tally: Tally, noted: Gap, leaves: Sequence[Leaf], ended: "asyncio.Future[None]") -> None:
        if ended.cancelled() or ended.exception() is not None:
            tally.take_back(leaves)
        else:
            tally.noted.update(noted.tenants)

    def _follow_calls(self, leaves: Sequence[Leaf], *, attempted: bool) -> None:
        """Remember calls that are open in the database and whose outcome is skipped: they are settled as unknown.

        So are those that may be open there, because an append that was attempted may have landed after all.
        """
        for leaf in leaves:
            entry = leaf.entry
            if entry.opens and entry.record.span_id is not None:
                if not attempted:
                    self._skipped_calls.add(entry.record.span_id)
            elif entry.closes in self._skipped_calls:
                self._skipped_calls.discard(entry.closes)
            elif entry.closes is not None:
                self.unsettled.add(entry.closes)

    def _within(self, work: "asyncio.Future[None]") -> "asyncio.Future[None]":
        """Return a future that ends with `work`, or with a refusal when that takes longer than an append may."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(self.timeout_s, lambda: _settle(answer, TimeoutError(SLOW)))

        def ended(ran: "asyncio.Future[None]") -> None:
            timer.cancel()
            _settle(answer, asyncio.CancelledError() if ran.cancelled() else ran.exception())

        work.add_done_callback(ended)
        return answer

    def undeclared(self) -> "Undeclared | None":
        """Return what has to be declared, fixed until `declared`: what happens meanwhile begins a gap of its own.

        So a declaration that is tried again, because nobody knows whether it was committed, says the same each time.
        """
        if self._declaring is None:
            current = self._tally.gap() if self._tally else None
            others = tuple(other for other in self.spool.gaps if current is None or other.id != current.id)
            if current is None and not others and self._outage is None:
                return None
            self._declaring = Undeclared(current, others, self._outage, self._refused, self.clock.now_us())
            self._tally, self._outage, self._refused = None, None, 0
        return self._declaring

    def declared(self) -> None:
        """Note that the declaration is durable, in the ledger."""
        self._declared += len(self._declaring.entries()) if self._declaring else 0
        self._declaring = None


class Undeclared(msgspec.Struct, frozen=True, array_like=True):
    """What waits to be declared: the gap that is open, gaps of an earlier process or of the spool, and refusals."""

    current: Gap | None
    others: tuple[Gap, ...]
    outage: Gap | None
    refused: int
    until_us: int

    @property
    def skipped(self) -> int:
        """Return how many records the gap of this process misses."""
        return sum(skipped.count for skipped in self.current.tenants.values()) if self.current else 0

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Return the gaps that the mark on disk may hold."""
        return self.others if self.current is None else (*self.others, self.current)

    def entries(self) -> tuple[Entry, ...]:
        """Return the records to write."""
        found = [] if self.current is None else [*gap.declaration(self.current, self.until_us, exact=True)]
        for other in self.others:
            # What an earlier process counted ends with its last note; what the spool lost is counted by its chain.
            found += gap.declaration(other, self.until_us, exact=other.reason in {"spool.altered", "spool.missing"})
        if self.outage is not None:
            found.append(gap.refusals(self.outage, self.until_us, self.refused))
        return tuple(found)


def _late(leaf: Leaf, now_us: int) -> bytes:
    """Return a frame's body with the record marked as late. Raises ValueError."""
    late = msgspec.structs.replace(leaf.entry.record, late=True)
    return segment.pack(leaf.entry, record.encode(late), now_us)


def _refused(cause: BaseException | None, detail: str | None = None) -> "asyncio.Future[None]":
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    refusal = LedgerUnavailable(detail)
    refusal.__cause__ = cause
    answer.set_exception(refusal)
    return answer


def _settle(answer: "asyncio.Future[None]", cause: BaseException | None) -> None:
    if answer.done():
        return
    if cause is None:
        answer.set_result(None)
        return
    known = cause if isinstance(cause, CustomhouseError) else unavailable(cause)
    refusal = LedgerUnavailable(f"evidence cannot be kept: {known.detail}")
    refusal.__cause__ = cause
    answer.set_exception(refusal)
