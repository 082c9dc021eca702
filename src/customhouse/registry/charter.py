# SPDX-License-Identifier: Apache-2.0
"""The charter: who answers for an assistant. It belongs to no plane and is never rolled back; rows are only inserted.

A group of approvers stands here and not in the tools document, because it is resolved at the moment of a decision: who
left the team cannot approve any more, whichever tools version is in force.
"""

import msgspec


class Charter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One person accountable, the on-call path, and what a client gets when no model can answer."""

    owner: str
    on_call: str
    fallback: str
    deputy: str | None = None
    groups: dict[str, tuple[str, ...]] = {}
    purpose: str | None = None
    regulation: tuple[str, ...] = ()
