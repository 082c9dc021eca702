# SPDX-License-Identifier: Apache-2.0
"""A capability: one sentence about what an assistant may do now and could not do before, or the other way round.

"What can this model do?" is answered by a list of these, never by a diff of files; `registry/capability.py` derives
them.
"""

from typing import Literal

import msgspec

from customhouse.domain.plane import Plane

CapabilityKind = Literal[
    "gained",
    "lost",
    "widened",
    "narrowed",
    "approval_dropped",
    "approval_added",
    "approvers_changed",
    "quorum_lowered",
    "quorum_raised",
    "effect_changed",
    "definition_changed",
    "deployment_added",
    "deployment_removed",
    "deployment_changed",
    "route_changed",
    "vectors_changed",
    "posture_changed",
    "data_class_raised",
    "data_class_lowered",
    "limit_raised",
    "limit_lowered",
    "parameters_changed",
    "prompt_changed",
    "variables_changed",
    "needs_changed",
    "ledger_weakened",
    "ledger_strengthened",
    "safety_changed",
]


class Capability(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One change of what an assistant may do.

    `text` begins with `+` (may do more), `-` (may do less) or `~` (different). `loosens` says that the change cannot
    be proved tightening or neutral: where the environment asks for reviewers, a second person signs it off.
    """

    kind: CapabilityKind
    plane: Plane
    subject: str
    text: str
    loosens: bool
