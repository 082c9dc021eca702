# SPDX-License-Identifier: Apache-2.0
"""A held call is released once: the one compare-and-set, for the transaction that keeps the finished answer.

Story: a client repeats its request on two replicas at the same instant. Both find the call approved. Both try to take
it; one waits for the other's transaction, and then finds it taken. One call goes out.
"""

from customhouse.approvals import standing, tables
from customhouse.approvals.approval import Approval
from customhouse.planes.tools.approval import step
from customhouse.store.database import Transaction


def consume(tx: Transaction, approval: Approval, now_us: int) -> bool:
    """Take an approved call; return whether it is ours to release. The transaction acts for its tenant.

    False when another transaction took it or ended it, and when it does not stand (any more): whether it does is asked
    here once more, so that nobody can forget to. The caller, told False, releases nothing. Cost: as `standing.refusal`.
    """
    state = step(approval.state, "consume")
    if state is None or standing.refusal(tx, approval, now_us) is not None:
        return False
    return tables.move(tx, approval, state, approval.decided_at_us)
