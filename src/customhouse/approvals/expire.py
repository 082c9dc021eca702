# SPDX-License-Identifier: Apache-2.0
"""Ending what nobody answered or used in time. Whoever looks first writes it down; a clock alone ends it already.

`standing.py` refuses an approval whose time is over before anything here has run: what is written here is evidence, and
nothing waits for it. The leader goes by the earlier of its clock and the database's, so that one that is ahead ends
nothing early for all.
"""

from collections.abc import Sequence
from typing import Final

from customhouse.approvals import tables
from customhouse.approvals.approval import Approval
from customhouse.approvals.evidence import EXPIRY, decided
from customhouse.domain.clock import Clock
from customhouse.ledger import sequence_tables
from customhouse.ledger.append import Ledger
from customhouse.ledger.sequence import Duty
from customhouse.planes.tools.approval import step
from customhouse.store.database import Database, Transaction

BATCH: Final = 100
"""Held calls that expire in one transaction at most: some ms, for which others wait on SQLite."""
EVERY_S: Final = 5.0
"""How often the leader on PostgreSQL looks: one look at an index that holds nothing but what is open."""


def expire(tx: Transaction, ledger: Ledger, approval: Approval, now_us: int) -> bool:
    """Write down that an approval's time is over, with its evidence; return whether it was this call that did.

    The transaction acts for its tenant from here on. Nothing happens to one that is not overdue.
    """
    state = step(approval.state, "expire")
    if state is None or not approval.overdue(now_us):
        return False
    tx.act_for(approval.tenant)
    if not tables.move(tx, approval, state, now_us):
        return False
    ledger.write(tx, [decided(ledger, approval, state, {"before": approval.state}, actor=EXPIRY)])
    return True


def expire_overdue(tx: Transaction, ledger: Ledger, now_us: int) -> int:
    """Do so for every tenant's, `BATCH` at most; return how many were looked at."""
    found: Sequence[Approval] = tables.overdue(tx, now_us, BATCH)
    for approval in found:
        expire(tx, ledger, approval, now_us)
    return len(found)


def duty(ledger: Ledger, clock: Clock) -> Duty:
    """Return the leader's duty on PostgreSQL."""

    def work(tx: Transaction) -> int:
        return expire_overdue(tx, ledger, min(clock.now_us(), sequence_tables.now_us(tx)))

    return Duty("held calls whose time is over", work, EVERY_S)


async def expire_ended(database: Database, ledger: Ledger, clock: Clock) -> int:
    """Do so on SQLite, where others write between two batches; return how many. Raises StoreUnavailable."""
    total = 0
    while True:
        found = await database.transact(lambda tx: expire_overdue(tx, ledger, clock.now_us()))
        total += found
        if found < BATCH:
            return total
