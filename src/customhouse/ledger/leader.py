# SPDX-License-Identifier: Apache-2.0
"""What the one leader does besides giving records their places: partitions of the days ahead, and retention.

Each duty runs in a transaction of its own, under the fence of the leader's term (sequence.py).
"""

import logging
from typing import Final

from customhouse.domain.clock import Clock
from customhouse.domain.errors import StoreUnavailable
from customhouse.ledger import partition, retention, sequence_tables
from customhouse.ledger.append import Ledger
from customhouse.ledger.sequence import Duty
from customhouse.store.database import Database, Transaction

PARTITIONS_S: Final = 60.0
"""How often the partitions of the days ahead are looked for; they stand ready a week before they are needed."""

_log = logging.getLogger(__name__)


def duties(ledger: Ledger, clock: Clock, keep_days: int) -> tuple[Duty, ...]:
    """Return the ledger's duties. `keep_days` is how many days payloads are kept."""
    calendar = retention.Calendar(clock)
    return (
        Duty("partitions", lambda tx: ensure_days(tx, clock), PARTITIONS_S),
        Duty("retention", lambda tx: retention.drop_days(tx, ledger, calendar, keep_days), retention.EVERY_S),
    )


async def make_days(database: Database, clock: Clock) -> None:
    """Make the partitions before the first turn. While a backup reads every table this cannot be done, and waits.

    They stand ready a week before they are needed, so a server starts all the same; the leader tries again.
    """
    try:
        await database.begin(lambda tx: ensure_days(tx, clock))
    except StoreUnavailable as error:
        _log.warning("partitions cannot be made now: %s", error.detail)


def ensure_days(tx: Transaction, clock: Clock) -> int:
    """Make the partitions from yesterday to a week ahead; return how many were missing. Cost: one query."""
    today = partition.day_of_us(clock.now_us())
    return sequence_tables.ensure_days(tx, today - partition.DAYS_BEHIND, today + partition.DAYS_AHEAD)
