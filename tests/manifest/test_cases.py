# SPDX-License-Identifier: Apache-2.0
"""Cases beside the policies: decided as in the gateway, and which rules they leave untried."""

from datetime import date
from pathlib import Path

import pytest
from tests.manifest.written import problems, write

from customhouse.manifest.cases import ran, without_cases
from customhouse.manifest.check import check
from customhouse.manifest.load import load

POLICY = """\
tools:
  pay: {effect: write, parameters: {type: object, properties: {amount: {type: number}}, required: [amount]}}
assistant_policies:
  bot:
    allowed_tools: [pay]
    rules:
      - {tool: pay, when: args.amount <= 100}
      - {tool: pay, when: "!has(principal.limit) || args.amount <= principal.limit"}
    budgets: {calls_per_turn: 2}
"""


def cases(directory: Path, text: str) -> Path:
    return write(directory, {"policy.yaml": POLICY, "cases.yaml": f"policy_cases:\n{text}"})


@pytest.mark.parametrize(
    ("facts", "amount", "expect"),
    [
        ("{}", 5, "allow, reason: tool.granted"),
        ("{}", 101, "deny, reason: tool.rule_refused"),
        ("{}", "text", "deny, reason: tool.schema_refused"),
        ("{verified: true, subject: user:42, claims: {limit: 4}}", 5, "deny, reason: tool.rule_refused"),
        ("{verified: true, subject: user:42, claims: {limit: 6}}", 5, "allow"),
        ("{earlier_calls: 2}", 5, "deny, reason: tool.calls_per_turn"),
    ],
)
def test_a_case_is_decided_as_a_call(tmp_path: Path, facts: str, amount: object, expect: str) -> None:
    call = f"{{tool: pay, arguments: {{amount: {amount}}}}}"
    text = f"  c: {{assistant: bot, call: {call}, facts: {facts}, expect: {expect}}}"
    (case,) = ran(load(cases(tmp_path, text))).cases
    assert case.passed, case


def test_a_failing_case_is_told_and_is_an_error_of_the_manifest(tmp_path: Path) -> None:
    text = (
        "  fine: {assistant: bot, call: {tool: pay, arguments: {amount: 5}}, expect: allow}\n"
        "  wrong: {assistant: bot, call: {tool: pay, arguments: {amount: 5}}, expect: hold}\n"
        "  odd: {assistant: bot, call: {tool: pay, arguments: {amount: 500}}, expect: deny, reason: tool.denied}\n"
    )
    manifest = load(cases(tmp_path, text))
    report = ran(manifest)
    assert [(case.place, case.expected, case.found) for case in report.failed] == [
        ("cases.yaml:3", "hold", "allow (tool.granted)"),
        ("cases.yaml:4", "deny (tool.denied)", "deny (tool.rule_refused)"),
    ]
    assert [f"{remark.place}: {remark.text}" for remark in check(manifest, today=date(2026, 11, 23)).errors] == [
        "cases.yaml:3: the case wrong: bot calls pay: found allow (tool.granted), expected hold",
        "cases.yaml:4: the case odd: bot calls pay: found deny (tool.rule_refused), expected deny (tool.denied)",
    ]


def test_rules_that_no_case_makes_false(tmp_path: Path) -> None:
    text = "  c: {assistant: bot, call: {tool: pay, arguments: {amount: 500}}, expect: deny}"
    (rule,) = ran(load(cases(tmp_path, text))).untried
    assert (rule.place, rule.rule) == ("policy.yaml:8", "!has(principal.limit) || args.amount <= principal.limit")


def test_rules_without_any_case_are_warned_of(tmp_path: Path) -> None:
    manifest = load(write(tmp_path, {"policy.yaml": POLICY}))
    assert without_cases(manifest) == ("bot",)
    told = [f"{remark.place}: {remark.text}" for remark in check(manifest, today=date(2026, 11, 23)).warnings]
    assert "policy.yaml:6: bot: it has rules and no policy_cases: nothing says what they are to decide" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "assistant: bto, call: {tool: pay}, expect: deny",
            "the unknown name 'bto', expected an assistant; nearest valid name: bot",
        ),
        ("assistant: bot, call: {tool: pay}, expect: refuse", "found 'refuse', expected one of "),
        ("assistant: bot, call: {tool: pay}, expect: deny, reason: tool.denid", "nearest valid name: tool.denied"),
        (
            "assistant: bot, call: {tool: pay}, expect: deny, facts: {claims: {a: 1}}",
            "expected verified: true beside them",
        ),
        ("assistant: bot, call: {tool: pay}, expect: deny, facts: {workflow: x}", "the unknown workflow 'x'"),
    ],
)
def test_a_case_that_cannot_be_meant(tmp_path: Path, text: str, told: str) -> None:
    files = {"policy.yaml": POLICY, "cases.yaml": f"policy_cases:\n  c: {{{text}}}\n"}
    (problem,) = problems(tmp_path, files)
    assert problem.startswith("cases.yaml:2: found ")
    assert told in problem
