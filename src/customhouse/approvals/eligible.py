# SPDX-License-Identifier: Apache-2.0
"""Who may answer a held call. Pure: the person's roles and the charter in force are read by whoever asks.

Rules, in this order; the first that is broken is the answer:
(1) a person, never a local actor, of whom nobody can tell who it is
(2) not who asked: neither the creator of the key nor the person behind the request
(3) with a role that may answer held calls
(4) named by the rule: by address, or as a member of a named group as the charter in force says; where the rule names
    nobody, the captain, who is the owner or the deputy
Names in (2) are compared without capitals and full-width letters: `user:OLA@acme.test` is Ola.

Story: Lee asks the bot for a refund over a key that Dana created. The rule names the group refunds: Ola, Ben and Dana.
Dana cannot approve it, since it is her key. Ola is on loan to another team; the charter that took her out of the group
an hour ago counts, whatever it said when the call was held. So Ben must.
"""

import unicodedata
from typing import Final, Literal

from customhouse.access.roles import allowed
from customhouse.approvals.approval import Approval
from customhouse.domain.principal import Actor
from customhouse.registry.charter import Charter

Objection = Literal[
    "approver.local_actor", "approver.requester", "approver.role", "approver.not_named", "approver.revoked"
]
"""Why somebody may not answer: reason codes, with their sentences in domain/decision.py."""

GROUP: Final = "group:"
"""How the name of a group begins in a rule."""
_SEPARATORS: Final = ":/|"
"""What stands between the parts of a subject; issuers of tokens use all three."""


def objection(approval: Approval, actor: Actor, charter: Charter | None) -> Objection | None:
    """Return why `actor` may not answer, or None when he may. Total; no charter means no captain and no groups."""
    if actor.kind != "person":
        return "approver.local_actor"
    if _folded(actor.name) in requester(approval):
        return "approver.requester"
    if not allowed(actor, "approval.decide"):
        return "approver.role"
    if actor.name not in named(approval, charter):
        return "approver.not_named"
    return None


def named(approval: Approval, charter: Charter | None) -> frozenset[str]:
    """Return the addresses of those whom the rule names, by the charter in force; their roles are not looked at."""
    if not approval.approvers:
        return frozenset() if charter is None else frozenset({charter.owner, charter.deputy or charter.owner})
    groups = {} if charter is None else charter.groups
    people = {name for name in approval.approvers if not name.startswith(GROUP)}
    members = (groups.get(name.removeprefix(GROUP), ()) for name in approval.approvers if name.startswith(GROUP))
    return frozenset(people.union(*members))


def requester(approval: Approval) -> frozenset[str]:
    """Return every name under which whoever asked may be known, folded as `objection` compares them.

    A prefix may have parts (`okta:staff:ola@acme.test`): what stands after each is a name. So is the address in a
    verified token, whose subject may be an opaque number; whether its issuer has verified the address is not asked,
    since a wrong one here only takes an approver away.
    """
    behind = approval.on_behalf_of or ""
    tails = (behind[at + 1 :] for at, letter in enumerate(behind) if letter in _SEPARATORS)
    return frozenset({_folded(name) for name in (approval.key_created_by, behind, *tails, approval.email or "")} - {""})


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
