# SPDX-License-Identifier: Apache-2.0
"""What an author of a policy has got wrong, so that no release may carry it. Pure.

Rule: what is refused here would deny calls that the author means to allow, or would not do what it says; each mistake
says what would be right.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from customhouse.manifest.argument import Node, argument, types
from customhouse.manifest.expression import compiled_rule, nearest_known
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.policy import ApprovalRule, Policy, Sum
from customhouse.manifest.problem import MAX_SHOWN, nearest, shown
from customhouse.manifest.reading import Path
from customhouse.manifest.tool_schema import schema_problem
from customhouse.manifest.trial import tried
from customhouse.planes.tools.rule import Rule

AMOUNTS: Final = frozenset({"number", "integer", "string"})
"""Types that may hold an amount: claim.py reads decimal text as well as numbers."""


class Mistake(NamedTuple):
    """One mistake, as `Problems` keeps it."""

    path: Path
    found: str
    expected: str
    near: str | None = None
    hint: str | None = None


def mistakes(manifest: Manifest, name: str, policy: Policy) -> Iterator[Mistake]:
    """Give the mistakes of one policy."""
    at: Path = ("assistant_policies", name)
    for index, item in enumerate(policy.require_human_approval):
        if isinstance(item, ApprovalRule) and item.unless is not None:
            path = (*at, "require_human_approval", index, "unless")
            yield from _expression(manifest, item.tool, item.unless, path)
            yield from _unless(manifest, policy, item.tool, path)
    for index, rule in enumerate(policy.rules):
        yield from _expression(manifest, rule.tool, rule.when, (*at, "rules", index, "when"))
    first: dict[tuple[str, str, str], int] = {}
    for index, total in enumerate(policy.budgets.sums):
        path = (*at, "budgets", "sums", index)
        yield from _sum(manifest, total, path)
        same = (total.tool, total.of, total.per)
        if all(same) and same in first:
            where = manifest.place(*at, "budgets", "sums", first[same])
            yield Mistake(path, f"this sum a second time (first at {where})", "each sum of a tool and a period once")
        first.setdefault(same, index)


def parameters(manifest: Manifest, tool: str) -> Node | None:
    """Return a tool's registered parameters, or None: it has none, or they are a problem of their own."""
    declared = manifest.declared.tools.get(tool)
    stated = None if declared is None else declared.parameters
    return None if stated is None or schema_problem(stated) is not None else stated


def _expression(manifest: Manifest, tool: str, expression: str, path: Path) -> Iterator[Mistake]:
    if not expression:  # refused already
        return
    rule = compiled_rule(expression)
    said = f"the condition {shown(expression)}"
    if isinstance(rule, str):
        yield Mistake(path, f"{said}: {rule}", "a CEL expression over args and principal", nearest_known(rule))
        return
    known = parameters(manifest, tool)
    absent = list(_absent(rule, known, tool, path, said)) if known is not None else []
    if absent:
        yield from absent
        return
    for wrong in tried(rule, known):
        if wrong.always:
            text = wrong.text.replace(expression, "it", 1) if wrong.text.startswith(expression) else wrong.text
            yield Mistake(
                path, f"{said}: {_cut(text)}", "a condition that is true for some calls, and false for others"
            )


def _absent(rule: Rule, known: Node, tool: str, path: Path, said: str) -> Iterator[Mistake]:
    """Give a mistake for each argument that the tool's parameters do not have."""
    for looked in dict.fromkeys((*rule.paths, *rule.guarded)):
        if looked[0] != "args":
            continue
        found = argument(known, looked[1:])
        if found.missing is not None:
            names = ", ".join(found.known[:20]) or "none"
            yield Mistake(
                path,
                f"{said}: {'.'.join(looked)}, which {tool} does not take",
                f"an argument of {tool} ({names})",
                nearest(found.missing, found.known),
            )


def _unless(manifest: Manifest, policy: Policy, tool: str, path: Path) -> Iterator[Mistake]:
    """An approval that lapses must not grant what no list grants."""
    if not tool:
        return
    declared = manifest.declared.tools.get(tool)
    if tool not in policy.allowed_tools or tool in policy.denied_tools:
        found = f"`unless` for {tool}, which no list allows: where no person is asked, nothing grants it"
        yield Mistake(path, found, f"{tool} in allowed_tools, and not in denied_tools")
    if declared is not None and declared.effect == "irreversible":
        found = f"`unless` for {tool}, which cannot be undone: a person is always asked"
        yield Mistake(path, found, "no `unless`, or another effect of the tool")


def _sum(manifest: Manifest, total: Sum, path: Path) -> Iterator[Mistake]:
    if total.max and Decimal(total.max) < 0:
        yield Mistake((*path, "max"), f"a sum of at most {total.max}", "an amount from 0 up")
    known = parameters(manifest, total.tool)
    if known is None or not total.of:
        return
    found = argument(known, total.of.split(".")[1:])
    place = (*path, "of")
    if found.missing is not None:
        expected = f"an argument of {total.tool} ({', '.join(found.known[:20]) or 'none'})"
        near = nearest(found.missing, found.known)
        yield Mistake(place, f"a sum of {total.of}, which {total.tool} does not take", expected, near)
    elif found.node is not None:
        if not found.required:
            hint = f"add it to `required` in the parameters of {total.tool}"
            text = f"a sum of {total.of}, which {total.tool} does not require: a call without it is denied"
            yield Mistake(place, text, "an argument that every call has", hint=hint)
        if types(found.node) and not types(found.node) & AMOUNTS:
            text = f"a sum of {total.of}, which is {' or '.join(sorted(types(found.node)))}"
            yield Mistake(place, text, "a number, or decimal text")


def _cut(text: str) -> str:
    return text if len(text) <= 4 * MAX_SHOWN else f"{text[: 4 * MAX_SHOWN]}…"
