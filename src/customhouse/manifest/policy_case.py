# SPDX-License-Identifier: Apache-2.0
"""A case kept beside the policies: one call, and what is to be decided of it."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from customhouse.manifest.situation import Situation
from customhouse.manifest.words import Name, ToolName, Word

Arguments = Annotated[
    dict[str, Any], Meta(description="The arguments of a call.", extra={"expected": "a mapping of arguments"})
]


class CaseCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The call that is tried."""

    tool: ToolName
    arguments: Arguments = {}


class PolicyCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One call of an assistant's tool, and what its policy is to say to it. `reason`: the code of the decision."""

    assistant: Name
    call: CaseCall
    expect: Literal["allow", "deny", "hold"]
    reason: Word | None = None
    facts: Situation = Situation()
