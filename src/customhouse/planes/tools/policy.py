# SPDX-License-Identifier: Apache-2.0
"""A tools document, compiled once for each release: schemas, rules, and who is in which workflow. Pure.

Rule kept: compiling never fails as a whole. A tool whose schema or rule cannot be compiled is denied, by name, and
every other tool is what it was; `check` and `release` refuse such a document before it gets here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from customhouse.planes.tools.document import Budget, Document, Grant
from customhouse.planes.tools.rule import Rule
from customhouse.planes.tools.schema import Schema
from customhouse.planes.tools.unregistered import UNREGISTERED


@dataclass(frozen=True, slots=True)
class Tool:
    """What the policy says of one tool, ready to be asked. `broken` is the reason for which every call is denied."""

    grant: Grant
    schema: Schema | None = None
    rules: tuple[Rule, ...] = ()
    unless: Rule | None = None
    sums: tuple[Budget, ...] = ()
    broken: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """One compiled document."""

    document: Document
    tools: Mapping[str, Tool]
    workflows: Mapping[str, frozenset[str]]
    shown: Mapping[str, frozenset[str]]

    def tool(self, name: str) -> Tool | None:
        """Return a tool by its exact name; one that the document does not name, as it says of those. None: off."""
        found = self.tools.get(name)
        return _UNREGISTERED if found is None and self.document.unregistered == "allow_read" else found

    def grant(self, name: str) -> Grant | None:
        """Return what the document says of a tool."""
        found = self.tool(name)
        return None if found is None else found.grant

    def offers(self, workflow: str = "") -> frozenset[str]:
        """Return the tools that may be shown to the model: those a call of which could be allowed or held."""
        return self.shown.get(workflow, frozenset())


_UNREGISTERED: Final = Tool(UNREGISTERED)


def compiled(document: Document) -> Policy:
    """Compile a document. Cost: about 50 µs a tool with a schema and a rule."""
    named = dict(document.grants)
    if document.unregistered == "allow_read":  # a sum binds the tool that it names, granted by name or not
        named |= {budget.tool: UNREGISTERED for budget in document.sums if budget.tool not in named}
    workflows = {name: frozenset(tools) for name, tools in document.workflows.items()}
    usable = {name: grant for name, grant in document.grants.items() if grant.permission != "deny"}
    reading = frozenset(name for name, grant in usable.items() if grant.effect == "read")
    return Policy(
        document,
        MappingProxyType({name: _tool(name, grant, document) for name, grant in named.items()}),
        MappingProxyType(workflows),
        MappingProxyType(
            {"": reading if workflows else frozenset(usable)}
            | {name: frozenset(usable) & tools for name, tools in workflows.items()}
        ),
    )


def _tool(name: str, grant: Grant, document: Document) -> Tool:
    sums = tuple(budget for budget in document.sums if budget.tool == name)
    try:
        schema = None if grant.parameters is None else Schema(grant.parameters)
    except ValueError:
        return Tool(grant, broken="tool.schema_broken")
    try:
        rules = tuple(Rule(text) for text in grant.rules)
        unless = None if grant.approval is None or grant.approval.unless is None else Rule(grant.approval.unless)
    except ValueError:
        return Tool(grant, broken="tool.rule_broken")
    return Tool(grant, schema, rules, unless, sums)
