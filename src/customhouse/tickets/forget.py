# SPDX-License-Identifier: Apache-2.0
"""Tickets that expired before today are forgotten: that they were redeemed stays in the ledger.

No clock that is wrong takes anything away at once, as with budgets (budget/forget.py): the row of a ticket that has not
expired is what keeps it from being redeemed again.
"""

from typing import Final

from customhouse.ledger import retention, sequence_tables
from customhouse.ledger.partition import DAY_US
from customhouse.ledger.retention import Calendar
from customhouse.ledger.sequence import Duty
from customhouse.store.database import Database, Transaction
from customhouse.tickets import tables

BATCH: Final = 1000
"""Tickets deleted in one transaction at most: some 10 ms, for which others wait on SQLite."""


def duty(calendar: Calendar) -> Duty:
    """Return the leader's duty on PostgreSQL, whose clock has its say too: of the two days the earlier one counts."""

    def work(tx: Transaction) -> int:
        today = calendar.today()
        if today is None:
            return 0
        return tables.forget(tx, min(today * DAY_US, sequence_tables.now_us(tx) // DAY_US * DAY_US), BATCH)

    return Duty("expired tickets", work, retention.EVERY_S)


async def forget_expired(database: Database, calendar: Calendar) -> int:
    """Do so on SQLite, where others write between two batches; return how many. Raises StoreUnavailable."""
    today, total = calendar.today(), 0
    while today is not None:
        deleted = await database.transact(lambda tx: tables.forget(tx, today * DAY_US, BATCH))
        total += deleted
        if deleted < BATCH:
            break
    return total
