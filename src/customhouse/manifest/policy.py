# SPDX-License-Identifier: Apache-2.0
"""What an assistant may call: `assistant_policies`.

Reading (Allowed, Denied, appRoval -> outcome): A -> allow; A+R, R, D+R, A+D+R -> hold; D, A+D and none -> deny.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from customhouse.manifest.tool import Argument
from customhouse.manifest.words import Approver, Count, DecimalText, Duration, Expression, ToolName
from customhouse.planes.tools.document import ProviderEffect, Unregistered

OnServer = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}:[\x21-\x7e]{1,500}(?![\s\S])",
        description="What a tool server has, as SERVER:URI or SERVER:NAME; a last * stands for any rest.",
        extra={"expected": "SERVER:URI or SERVER:NAME, perhaps with a * at its end"},
    ),
]
Quorum = Annotated[int, Meta(ge=1, le=20, extra={"expected": "a whole number from 1 to 20"})]


class ApprovalRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who approves a call. Without approvers: the captain."""

    tool: ToolName
    approvers: tuple[Approver, ...] = ()
    quorum: Quorum = 1
    expires: Duration = "15m"
    unless: Expression | None = None


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A condition on a tool's calls. It can only narrow."""

    tool: ToolName
    when: Expression


class Sum(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A limit on the sum of one argument over the calls of one tool."""

    of: Argument
    tool: ToolName
    max: DecimalText
    per: Literal["turn", "hour", "day"]


class Budgets(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much an assistant may do."""

    calls_per_turn: Count | None = None
    writes_per_hour: Count | None = None
    sums: tuple[Sum, ...] = ()


class ProviderTools(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Tools that a provider may run by itself, and what each does to the world. What is absent it may not run."""

    web_search: ProviderEffect | None = None
    code_interpreter: ProviderEffect | None = None


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The lists of one assistant. A tool in no list is denied, unless `unregistered_tools` says otherwise."""

    allowed_tools: tuple[ToolName, ...] = ()
    denied_tools: tuple[ToolName, ...] = ()
    require_human_approval: tuple[ToolName | ApprovalRule, ...] = ()
    rules: tuple[Rule, ...] = ()
    budgets: Budgets = Budgets()
    unregistered_tools: Unregistered = "deny"
    provider_tools: ProviderTools = ProviderTools()
    allowed_resources: tuple[OnServer, ...] = ()
    allowed_prompts: tuple[OnServer, ...] = ()

    def approval_rules(self) -> dict[str, ApprovalRule]:
        """Return the approval rule of each tool that needs one; the short form has the defaults."""
        rules = (ApprovalRule(tool=item) if isinstance(item, str) else item for item in self.require_human_approval)
        return {rule.tool: rule for rule in rules}

    def tools(self) -> tuple[str, ...]:
        """Return every tool that the lists name, sorted."""
        return tuple(sorted({*self.allowed_tools, *self.denied_tools, *self.approval_rules()}))
