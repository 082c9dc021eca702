# SPDX-License-Identifier: Apache-2.0
"""One decision on a call, told step by step: what each step looked at, and which of them decided. Pure.

The steps are those of `permit` itself; this file adds what they looked at, and never a value of an argument.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from customhouse.budget.limit import MICRO
from customhouse.domain.decision import Decision, Outcome
from customhouse.domain.message import ToolCall
from customhouse.planes.tools.arguments import read_arguments
from customhouse.planes.tools.claim import WRITES, Claim
from customhouse.planes.tools.facts import Facts
from customhouse.planes.tools.permit import STEPS, Batch, explained, permit
from customhouse.planes.tools.policy import Policy, Tool
from customhouse.planes.tools.rule import Rule

UNREACHED: Final = "not reached"


class ExplainedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step. `outcome` is None where it had nothing against the call, or was not reached."""

    step: str
    reached: bool
    outcome: Outcome | None
    reasons: tuple[str, ...]
    looked_at: tuple[str, ...]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The decision and its steps."""

    decision: Decision
    steps: tuple[ExplainedStep, ...]


def explanation(policy: Policy, call: ToolCall, facts: Facts, batch: Batch) -> Explanation:
    """Return how a call is decided."""
    verdict = permit(policy, call, facts, batch=batch)
    said = {step.name: step.decision for step in explained(policy, call, facts, batch=batch)}
    looked = {
        "lists": tuple(_lists(policy, call.name)),
        "workflow": tuple(_workflow(policy, facts)),
        "schema": tuple(_schema(policy.tool(call.name), call)),
        "rules": tuple(_rules(policy.tool(call.name), call, facts)),
        "budgets": tuple(_budgets(policy, batch, verdict.claims)),
        "outcome": ("the turn is for a name that nobody proved",) if facts.asserted else (),
    }
    steps = tuple(_step(name, said, looked.get(name, ())) for name in dict.fromkeys((*(n for n, _ in STEPS), *said)))
    return Explanation(decision=verdict.decision, steps=steps)


def _step(name: str, said: dict[str, Decision | None], looked_at: tuple[str, ...]) -> ExplainedStep:
    decision = said.get(name)
    return ExplainedStep(
        step=name,
        reached=name in said,
        outcome=None if decision is None else decision.outcome,
        reasons=() if decision is None else decision.reasons,
        looked_at=looked_at if name in said else (),
    )


def _lists(policy: Policy, name: str) -> Iterator[str]:
    grant = policy.grant(name)
    if grant is not None:
        yield f"{grant.permission}, effect {grant.effect}"


def _workflow(policy: Policy, facts: Facts) -> Iterator[str]:
    if policy.workflows or facts.workflow:
        declared = ", ".join(sorted(policy.workflows)) or "none"
        yield f"the turn runs in {facts.workflow or 'none'}; declared are {declared}"


def _schema(tool: Tool | None, call: ToolCall) -> Iterator[str]:
    arguments = read_arguments(call.arguments)
    if tool is not None and arguments is not None:
        if tool.schema is None:
            yield "no parameters are registered: the arguments are not checked"
        else:
            yield from tool.schema.violations(arguments)


def _rules(tool: Tool | None, call: ToolCall, facts: Facts) -> Iterator[str]:
    arguments = read_arguments(call.arguments)
    if tool is None or arguments is None:
        return
    for rule in tool.rules:
        yield f"{_answer(rule, arguments, facts, call.name, tool.grant.effect)}: {rule.text}"


def _answer(rule: Rule, arguments: dict[str, object], facts: Facts, name: str, effect: str) -> str:
    try:
        return "true" if rule.holds(arguments, facts, name, effect) else "false"
    except ValueError as error:
        return f"cannot be evaluated ({error})"


def _budgets(policy: Policy, batch: Batch, claims: tuple[Claim, ...]) -> Iterator[str]:
    if policy.document.calls_per_turn is not None:
        yield f"call {batch.calls + 1} of {policy.document.calls_per_turn} in the turn"
    for claim in claims:
        if claim.holder == WRITES:
            yield f"{claim.amount} of {claim.allowed} writes an hour; the counter itself is not asked here"
        else:
            name = claim.holder.rpartition(":")[2]
            yield f"{name}: {_plain(claim.amount)} of {_plain(claim.allowed)} a {claim.per}" + (
                "" if claim.per == "turn" else "; the counter itself is not asked here"
            )


def _plain(micro: int) -> str:
    return f"{(Decimal(micro) / MICRO).normalize():f}"
