# SPDX-License-Identifier: Apache-2.0
"""A client does not want a held call any more: what it asked for itself waits for nobody any longer.

(1) the held call is the caller's own, and this request goes on from the one in which it was held
(2) nothing has ended it yet: requested or approved becomes revoked, by one compare-and-set, with its evidence

Rule kept: a client's "no" only takes away. What is not its own, not known, or has ended, stays as it is, and the client
is not told which it was: the turn goes on as any other does.

Story: Lee's agent asked for a refund, and Lee presses "never mind". Ola, who looks at her list a minute later, is not
asked any more. Mallory has another key and Lee's approval id; his "no" changes nothing.
"""

from typing import Final

from customhouse.approvals import tables
from customhouse.approvals.approval import Approval
from customhouse.approvals.evidence import decided
from customhouse.dialects.openai_responses.approval import as_asked
from customhouse.domain.errors import LedgerUnavailable, StoreUnavailable
from customhouse.domain.principal import Principal
from customhouse.gateway import stored
from customhouse.gateway.converse import Ask
from customhouse.gateway.evidence import Evidence
from customhouse.gateway.held import body_digest, own
from customhouse.gateway.replay import Desk, TakenError
from customhouse.planes.tools.approval import step
from customhouse.store.database import Transaction

MAX_WITHDRAWN: Final = 32
"""Of one request: as many calls as an answer may propose. What is more waits until it expires."""
REASON: Final = "withdrawn by the client"


async def end_withdrawn(desk: Desk, evidence: Evidence, ask: Ask) -> None:
    """End the held calls that the request withdraws. Raises LedgerUnavailable.

    Cost: nothing for a request that withdraws none; else one query and one transaction for each.
    """
    if not ask.request.withdrawn or desk.ledger.down:
        return
    for approval_id in ask.request.withdrawn[:MAX_WITHDRAWN]:
        while (approval := await _open(desk, evidence.principal, ask, approval_id)) is not None:
            try:
                await _end(desk, evidence, approval)
            except TakenError:  # answered in the same moment: it is looked at once more, and each state has an end
                continue
            break


async def _open(desk: Desk, principal: Principal, ask: Ask, approval_id: str) -> Approval | None:
    """Step (1). Return what is there to be ended."""

    def work(tx: Transaction) -> Approval | None:
        tx.act_for(principal.tenant)
        return tables.find(tx, principal.tenant, approval_id)

    try:
        found = await desk.database.read(work)
    except StoreUnavailable as error:
        raise LedgerUnavailable from error
    if found is None or step(found.state, "revoke") is None or found.overdue(desk.clock.now_us()):
        return None
    same = own(principal, found) and found.assertion == principal.assertion
    return found if same and _goes_on(ask, found) else None


def _goes_on(ask: Ask, approval: Approval) -> bool:
    """Whether the request is the one in which the call was held, and what the client says to its answer."""
    if ask.request.previous is not None:
        return stored.trace_of(ask.request.previous) == approval.trace_id
    before = as_asked(ask.body)
    return before is not None and body_digest(ask.path, before) == approval.body_digest


async def _end(desk: Desk, evidence: Evidence, approval: Approval) -> None:
    """Step (2). Raises TakenError when it was answered or ended in the same moment."""
    entry = decided(
        desk.ledger,
        approval,
        "revoked",
        {"verdict": "withdraw", "reason": REASON, "withdrawn_in": evidence.trace_id},
        actor=approval.key_id,
        trace_id=evidence.trace_id,
    )

    def take(tx: Transaction) -> None:
        tx.act_for(approval.tenant)
        if not tables.move(tx, approval, "revoked", desk.clock.now_us()):
            raise TakenError

    await desk.ledger.append_with([entry], take)
