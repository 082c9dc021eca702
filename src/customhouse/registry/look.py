# SPDX-License-Identifier: Apache-2.0
"""One look at the database, for readiness and metrics: whether it answers, what waits, who runs, what is newest.

Whoever looks while another look is under way gets its answer: however many ask, the database is asked once at a time.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from customhouse.domain.clock import Clock
from customhouse.domain.errors import StoreUnavailable
from customhouse.ledger import partition, sequence_tables
from customhouse.ledger.sequence_tables import Backlog
from customhouse.registry import replica_tables
from customhouse.registry.replica import live
from customhouse.store.database import Database, Transaction

TIMEOUT_S: Final = 2.0
"""How long a look may take: a probe's usual deadline is a few seconds."""


Problem = Literal["slow", "unavailable", "not asked"]
"""`not asked` is before the first look; readiness always looks."""


class Look(NamedTuple):
    """What was seen. `problem` is None when the database answered; what then is None is not known.

    `newest` are the generations of each environment, `switches` and `access`.
    """

    problem: Problem | None = None
    replicas: int | None = None
    newest: Mapping[str, int] | None = None
    waiting: int | None = None
    oldest_s: float | None = None


@dataclass(slots=True)
class Looker:
    """Looks. `down` says that the database is known not to answer; then it is not asked once more.

    `turns` is the database as turns write to it, `sequencer` in the role that sees what is staged, or None where
    nothing is.
    """

    turns: Database
    control: Database
    sequencer: Database | None
    clock: Clock
    down: Callable[[], bool]
    _running: "asyncio.Future[Look] | None" = field(default=None)

    async def look(self) -> Look:
        """Return what is to be seen. Cost: an empty transaction and four small queries."""
        if self._running is None:
            self._running = asyncio.ensure_future(self._look())
            self._running.add_done_callback(self._ended)
        # Shielded: who no longer waits takes nothing away from the others.
        return await asyncio.shield(self._running)

    def _ended(self, ended: "asyncio.Future[Look]") -> None:
        del ended
        self._running = None

    async def _look(self) -> Look:
        if self.down():
            return Look("unavailable")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self.turns.begin(_nothing)  # a database that only reads answers no turn
                replicas, newest = await self.control.read(_who)
                backlog = Backlog(0, None)
                if self.sequencer is not None:
                    backlog = await self.sequencer.read(sequence_tables.backlog)
        except TimeoutError:
            return Look("slow")
        except StoreUnavailable:
            return Look("unavailable")
        began_us = None if backlog.oldest is None else partition.time_of_id_us(backlog.oldest)
        oldest_s = 0.0 if began_us is None else max(0, self.clock.now_us() - began_us) / 1_000_000
        return Look(None, replicas, newest, backlog.records, oldest_s)


def _nothing(tx: Transaction) -> None:
    del tx


def _who(tx: Transaction) -> tuple[int, Mapping[str, int]]:
    now_us = replica_tables.now_us(tx)
    running = sum(live(replica, now_us) for replica in replica_tables.replicas(tx))
    return running, replica_tables.generations(tx)
