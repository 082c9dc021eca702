# SPDX-License-Identifier: Apache-2.0
"""Storing a change: what was asked for, by whom, and what a second person would sign off."""

from dataclasses import dataclass
from typing import Final

import msgspec

from customhouse.domain.digest import digest
from customhouse.domain.principal import Actor
from customhouse.registry import history_tables
from customhouse.registry.change import Proposal, people_needed
from customhouse.registry.control import Control
from customhouse.registry.environment import EnvironmentName
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
    """Store a change with its evidence; nothing moves."""
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
