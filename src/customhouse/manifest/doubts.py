# SPDX-License-Identifier: Apache-2.0
"""What an author of a policy may not know about it: rules that deny more than they read, arguments nobody checks. Pure.

Each is a warning: it may be meant.
"""

import re
from collections.abc import Iterator
from typing import Final

from customhouse.domain.expression import masked
from customhouse.manifest.argument import Argument, Node, argument, types
from customhouse.manifest.expression import compiled_rule
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.mistakes import parameters
from customhouse.manifest.policy import ApprovalRule, Policy
from customhouse.manifest.problem import nearest
from customhouse.manifest.reading import Path
from customhouse.manifest.trial import tried
from customhouse.planes.tools.facts import PRINCIPAL_FIELDS
from customhouse.planes.tools.rule import Rule

_HIDES: Final = re.compile(r"\|\||\?|!(?!=)")
"""Operators beside which a value of another type can go unnoticed."""


def doubts(manifest: Manifest) -> Iterator[tuple[Path, str]]:
    """Give the path and a sentence for each doubt about any policy."""
    for name, policy in manifest.declared.assistant_policies.items():
        yield from _unchecked(manifest, name, policy)
        for tool, text, path, denies in _conditions(name, policy):
            rule = compiled_rule(text)
            if isinstance(rule, Rule):
                for doubt in _rule(manifest, tool, rule, denies):
                    yield path, f"{name}: {tool}: {doubt}"
        yield from _sums(manifest, name, policy)


def _conditions(name: str, policy: Policy) -> Iterator[tuple[str, str, Path, str]]:
    """Give each condition with its tool, its path, and what happens where it cannot be evaluated."""
    at: Path = ("assistant_policies", name)
    for index, rule in enumerate(policy.rules):
        yield rule.tool, rule.when, (*at, "rules", index, "when"), "it denies every call"
    for index, item in enumerate(policy.require_human_approval):
        if isinstance(item, ApprovalRule) and item.unless is not None:
            path = (*at, "require_human_approval", index, "unless")
            yield item.tool, item.unless, path, "a person is asked for every call"


def _unchecked(manifest: Manifest, name: str, policy: Policy) -> Iterator[tuple[Path, str]]:
    usable = {*policy.allowed_tools, *policy.approval_rules()} - (
        set(policy.denied_tools) - policy.approval_rules().keys()
    )
    for tool in sorted(usable):
        declared = manifest.declared.tools.get(tool)
        if declared is not None and declared.parameters is None:
            text = f"{name}: the arguments of {tool} are not checked: it has no parameters; register them"
            yield ("tools", tool), text


def _rule(manifest: Manifest, tool: str, rule: Rule, denies: str) -> Iterator[str]:
    known = parameters(manifest, tool)
    for path in rule.paths:
        if any(path[: len(asked)] == asked for asked in rule.guarded):
            continue
        dotted = ".".join(path)
        if path[0] == "principal" and path[1] not in PRINCIPAL_FIELDS:
            near = nearest(path[1], sorted(PRINCIPAL_FIELDS))
            also = f"; did you mean principal.{near}?" if near else ""
            yield f"{denies} whose caller has no verified token with {path[1]}{also}"
        elif path[0] == "args" and known is not None and _optional(argument(known, path[1:])):
            yield f"{denies} without {dotted}, which is optional: ask with has({dotted}) first, or require it"
    if known is None and _HIDES.search(masked(rule.text)) and any(path[0] == "args" for path in rule.paths):
        yield (
            "the rule has ||, ! or ?: over arguments that nothing checks: one of another type goes unnoticed there; "
            "register the tool's parameters"
        )
    for wrong in tried(rule, known):
        if not wrong.always:
            yield wrong.text


def _optional(found: Argument) -> bool:
    return found.node is not None and not found.required


def _sums(manifest: Manifest, name: str, policy: Policy) -> Iterator[tuple[Path, str]]:
    for index, total in enumerate(policy.budgets.sums):
        path: Path = ("assistant_policies", name, "budgets", "sums", index, "of")
        known = parameters(manifest, total.tool)
        found = None if known is None else argument(known, total.of.split(".")[1:])
        if found is None or (found.node is None and found.missing is None):
            text = f"no parameters of {total.tool} say what {total.of} is: a call in which it is no amount is denied"
            yield path, f"{name}: {text}"
        elif found.node is not None and _any_text(found.node):
            text = f"{total.of} of {total.tool} is any text: a call in which it is no amount like 12.50 is denied"
            yield path, f"{name}: {text}; give it a pattern"


def _any_text(node: Node) -> bool:
    return types(node) == frozenset({"string"}) and not {"pattern", "enum"} & node.keys()
