# SPDX-License-Identifier: Apache-2.0
"""A proposed change: a loosening that waits for a second person. Pure; the machine is the table below.

Rules kept (invariant 5):
- Nothing moves before the last signature. What is signed off is what was proposed: if the assistant's pins, or the
  charter, moved since, the change becomes stale and is asked for again.
- Each reviewer counts once; the requester never counts, a local actor never counts.
- One rejection ends it.

Story: Ana (captain) wants `issue_refund` in production, where one reviewer is asked for. Her promotion becomes a
change. Ana cannot approve it. Ola (approver) approves it, and the pins move in the same transaction as her signature.
Had Ben rolled the prompt back in between, Ola's approval would have found the change stale.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from customhouse.domain.capability import Capability
from customhouse.domain.digest import Digest
from customhouse.domain.plane import Plane
from customhouse.registry.charter import Charter
from customhouse.registry.environment import EnvironmentName

ChangeState = Literal["requested", "approved", "rejected", "stale"]
ChangeEvent = Literal["sign", "complete", "reject", "outdate"]
MoveKind = Literal["promoted", "rolled_back"]

MACHINE: Final[Mapping[ChangeState, Mapping[ChangeEvent, ChangeState]]] = MappingProxyType(
    {
        "requested": MappingProxyType(
            {"sign": "requested", "complete": "approved", "reject": "rejected", "outdate": "stale"}
        ),
        "approved": MappingProxyType({}),
        "rejected": MappingProxyType({}),
        "stale": MappingProxyType({}),
    }
)
"""`sign` is one approval of several that are needed, `complete` the last one. The docs' diagram is made from this."""


LOCAL_PREFIX: Final = "local:"
"""How the name of an actor begins who opened the store itself."""


class PinnedBefore(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One pin as it stood when the change was asked for."""

    digest: Digest
    release_number: int


class MoveProposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="pins"):
    """A promotion or rollback that loosens. `before` is None when nothing was in force."""

    kind: MoveKind
    release_number: int
    planes: tuple[Plane, ...]
    reason: str
    base_before: int | None
    before: dict[Plane, PinnedBefore] | None
    capabilities: tuple[Capability, ...]


class TermsProposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="terms"):
    """A wider charter, or other numbers of reviewers. `effects` says what is signed off, one sentence each."""

    charter: Charter | None
    charter_before: int | None
    reviewers: dict[EnvironmentName, int]
    reviewers_before: dict[EnvironmentName, int] = {}
    reason: str
    effects: tuple[str, ...]


class LiftProposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="switch"):
    """The lifting of a switch. `effects` says what is signed off, one sentence each."""

    switch: int
    scope: str
    reason: str
    effects: tuple[str, ...]


Proposal = MoveProposal | TermsProposal | LiftProposal

EVERY_ASSISTANT: Final = "*"
"""Stands where a change concerns no single assistant; no assistant can be called so."""


def step(state: ChangeState, event: ChangeEvent) -> ChangeState | None:
    """Return the next state, or None when the event is impossible in this state."""
    return MACHINE[state].get(event)


def approval(approvals: int, needed: int) -> ChangeEvent:
    """Return which event the newest approval is; one is always needed, even if reviewers were lowered since."""
    return "complete" if approvals >= max(needed, 1) else "sign"


def people_needed(reviewers: int, requested_by: str) -> int:
    """Return how many people must sign a change off: at least one besides whoever asked for it.

    A local actor is nobody in particular. Story: Dana opens the store on the server, asks for a loosening as local:0
    and approves it with her own key. So a local request needs one person more, who stands in for the one who asked.
    """
    return max(reviewers, 1) + int(requested_by.startswith(LOCAL_PREFIX))
