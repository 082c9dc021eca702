# SPDX-License-Identifier: Apache-2.0
"""What the sequencer's leader does for replicas that ended without a word: their open calls become `model.unknown`.

Rule kept: a replica whose last word was that its spool holds records is waited for. Outcomes may lie on its disk, which
it drains before it settles; when it is forgotten after KEPT_DAYS, its calls are unknown.

Story: the database's machine is away for five minutes. When it is back, every replica looks dead by its clock. The
leader has itself heard nothing for five minutes, so it begins to watch anew, and within a second they all report.
"""

from typing import Final

from customhouse.domain.clock import Clock
from customhouse.ledger import tables
from customhouse.ledger.append import Ledger
from customhouse.ledger.recover import settle
from customhouse.ledger.sequence import Duty
from customhouse.registry import replica_tables
from customhouse.registry.replica import KEPT_DAYS
from customhouse.store.database import Transaction

DEAD_AFTER_S: Final = 60
"""A replica refuses turns after half of this; a call may last longer, and its late outcome then follows `unknown`."""
EVERY_S: Final = 5
_BLIND_US: Final = 3 * EVERY_S * 1_000_000
"""A leader that was not able to look for this long begins to watch anew."""
_DAY_US: Final = 86_400 * 1_000_000


class Watch:
    """How long this leader has been watching without a break."""

    def __init__(self, clock: Clock) -> None:
        """Begin blind."""
        self._clock = clock
        self._since_us = self._looked_us = clock.elapsed_us()

    def look(self) -> bool:
        """Note a look; return whether this leader has watched long enough to call anybody dead."""
        now_us = self._clock.elapsed_us()
        if now_us - self._looked_us > _BLIND_US:
            self._since_us = now_us
        self._looked_us = now_us
        return now_us - self._since_us >= DEAD_AFTER_S * 1_000_000


def duty(ledger: Ledger, clock: Clock) -> Duty:
    """Return the leader's duty."""
    watch = Watch(clock)
    return Duty("dead replicas", lambda tx: bury(tx, ledger, clock, watched=watch.look()), EVERY_S)


def bury(tx: Transaction, ledger: Ledger, clock: Clock, *, watched: bool) -> int:
    """Settle the open calls of replicas that have stopped, and (if `watched`) of those that are silent; count them."""
    now_us = replica_tables.now_us(tx)
    known = {replica.id: replica for replica in replica_tables.replicas(tx)}
    settled = 0
    for holder in tables.replicas_with_open_calls(tx):
        found = known.get(holder)
        if found is not None and found.state.ledger == "spooling":
            continue  # outcomes may wait on its disk: it drains them when it starts again, and settles the rest itself
        ended = found is not None and found.ended_at_us is not None
        silent = found is None or now_us - found.seen_at_us > DEAD_AFTER_S * 1_000_000
        if ended or (silent and watched):
            settled += settle(tx, ledger, clock, holder)
    if watched:
        replica_tables.forget(tx, now_us - KEPT_DAYS * _DAY_US)
    return settled
