# SPDX-License-Identifier: Apache-2.0
"""Changes as people see them: what is asked for, what it would loosen, who has answered, how many are missing."""

import msgspec

from customhouse.domain.clock import rfc3339
from customhouse.domain.errors import ChangeUnknown
from customhouse.domain.plane import Plane
from customhouse.registry import history_tables, tables
from customhouse.registry.change import ChangeState, LiftProposal, MoveProposal, TermsProposal
from customhouse.registry.charter import Charter
from customhouse.registry.control import Control
from customhouse.registry.history_tables import Change
from customhouse.rollout.review import needed
from customhouse.store.database import Transaction


class ReviewView(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One person's answer."""

    reviewer: str
    verdict: str
    reason: str
    at: str


class ChangeView(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A change. `effects` are all its consequences, one sentence each; `charter` is the one that would be in force."""

    id: str
    state: ChangeState
    kind: str
    assistant: str
    environment: str
    requested_by: str
    requested_at: str
    decided_at: str | None
    summary: str
    reason: str
    release: int | None
    planes: tuple[Plane, ...]
    effects: tuple[str, ...]
    charter: Charter | None
    needed: int
    reviews: tuple[ReviewView, ...]


class Changes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A list of changes."""

    changes: tuple[ChangeView, ...]


async def changes(control: Control, *, everything: bool) -> Changes:
    """Return the changes that wait, oldest first, or (everything) the newest of all."""

    def work(tx: Transaction) -> Changes:
        found = history_tables.changes(tx) if everything else history_tables.changes_waiting(tx)
        return Changes(changes=tuple(_view(tx, change) for change in found))

    return await control.database.read(work)


async def change(control: Control, change_id: str) -> ChangeView:
    """Return one change. Raises ChangeUnknown."""

    def work(tx: Transaction) -> ChangeView:
        found = history_tables.change(tx, change_id)
        if found is None:
            raise ChangeUnknown(f"there is no change {change_id}; `customhouse changes list` shows those that wait")
        return _view(tx, found)

    return await control.database.read(work)


def _view(tx: Transaction, change: Change) -> ChangeView:
    in_force = tables.charter(tx, change.assistant)
    match change.proposal:
        case MoveProposal() as move:
            kind, release, planes = move.kind, move.release_number, move.planes
            effects = tuple(entry.text for entry in move.capabilities)
            verb = "promote" if kind == "promoted" else f"roll {', '.join(planes)} back to"
            summary = f"{verb} {change.assistant}@{release} in {change.environment}"
            charter = None if in_force is None else in_force.charter
        case TermsProposal() as terms:
            kind, release, planes, effects = "terms", None, (), terms.effects
            summary = f"change the terms of {change.assistant}"
            charter = terms.charter or (None if in_force is None else in_force.charter)
        case LiftProposal() as lifting:
            kind, release, planes, effects = "switch", None, (), lifting.effects
            summary = f"lift the switch on {lifting.scope}"
            charter = None if in_force is None else in_force.charter
    return ChangeView(
        id=change.id,
        state=change.state,
        kind=kind,
        assistant=change.assistant,
        environment=change.environment,
        requested_by=change.requested_by,
        requested_at=rfc3339(change.requested_at_us),
        decided_at=None if change.decided_at_us is None else rfc3339(change.decided_at_us),
        summary=summary,
        reason=change.proposal.reason,
        release=release,
        planes=planes,
        effects=effects,
        charter=charter,
        needed=needed(tx, change),
        reviews=tuple(
            ReviewView(reviewer=entry.reviewer, verdict=entry.verdict, reason=entry.reason, at=rfc3339(entry.at_us))
            for entry in history_tables.reviews(tx, change.id)
        ),
    )
