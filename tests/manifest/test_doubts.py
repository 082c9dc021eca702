# SPDX-License-Identifier: Apache-2.0
"""What a policy's author is warned of: rules that deny more than they read, arguments that nobody checks."""

from datetime import date
from pathlib import Path

import pytest
from tests.manifest.ordering import LINE, ordering, rule, total, unless

from customhouse.manifest.check import check
from customhouse.manifest.load import load


def warnings(directory: Path, policy: str) -> list[str]:
    found = check(load(ordering(directory, policy)), today=date(2026, 11, 23)).warnings
    return [
        f"{remark.place}: {remark.text}"
        for remark in found
        if not any(word in remark.text for word in ("policy only", "policy_cases"))
    ]


UNCHECKED = "a.yaml:22: bot: the arguments of free are not checked: it has no parameters; register them"


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (
            rule("args.note == 'x' || args.fast"),
            "it denies every call without args.note, which is optional: ask with has(args.note) first, or require it",
        ),
        (
            rule("args.order_id in principal.order_ids"),
            "it denies every call whose caller has no verified token with order_ids",
        ),
        (
            rule("principal.tenat == 'acme'"),
            "it denies every call whose caller has no verified token with tenat; did you mean principal.tenant?",
        ),
        (
            unless("principal.trusted", "ship"),
            "a person is asked for every call whose caller has no verified token with trusted",
        ),
        (
            rule("args.mixed > 5"),
            "args.mixed > 5 fails for some calls (args.mixed is text): they are denied",
        ),
        (
            rule("args.count + args.amount > 5"),
            (
                "args.count + args.amount > 5 fails for some calls (args.count is a whole number, args.amount is a "
                "number with a fraction): they are denied"
            ),
        ),
    ],
)
def test_a_rule_that_denies_more_than_it_reads(tmp_path: Path, policy: str, told: str) -> None:
    assert warnings(tmp_path, policy) == [UNCHECKED, f"a.yaml:{LINE}: bot: ship: {told}"]


@pytest.mark.parametrize("when", ["args.a > 1 || args.b > 1", "!args.a", "args.a ? true : args.b"])
def test_operators_that_hide_a_type_over_arguments_that_nobody_checks(tmp_path: Path, when: str) -> None:
    told = warnings(tmp_path, rule(when, "free"))
    assert any("the rule has ||, ! or ?: over arguments that nothing checks" in each for each in told)


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (
            total("args.amount", "free"),
            "bot: no parameters of free say what args.amount is: a call in which it is no amount",
        ),
        (total("args.order_id"), None),
        (total("args.amount"), None),
    ],
)
def test_a_sum_over_what_may_be_no_amount(tmp_path: Path, policy: str, told: str | None) -> None:
    found = [each for each in warnings(tmp_path, policy) if each != UNCHECKED]
    assert found == [] if told is None else told in found[0]


@pytest.mark.parametrize(
    "when", ["args.amount < 5", "has(args.note) && args.note == 'x'", "has(principal.x) && principal.x == 1"]
)
def test_no_doubt(tmp_path: Path, when: str) -> None:
    assert warnings(tmp_path, rule(when)) == [UNCHECKED]
