# SPDX-License-Identifier: Apache-2.0
"""Ending what nobody answered or used in time. Whoever looks first writes it down; a clock alone ends it already.

`standing.py` refuses an approval whose time is over before anything here has run: what is written here is evidence and
a state that lists show, and nothing waits for it.
"""

from collections.abc import Sequence
from typing import Final

from customhouse.approvals import tables
from customhouse.approvals.approval import Approval
from customhouse.approvals.evidence import EXPIRY, decided
from customhouse.ledger.append import Ledger
from customhouse.planes.tools.approval import step
from customhouse.store.database import Transaction

BATCH: Final = 100
"""Held calls that expire in one transaction at most: some ms, for which others wait on SQLite."""


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
