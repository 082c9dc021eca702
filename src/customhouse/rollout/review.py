# SPDX-License-Identifier: Apache-2.0
"""Review: a second person signs a change off, and it takes effect in the same transaction as the last signature.

(1) the change waits, and the reviewer is a second person: not local, not the requester, with a role that may review
(2) the answer is kept; each person answers once; one rejection ends the change
(3) with the last approval that is needed, what is in force is read again: if it moved since, the change becomes stale
(4) otherwise the move is decided anew, by the same rules as any other, and carried out

Rule: the number of approvals needed is read when the last one is given, so that raising it counts for what waits.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

from customhouse.access.roles import allowed
from customhouse.domain.errors import (
    ChangeClosed,
    ChangeStale,
    ChangeUnknown,
    SecondPersonRequired,
    SwitchUnknown,
    VerbRefused,
)
from customhouse.domain.principal import Actor
from customhouse.registry import history_tables, switch_tables, tables
from customhouse.registry.change import (
    ChangeEvent,
    ChangeState,
    LiftProposal,
    MoveProposal,
    TermsProposal,
    approval,
    people_needed,
    step,
)
from customhouse.registry.control import Control
from customhouse.registry.environment import EnvironmentName
from customhouse.registry.history_tables import Change
from customhouse.registry.switches import parse
from customhouse.rollout.answer import Moved
from customhouse.rollout.move import Intent, Signatures, carry_out, decide
from customhouse.rollout.propose import made_for
from customhouse.rollout.submission import Text
from customhouse.rollout.switch import Switched, asked_reviewers, lift
from customhouse.rollout.terms import needed_reviewers, put_charter, set_reviewers
from customhouse.store.database import DuplicateRow, Transaction

Verdict = Literal["approve", "reject"]


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why a change is approved or rejected."""

    reason: Text


class Reviewed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What became of a change. `moved`: pins did; `lifted`: a switch was; `approvals` of `needed` signed it off."""

    change: str
    state: ChangeState
    approvals: int
    needed: int
    moved: Moved | None = None
    lifted: Switched | None = None


@dataclass(frozen=True, slots=True)
class _Sitting:
    """One reviewer in front of one change, inside a transaction."""

    tx: Transaction
    control: Control
    actor: Actor
    trace_id: str
    change: Change
    reason: str


async def review(
    control: Control, actor: Actor, trace_id: str, change_id: str, verdict: Verdict, answer: Answer
) -> Reviewed:
    """Approve or reject a change.

    Raises ChangeUnknown, ChangeClosed, SecondPersonRequired, VerbRefused, ChangeStale (which is kept), and what
    `move.decide` raises (then the review does not count).
    """

    def work(tx: Transaction) -> Reviewed:
        change = history_tables.change(tx, change_id)
        if change is None:
            raise ChangeUnknown(f"there is no change {change_id}; `customhouse changes list` shows those that wait")
        _require_second_person(actor, change)
        return _answer(_Sitting(tx, control, actor, trace_id, change, answer.reason), verdict)

    reviewed = await control.database.transact(work)
    if reviewed.state == "stale":
        raise ChangeStale(
            f"{change_id} is stale: what it was asked for has moved since, nothing was changed; ask again"
        )
    return reviewed


def needed(tx: Transaction, change: Change) -> int:
    """Return how many approvals a change needs, by what is in force now."""
    match change.proposal:
        case MoveProposal():
            reviewers = tables.environment(tx, change.environment).reviewers
        case TermsProposal():
            reviewers = needed_reviewers(tx, change.assistant, change.environment, change.proposal)
        case LiftProposal(scope=scope):
            reviewers = max(asked_reviewers(tx, parse(scope))[1], tables.environment(tx, change.environment).reviewers)
    return people_needed(reviewers, change.requested_by)


def _require_second_person(actor: Actor, change: Change) -> None:
    """Step (1)."""
    if change.state != "requested":
        raise ChangeClosed(f"{change.id} is {change.state} already")
    if actor.kind != "person":
        raise SecondPersonRequired(f"{actor.name} is a local actor and never counts as a second person")
    if actor.name == change.requested_by:
        raise SecondPersonRequired(f"{actor.name} asked for {change.id} and cannot decide it; another person must")
    if not allowed(actor, "change.review"):
        raise VerbRefused(f"no role of {actor.name} may review a change")


def _answer(sitting: _Sitting, verdict: Verdict) -> Reviewed:
    tx, change = sitting.tx, sitting.change
    try:
        history_tables.insert_review(
            tx,
            change.id,
            sitting.actor.name,
            verdict,
            reason=sitting.reason,
            now_us=sitting.control.clock.now_us(),
        )
    except DuplicateRow as error:
        raise ChangeClosed(f"{sitting.actor.name} has answered {change.id} already") from error
    approvers = tuple(entry.reviewer for entry in history_tables.reviews(tx, change.id) if entry.verdict == "approve")
    wanted = needed(tx, change)
    event: ChangeEvent = "reject" if verdict == "reject" else approval(len(approvers), wanted)
    if event == "complete" and _outdated(tx, change):
        event = "outdate"
    state = _enter(sitting, event)
    _record(sitting, verdict, state, len(approvers), wanted)
    effect = _take_effect(sitting, approvers) if state == "approved" else None
    return Reviewed(
        change=change.id,
        state=state,
        approvals=len(approvers),
        needed=wanted,
        moved=effect if isinstance(effect, Moved) else None,
        lifted=effect if isinstance(effect, Switched) else None,
    )


def _enter(sitting: _Sitting, event: ChangeEvent) -> ChangeState:
    change = sitting.change
    state = step(change.state, event)
    if state is None:
        raise ChangeClosed(f"{change.id} is {change.state} already")
    decided_at_us = None if state == "requested" else sitting.control.clock.now_us()
    if not history_tables.move_change(sitting.tx, change.id, change.state, state, decided_at_us):
        raise ChangeClosed(f"{change.id} was decided by someone else at the same time")
    return state


def _outdated(tx: Transaction, change: Change) -> bool:
    """Step (3): whether what the change was asked for has moved."""
    match change.proposal:
        case MoveProposal() as wanted:
            return not made_for(wanted, tables.pins(tx, change.environment, change.assistant))
        case TermsProposal(charter=charter, charter_before=number, reviewers_before=reviewers):
            in_force = tables.charter(tx, change.assistant)
            if charter is not None and (in_force.number if in_force else None) != number:
                return True
            return any(tables.environment(tx, name).reviewers != count for name, count in reviewers.items())
        case LiftProposal(switch=seq):
            return switch_tables.switch(tx, seq) is None or switch_tables.lifted(tx, seq)


def _take_effect(sitting: _Sitting, approvers: tuple[str, ...]) -> Moved | Switched | None:
    """Step (4)."""
    tx, control, actor, change = sitting.tx, sitting.control, sitting.actor, sitting.change
    match change.proposal:
        case MoveProposal() as wanted:
            intent = Intent(
                kind=wanted.kind,
                environment=msgspec.convert(change.environment, EnvironmentName),
                assistant=change.assistant,
                number=wanted.release_number,
                planes=wanted.planes,
                reason=wanted.reason,
            )
            signatures = Signatures(change.requested_by, change.id, approvers)
            return carry_out(tx, control, actor, sitting.trace_id, decide(tx, control, intent), signatures)
        case TermsProposal(charter=charter, reviewers=reviewers):
            if charter is not None:
                put_charter(tx, control, actor, sitting.trace_id, change.assistant, charter)
            set_reviewers(tx, control, actor, sitting.trace_id, reviewers)
            return None
        case LiftProposal(switch=seq, reason=reason):
            switch = switch_tables.switch(tx, seq)
            if switch is None:
                raise SwitchUnknown
            return lift(
                tx,
                control,
                actor,
                sitting.trace_id,
                switch,
                reason,
                switch_tables.generation(tx),
                requested_by=change.requested_by,
                change=change.id,
                reviewers=approvers,
            )


def _record(sitting: _Sitting, verdict: Verdict, state: ChangeState, approvals: int, wanted: int) -> None:
    detail: dict[str, object] = {
        "change": sitting.change.id,
        "environment": sitting.change.environment,
        "requested_by": sitting.change.requested_by,
        "verdict": verdict,
        "state": state,
        "approvals": approvals,
        "needed": wanted,
        "reason": sitting.reason,
    }
    entry = sitting.control.ledger.event(
        "change.reviewed",
        actor=sitting.actor.name,
        trace_id=sitting.trace_id,
        assistant=sitting.change.assistant,
        detail=detail,
        references=(sitting.change.id,),
    )
    sitting.control.ledger.write(sitting.tx, [entry])
