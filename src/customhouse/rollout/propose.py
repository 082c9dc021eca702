# SPDX-License-Identifier: Apache-2.0
"""Storing a change: what was asked for, by whom, and what a second person would sign off.

Rules kept:
- Asking twice for the same is one change, whoever asks again and for whichever reason: reviewers decide it once.
- When pins move, what waits for that assistant there and was made for other pins is stale at once, and said to be.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from customhouse.domain.digest import digest
from customhouse.domain.plane import Plane
from customhouse.domain.principal import Actor
from customhouse.registry import history_tables
from customhouse.registry.change import MoveProposal, PinnedBefore, Proposal, people_needed, step
from customhouse.registry.control import Control
from customhouse.registry.environment import EnvironmentName
from customhouse.registry.history_tables import Change
from customhouse.registry.pins import Pins
from customhouse.rollout.answer import Waiting
from customhouse.store.database import Transaction

MAX_EFFECTS_IN_EVIDENCE: Final = 8
MAX_EFFECT_CHARACTERS: Final = 120
"""Together they keep the evidence record below its 8 KB, even if each character takes six bytes; the proposal's digest
covers the rest."""
CHANGE_ID_BYTES: Final = 6


@dataclass(frozen=True, slots=True)
class Request:
    """A change as it is asked for."""

    environment: EnvironmentName
    assistant: str
    proposal: Proposal
    reviewers: int
    effects: tuple[str, ...]


def propose(tx: Transaction, control: Control, actor: Actor, trace_id: str, request: Request) -> Waiting:
    """Store a change with its evidence, or return the one that waits for exactly the same; nothing moves."""
    waiting = _waiting(tx, request)
    if waiting is not None:
        reviewers = people_needed(request.reviewers, waiting.requested_by)
        return Waiting(change=waiting.id, environment=request.environment, reviewers=reviewers, effects=request.effects)
    reviewers = people_needed(request.reviewers, actor.name)
    change_id = "chg_" + control.clock.random(CHANGE_ID_BYTES).hex()
    history_tables.insert_change(
        tx,
        change_id,
        request.environment,
        request.assistant,
        request.proposal,
        actor=actor.name,
        now_us=control.clock.now_us(),
    )
    entry = control.ledger.event(
        "change.proposed",
        actor=actor.name,
        trace_id=trace_id,
        assistant=request.assistant,
        detail={
            "change": change_id,
            "environment": request.environment,
            "proposal": digest(msgspec.to_builtins(request.proposal)),
            "reviewers": reviewers,
            "effects": [text[:MAX_EFFECT_CHARACTERS] for text in request.effects[:MAX_EFFECTS_IN_EVIDENCE]],
            "effects_total": len(request.effects),
        },
        references=(change_id,),
    )
    control.ledger.write(tx, [entry])
    return Waiting(change=change_id, environment=request.environment, reviewers=reviewers, effects=request.effects)


def pinned(pins: Pins) -> dict[Plane, PinnedBefore]:
    """Return pins as a proposal keeps them."""
    return {
        plane: PinnedBefore(digest=pin.digest, release_number=pin.release_number) for plane, pin in pins.planes.items()
    }


def made_for(proposal: MoveProposal, pins: Pins | None) -> bool:
    """Whether a proposed move was made for exactly these pins."""
    if pins is None or proposal.before is None:
        return pins is None and proposal.before is None
    return (proposal.base_before, proposal.before) == (pins.base, pinned(pins))


def outdate(
    tx: Transaction, control: Control, actor: Actor, trace_id: str, environment: str, assistant: str, pins: Pins
) -> None:
    """Make stale what waits for this assistant here and was made for other pins than those that are now in force."""
    for change in history_tables.changes_waiting(tx):
        proposal = change.proposal
        if (change.environment, change.assistant) != (environment, assistant):
            continue
        if not isinstance(proposal, MoveProposal) or made_for(proposal, pins):
            continue
        state = step(change.state, "outdate")
        if state is None or not history_tables.move_change(tx, change.id, change.state, state, control.clock.now_us()):
            continue
        detail: dict[str, object] = {
            "change": change.id,
            "environment": environment,
            "requested_by": change.requested_by,
            "state": state,
            "reason": "the pins it was made for have moved",
        }
        entry = control.ledger.event(
            "change.reviewed",
            actor=actor.name,
            trace_id=trace_id,
            assistant=assistant,
            detail=detail,
            references=(change.id,),
        )
        control.ledger.write(tx, [entry])


def _waiting(tx: Transaction, request: Request) -> Change | None:
    """Return the change that waits for the same: equal in everything but the reason."""
    place, wanted = (request.environment, request.assistant), request.proposal
    for change in history_tables.changes_waiting(tx):
        if (change.environment, change.assistant) != place or type(change.proposal) is not type(wanted):
            continue
        if msgspec.structs.replace(change.proposal, reason=wanted.reason) == wanted:
            return change
    return None
