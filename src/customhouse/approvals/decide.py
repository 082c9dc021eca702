# SPDX-License-Identifier: Apache-2.0
"""A person's answer to a held call: yes, no, or a yes taken back. One transaction each, with its evidence.

(1) the held call is there
(2) the person may answer it, by the roles and the charter of this moment (eligible.py)
(3) its time is not over; if it is, that is written down, and no answer counts
(4) it waits for answers, and the person has given none; one no ends it; with the yes that makes the quorum, of people
    who still may, it is approved

Rule: what a yes is good for is decided once more when the call is released (standing.py). A no and a yes taken back
are at once and for ever.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from customhouse.approvals import standing, tables
from customhouse.approvals.approval import Answer, Approval, Verdict
from customhouse.approvals.eligible import Objection
from customhouse.approvals.evidence import decided
from customhouse.approvals.expire import expire
from customhouse.domain.decision import REASONS
from customhouse.domain.errors import (
    ApprovalClosed,
    ApprovalExpired,
    NotAnApprover,
    SecondPersonRequired,
    VerbRefused,
)
from customhouse.domain.principal import Actor
from customhouse.planes.tools.approval import ApprovalEvent, ApprovalState, signed, step
from customhouse.registry.control import Control
from customhouse.store.database import DuplicateRow, Transaction

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
"""Why somebody answered so. It is kept as evidence, readable by whoever may read traces: no place for arguments."""

_ERRORS: Final = {
    "approver.local_actor": SecondPersonRequired,
    "approver.requester": SecondPersonRequired,
    "approver.role": VerbRefused,
    "approver.not_named": NotAnApprover,
    "approver.revoked": NotAnApprover,
}


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why somebody answers so."""

    reason: Reason


class Answered(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What became of a held call: `approvals` of `quorum` people who may have said yes."""

    approval: str
    state: ApprovalState
    approvals: int
    quorum: int


@dataclass(frozen=True, slots=True)
class _Sitting:
    """One person in front of one held call, inside a transaction that acts for its tenant."""

    tx: Transaction
    control: Control
    actor: Actor
    trace_id: str
    approval: Approval
    now_us: int


async def decide(
    control: Control, actor: Actor, approval_id: str, verdict: Verdict, reason: str, *, trace_id: str
) -> Answered:
    """Say yes or no. `trace_id` is that of the person's request.

    Raises ApprovalUnknown, SecondPersonRequired, VerbRefused, NotAnApprover, ApprovalClosed, and ApprovalExpired (which
    is kept).
    """

    def work(tx: Transaction) -> Answered | None:
        sitting = _sit(tx, control, actor, trace_id, approval_id)
        _require_approver(sitting)
        return None if _over(sitting) else _answer(sitting, verdict, reason)

    return _in_time(await control.database.transact(work), approval_id)


async def revoke(control: Control, actor: Actor, approval_id: str, reason: str, *, trace_id: str) -> Answered:
    """Take an own yes back before the call is released; that ends the approval, whoever else said yes.

    Raises ApprovalUnknown, NotAnApprover for whoever did not say yes, ApprovalClosed, and ApprovalExpired (kept).
    """

    def work(tx: Transaction) -> Answered | None:
        sitting = _sit(tx, control, actor, trace_id, approval_id)
        mine = [answer for answer in tables.answers(tx, sitting.approval) if answer.approver == actor.name]
        if actor.kind != "person" or not any(answer.verdict == "approve" for answer in mine):
            raise NotAnApprover(f"{actor.name} has not approved {approval_id} and can take nothing back")
        return None if _over(sitting) else _enter(sitting, "revoke", "revoke", reason)

    return _in_time(await control.database.transact(work), approval_id)


def _sit(tx: Transaction, control: Control, actor: Actor, trace_id: str, approval_id: str) -> _Sitting:
    """Step (1)."""
    approval = tables.known(tx, approval_id)
    tx.act_for(approval.tenant)
    return _Sitting(tx, control, actor, trace_id, approval, control.clock.now_us())


def _require_approver(sitting: _Sitting) -> None:
    """Step (2)."""
    tx, actor, approval = sitting.tx, sitting.actor, sitting.approval
    found: Objection | None = "approver.local_actor"
    if actor.kind == "person":
        found = standing.objection_to(tx, approval, actor.name, standing.charter_of(tx, approval))
    if found is not None:
        raise _ERRORS[found](f"{actor.name} cannot answer {approval.id}: {REASONS[found]}")


def _over(sitting: _Sitting) -> bool:
    """Step (3): whether its time is over, written down."""
    expire(sitting.tx, sitting.control.ledger, sitting.approval, sitting.now_us)
    return sitting.approval.state == "expired" or sitting.approval.overdue(sitting.now_us)


def _answer(sitting: _Sitting, verdict: Verdict, reason: str) -> Answered:
    """Step (4)."""
    tx, approval = sitting.tx, sitting.approval
    if approval.state != "requested":
        raise ApprovalClosed(f"{approval.id} is {approval.state} already")
    try:
        tables.insert_answer(tx, approval, Answer(sitting.actor.name, verdict, reason, sitting.now_us))
    except DuplicateRow as error:
        raise ApprovalClosed(f"{sitting.actor.name} has answered {approval.id} already") from error
    approvals = len(standing.approvers(tx, approval))
    event = "deny" if verdict == "deny" else signed(approvals, approval.quorum)
    return _enter(sitting, event, verdict, reason)


def _enter(sitting: _Sitting, event: ApprovalEvent, verdict: str, reason: str) -> Answered:
    tx, control, approval = sitting.tx, sitting.control, sitting.approval
    state = step(approval.state, event)
    if state is None:
        raise ApprovalClosed(f"{approval.id} is {approval.state} already")
    if not tables.move(tx, approval, state, None if state == "requested" else sitting.now_us):
        raise ApprovalClosed(f"{approval.id} was ended by someone else at the same time")
    approvals = len(standing.approvers(tx, approval))
    detail: dict[str, object] = {
        "verdict": verdict,
        "reason": reason,
        "approvals": approvals,
        "quorum": approval.quorum,
    }
    entry = decided(control.ledger, approval, state, detail, actor=sitting.actor.name, trace_id=sitting.trace_id)
    control.ledger.write(tx, [entry])
    return Answered(approval=approval.id, state=state, approvals=approvals, quorum=approval.quorum)


def _in_time(answered: Answered | None, approval_id: str) -> Answered:
    if answered is None:
        raise ApprovalExpired(f"the time of {approval_id} is over; ask again, which makes another one")
    return answered
