# SPDX-License-Identifier: Apache-2.0
"""A serving process says that it lives and what it has in force: at once when that changes, else every second.

Rules kept:
- Who is about to read what is in force says so first. Whatever moves after that waits for it, and what moved before is
  read: there is no moment in which a replica answers and nobody knows of it.
- Reports never hold anything up: one is on its way at most, and what changed meanwhile goes right after it.
- The word that a replica ends is its last one.

Story: gateway-4 starts and reads the pins; Ola rolls back with --wait in that second. Without the first rule she would
read that all three replicas have it, while gateway-4 answers its first turns from what she has just taken away.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from customhouse.domain.clock import Clock
from customhouse.domain.errors import CustomhouseError
from customhouse.registry import replica_tables
from customhouse.registry.replica import State
from customhouse.store.database import Transaction

SHARED_INTERVAL_S: Final = 1.0
"""Beside other replicas: those who wait for everybody read a name that is a second old at most."""
ALONE_INTERVAL_S: Final = 5.0
"""On SQLite, where each report is an fsync and nobody else is there."""

_log = logging.getLogger(__name__)


class Reports(Protocol):
    """Where reports are written: a database."""

    def begin(self, work: Callable[[Transaction], None]) -> "asyncio.Future[None]":
        """Queue a work and return at once."""
        ...


class Presence:
    """One replica's reports."""

    def __init__(
        self,
        database: Reports,
        clock: Clock,
        *,
        replica: str,
        name: str,
        version: str,
        shared: bool,
        state: Callable[[], State],
    ) -> None:
        """`state` says what the replica is like when a report is written."""
        self._database = database
        self._clock = clock
        self._replica = replica
        self._name = name
        self._version = version
        self._started_at_us = clock.now_us()
        self._interval_us = int((SHARED_INTERVAL_S if shared else ALONE_INTERVAL_S) * 1_000_000)
        self._state = state
        self._wanted: Mapping[str, int] = {}
        self._reported: Mapping[str, int] = {}
        self._reported_at_us: int | None = None
        self._running: asyncio.Future[None] | None = None

    async def begin(self) -> None:
        """Say that this replica is about to answer, with nothing in force yet. Raises StoreUnavailable."""
        await self._database.begin(lambda tx: self._write(tx, {}))

    def report(self, generations: Mapping[str, int]) -> None:
        """Report what is in force, if that is new or a report is due; return at once."""
        self._wanted = generations
        now_us = self._clock.elapsed_us()
        due = self._reported_at_us is None or now_us - self._reported_at_us >= self._interval_us
        if self._running is not None or (not due and generations == self._reported):
            return
        self._reported_at_us = now_us
        fresh = {name: number for name, number in generations.items() if self._reported.get(name) != number}
        running = self._running = self._database.begin(lambda tx: self._write(tx, fresh))
        running.add_done_callback(lambda ended: self._ended(ended, generations))

    async def end(self) -> None:
        """Say that this replica stops; where the database does not answer, its silence says so later."""
        while self._running is not None:  # a report that is written after this would bring the replica back to life
            await asyncio.wait([self._running])
        try:
            await self._database.begin(lambda tx: replica_tables.end(tx, self._replica, self._state()))
        except CustomhouseError as error:
            _log.warning("the end of this replica could not be reported: %s", error.detail)

    def _write(self, tx: Transaction, generations: Mapping[str, int]) -> None:
        replica_tables.put(tx, self._replica, self._name, self._version, self._started_at_us, self._state())
        replica_tables.acknowledge(tx, self._replica, generations)

    def _ended(self, ended: "asyncio.Future[None]", generations: Mapping[str, int]) -> None:
        self._running = None
        if ended.cancelled() or ended.exception() is not None:
            self._reported = {}  # everything again: nobody knows what was written
            return
        self._reported = dict(generations)
        self.report(self._wanted)
