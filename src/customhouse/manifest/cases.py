# SPDX-License-Identifier: Apache-2.0
"""The cases of a manifest, run through the decision that the gateway makes, and which rules none of them tries. Pure.

A rule is tried when some case makes it false: what is always true says nothing.
"""

from collections.abc import Iterator, Mapping

import msgspec

from customhouse.domain.decision import Outcome
from customhouse.domain.message import ToolCall
from customhouse.manifest.compile import compile_policy
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.policy_case import PolicyCase
from customhouse.manifest.situation import seen, used
from customhouse.planes.tools.arguments import read_arguments
from customhouse.planes.tools.permit import permit
from customhouse.planes.tools.policy import Policy, compiled
from customhouse.planes.tools.rule import Rule


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one case."""

    place: str
    case: str
    assistant: str
    tool: str
    passed: bool
    expected: str
    found: str


class Untried(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that no case makes false."""

    place: str
    assistant: str
    tool: str
    rule: str


class CasesReport(msgspec.Struct, frozen=True, kw_only=True):
    """Every case, and what none of them tries."""

    cases: tuple[Ran, ...]
    untried: tuple[Untried, ...]

    @property
    def failed(self) -> tuple[Ran, ...]:
        """Return the cases whose decision was another one."""
        return tuple(ran for ran in self.cases if not ran.passed)


def ran(manifest: Manifest) -> CasesReport:
    """Run every case. Cost: one compilation for each assistant, and one decision for each case."""
    cases = manifest.declared.policy_cases
    policies = {name: compiled(compile_policy(manifest, name)) for name in {case.assistant for case in cases.values()}}
    return CasesReport(
        cases=tuple(_ran(manifest, name, case, policies[case.assistant]) for name, case in cases.items()),
        untried=tuple(_untried(manifest, policies)),
    )


def without_cases(manifest: Manifest) -> tuple[str, ...]:
    """Return the assistants whose policies have rules, and which no case tries."""
    tried = {case.assistant for case in manifest.declared.policy_cases.values()}
    policies = manifest.declared.assistant_policies
    return tuple(sorted(name for name, policy in policies.items() if policy.rules and name not in tried))


def _ran(manifest: Manifest, name: str, case: PolicyCase, policy: Policy) -> Ran:
    decision = permit(policy, _call(case), seen(case.facts, case.assistant), batch=used(case.facts)).decision
    passed = decision.outcome is Outcome(case.expect) and case.reason in {None, *decision.reasons}
    return Ran(
        place=str(manifest.place("policy_cases", name)),
        case=name,
        assistant=case.assistant,
        tool=case.call.tool,
        passed=passed,
        expected=case.expect if case.reason is None else f"{case.expect} ({case.reason})",
        found=f"{decision.outcome} ({', '.join(decision.reasons)})",
    )


def _untried(manifest: Manifest, policies: Mapping[str, Policy]) -> Iterator[Untried]:
    cases = tuple(manifest.declared.policy_cases.values())
    for assistant, policy in sorted(policies.items()):
        for index, declared in enumerate(manifest.policy(assistant).rules):
            tool = policy.tools.get(declared.tool)
            rule = next((each for each in tool.rules if each.text == declared.when), None) if tool else None
            if rule is None or any(_refutes(case, assistant, declared.tool, rule, policy) for case in cases):
                continue
            place = str(manifest.place("assistant_policies", assistant, "rules", index))
            yield Untried(place=place, assistant=assistant, tool=declared.tool, rule=declared.when)


def _refutes(case: PolicyCase, assistant: str, tool: str, rule: Rule, policy: Policy) -> bool:
    """Whether a case makes a rule false."""
    grant, arguments = policy.grant(tool), read_arguments(_call(case).arguments)
    if (case.assistant, case.call.tool) != (assistant, tool) or grant is None or arguments is None:
        return False
    try:
        return not rule.holds(arguments, seen(case.facts, assistant), tool, grant.effect)
    except ValueError:
        return False


def _call(case: PolicyCase) -> ToolCall:
    return ToolCall(id="case", name=case.call.tool, arguments=msgspec.json.encode(case.call.arguments).decode())
