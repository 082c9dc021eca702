# SPDX-License-Identifier: Apache-2.0
"""A decision: allow, deny or hold, with stable reasons. A denial is a value, never an exception."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Outcome(StrEnum):
    """What was decided. HOLD waits for a person; for the caller it is a refusal until then."""

    ALLOW = "allow"
    DENY = "deny"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer of one decision point: outcome, dotted reason codes, and what must be done besides."""

    outcome: Outcome
    reasons: tuple[str, ...]
    obligations: tuple[str, ...] = ()


REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tool.granted": "The tool is on the assistant's allowed list.",
        "tool.denied": "The tool is on the assistant's denied list.",
        "tool.not_granted": "The assistant's policy does not name the tool; tools are off unless granted.",
        "tool.needs_approval": "The policy asks for a person's approval of this tool before it runs.",
        "tool.irreversible": "The tool cannot be undone and no approval rule names it: it is held for the captain.",
        "tool.effect_undeclared": "No effect is declared for the tool; a release refuses it until one is.",
        "tool.not_offered": "The tool was not offered to the model in this turn.",
        "tool.arguments_invalid": "The proposed arguments are not one JSON object with unique keys and bounded size.",
        "tool.rule_not_enforced": "A rule is declared for the tool and this version cannot evaluate it yet.",
        "tool.budget_not_enforced": "A budget is declared for the tool and this version cannot keep it yet.",
        "tool.calls_per_turn": "The turn has used up the number of tool calls that the policy allows.",
        "tool.workflow_required": "Workflows are declared and the turn runs in none, so only read tools are allowed.",
        "tool.client_excluded": "The client asked for no tools, or for another one, in this request.",
        "decision.failed": "The decision itself failed; a failed decision is a denial.",
    }
)
"""Every reason code a decision can carry, with its sentence. docs/reference/reasons.md lists the same."""
