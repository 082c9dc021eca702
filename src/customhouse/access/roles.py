# SPDX-License-Identifier: Apache-2.0
"""Roles x verbs: the one table that says what a person may do. Deny by default: what is not listed is refused.

Rules:
- Separation of duties: an admin gives people their roles and cannot release; releasing and reviewing are two roles.
- Tightening never waits: on-call may roll back, revoke keys and throw switches, and cannot promote, lift a hold or
  create a key. Lifting a switch is a loosening: the verb below lets people ask, a second person signs it off.
- A local actor (someone with the store's files in hand) may do everything except review changes and answer held calls,
  because nobody can tell whether he is a second person.
- A role says which verb; the verb itself still asks about the case (whose assistant it is, who asked for the change).

Example: Dana (captain, approver) owns the support assistant and releases it. In production her release that lets the
model call one more tool waits for a second person. Ola (approver) may approve it. Dana may not: her role would allow
the verb, and the verb refuses her own request.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, get_args

from customhouse.domain.principal import Actor

Role = Literal["admin", "captain", "approver", "oncall", "auditor"]
Verb = Literal[
    "release.publish",
    "pins.promote",
    "pins.rollback",
    "hold.lift",
    "switch.set",
    "switch.lift",
    "change.review",
    "change.read",
    "status.read",
    "history.read",
    "documents.read",
    "people.manage",
    "people.read",
    "keys.create",
    "keys.revoke",
    "keys.read",
    "trace.read",
    "trace.payloads",
    "audit.read",
    "approval.read",
    "approval.arguments",
    "approval.decide",
]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
VERBS: Final[tuple[Verb, ...]] = get_args(Verb)


def _verbs(*verbs: Verb) -> frozenset[Verb]:
    """Return what everybody may read, and `verbs`."""
    return frozenset(("status.read", "history.read", "documents.read", "change.read", *verbs))


TABLE: Final[Mapping[Role, frozenset[Verb]]] = MappingProxyType(
    {
        "admin": _verbs(
            "switch.set", "switch.lift", "people.manage", "people.read", "keys.create", "keys.revoke", "keys.read"
        ),
        "captain": _verbs(
            "release.publish",
            "pins.promote",
            "pins.rollback",
            "hold.lift",
            "switch.set",
            "switch.lift",
            "people.read",
            "keys.create",
            "keys.revoke",
            "keys.read",
            "trace.read",
            "trace.payloads",
            "approval.read",
            "approval.arguments",
            "approval.decide",
        ),
        "approver": _verbs(
            "change.review", "people.read", "trace.read", "approval.read", "approval.arguments", "approval.decide"
        ),
        "oncall": _verbs(
            "pins.rollback",
            "switch.set",
            "switch.lift",
            "people.read",
            "keys.revoke",
            "keys.read",
            "trace.read",
            "approval.read",
        ),
        "auditor": _verbs(
            "people.read",
            "keys.read",
            "trace.read",
            "trace.payloads",
            "audit.read",
            "approval.read",
            "approval.arguments",
        ),
    }
)
"""Which verbs each role allows. tests/golden/permissions.txt holds the same, as a picture."""

_LOCAL: Final[frozenset[Verb]] = frozenset(VERBS) - {"change.review", "approval.decide"}


def allowed(actor: Actor, verb: Verb) -> bool:
    """Return whether one of the actor's roles allows `verb`. Total; an unknown role allows nothing."""
    if actor.kind == "local":
        return verb in _LOCAL
    return any(verb in verbs for role, verbs in TABLE.items() if role in actor.roles)


def roles_with(verb: Verb) -> tuple[Role, ...]:
    """Return the roles that allow `verb`, in the order of the table."""
    return tuple(role for role in ROLES if verb in TABLE[role])
