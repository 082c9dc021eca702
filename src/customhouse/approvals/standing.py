# SPDX-License-Identifier: Apache-2.0
"""Whether an approval stands now: asked when the held call is to be released, and again as it is.

(1) nothing has ended it, and people have answered
(2) its time is not over, whatever the stored state says
(3) as many people as the rule asks for approved it and still may: not revoked, with the role, in the group by the
    charter in force now

Story: Ola approved a refund at 10:00 and left the company at 10:05; her key is revoked. At 10:07 the client comes back.
Her yes is not one any more, so the call is not released.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, assert_never

from customhouse.access import tables as access
from customhouse.approvals import tables
from customhouse.approvals.approval import Approval
from customhouse.approvals.eligible import Objection, objection
from customhouse.domain.errors import (
    ApprovalDenied,
    ApprovalExpired,
    ApprovalPending,
    ApprovalRevoked,
    CustomhouseError,
)
from customhouse.domain.principal import Actor
from customhouse.registry import tables as registry
from customhouse.registry.charter import Charter
from customhouse.store.database import Transaction

Refusal = Literal["approval.pending", "approval.denied", "approval.expired", "approval.revoked"]

ERRORS: Final[Mapping[Refusal, type[CustomhouseError]]] = MappingProxyType(
    {
        "approval.pending": ApprovalPending,
        "approval.denied": ApprovalDenied,
        "approval.expired": ApprovalExpired,
        "approval.revoked": ApprovalRevoked,
    }
)
"""The error of each refusal, as a client of the data plane gets it."""


def refusal(tx: Transaction, approval: Approval, now_us: int) -> Refusal | None:
    """Return why the held call is not released, or None when it may be, or was already (`state` consumed).

    `approval` was read in this transaction, which acts for its tenant. Cost: three queries, and one for each approver.
    """
    match approval.state:
        case "denied":
            return "approval.denied"
        case "revoked":
            return "approval.revoked"
        case "expired":
            return "approval.expired"
        case "requested":
            return "approval.expired" if approval.overdue(now_us) else "approval.pending"
        case "consumed":
            return "approval.expired" if now_us >= approval.expires_at_us else None
        case "approved":
            if approval.overdue(now_us):
                return "approval.expired"
            return None if len(approvers(tx, approval)) >= max(approval.quorum, 1) else "approval.revoked"
        case _ as unreachable:
            assert_never(unreachable)


def approvers(tx: Transaction, approval: Approval) -> tuple[str, ...]:
    """Return who approved and may still do so, each once, in order. The transaction acts for the approval's tenant."""
    charter = charter_of(tx, approval)
    said_yes = [answer.approver for answer in tables.answers(tx, approval) if answer.verdict == "approve"]
    return tuple(name for name in dict.fromkeys(said_yes) if objection_to(tx, approval, name, charter) is None)


def objection_to(tx: Transaction, approval: Approval, name: str, charter: Charter | None) -> Objection | None:
    """Return why the person of this address may not answer, or None; roles are those of this moment. One query."""
    person = access.person(tx, name)
    if person is None or person.revoked_at_us is not None:
        return "approver.revoked"
    return objection(approval, Actor(person.email, "person", frozenset(person.roles)), charter)


def charter_of(tx: Transaction, approval: Approval) -> Charter | None:
    """Return the charter in force of the assistant that asked. One query."""
    charted = registry.charter(tx, approval.assistant)
    return None if charted is None else charted.charter
