# SPDX-License-Identifier: Apache-2.0
"""Windows that ended before today are forgotten: what they counted stays in the ledger, in each answer's usage.

No clock that is wrong takes anything away at once, as with payloads (ledger/retention.py): the row of a window that has
not ended yet is what keeps its limit.
"""

from typing import Final

from customhouse.budget import tables
from customhouse.ledger import retention, sequence_tables
from customhouse.ledger.partition import DAY_US
from customhouse.ledger.retention import Calendar
from customhouse.ledger.sequence import Duty
from customhouse.store.database import Database, Transaction

BATCH: Final = 1000
"""Windows deleted in one transaction at most: some 10 ms, for which others wait on SQLite."""


def duty(calendar: Calendar) -> Duty:
    """Return the leader's duty on PostgreSQL, whose clock has its say too: of the two days the earlier one counts."""

    def work(tx: Transaction) -> int:
        today = calendar.today()
        if today is None:
            return 0
        return tables.forget(tx, min(today * DAY_US, sequence_tables.now_us(tx) // DAY_US * DAY_US), BATCH)

    return Duty("ended windows of budgets", work, retention.EVERY_S)


async def forget_ended(database: Database, calendar: Calendar) -> int:
    """Do so on SQLite, where others write between two batches; return how many. Raises StoreUnavailable."""
    today, total = calendar.today(), 0
    while today is not None:
        deleted = await database.transact(lambda tx: tables.forget(tx, today * DAY_US, BATCH))
        total += deleted
        if deleted < BATCH:
            break
    return total
