# SPDX-License-Identifier: Apache-2.0
"""Which conditions a route and a rule may have."""

import time

import pytest

from customhouse.manifest.expression import compiled_rule, nearest_known, route_problem


def forever() -> str:
    """Return a short condition that would look at 9 to the power of 12 values."""
    expression = "0"
    for level in range(12):
        expression = f"[1,2,3,4,5,6,7,8,9].map(x{level}, {expression}).size()"
    return f"{expression} > 0"


@pytest.mark.parametrize(
    "expression",
    [
        "data.classification >= confidential",
        "data.classification == restricted || tenant in ['a', 'b']",
        "!(environment == 'dev') && tenant.startsWith('data.x')",
        "data.classification > internal ? true : false",
        "task == 'draft' && region in ['eu', 'us'] && workflow != ''",
        "true",
    ],
)
def test_a_route_may_compare_and_combine(expression: str) -> None:
    assert route_problem(expression) is None


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("data.clasification > 1", "the unknown field data.clasification; known are classification, tenant"),
        ("data.clasification > 1 || true", "the unknown field data.clasification"),
        ("true || nope", "the unknown name nope; known are "),
        ("data.classification", "it gives int, not true or false"),
        ("data.classification >= 'internal'", "No such overload"),
        ("data.classification >=", "at 1:23: Syntax error"),
        ("task == 'draft' && data.classification > 'internal'", "No such overload"),
        ("tenant == 'acme' ? region < 1 : true", "No such overload"),
        ("workflow == 'x' ? data.classification : true", "it gives int, not true or false"),
        ("tenant.matches('^(a+)+$')", "the unknown function matches"),
        ("[1, 2].exists(tenant, tenant > 1)", "the unknown function @not_strictly_false"),
        (forever(), "the unknown "),
        ("(" * 40 + "true" + ")" * 40, "it is nested deeper than 32"),
        ("", "at 1:1"),
    ],
)
def test_a_route_may_no_more(expression: str, problem: str) -> None:
    started = time.process_time()
    assert (route_problem(expression) or "").startswith(problem)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("arg.x > 1", "the unknown name arg; known are args, "),
        ("args.x >", "at 1:9: Syntax error"),
        ("now() > 1", "the unknown function now; known are contains, double, endsWith, int, matches, size, startsWith"),
        ("args.x.matches('(?=a)')", "the pattern '(?=a)' does not run in linear time"),
    ],
)
def test_a_rule_is_compiled_by_the_plane(expression: str, problem: str) -> None:
    found = compiled_rule(expression)
    assert isinstance(found, str)
    assert found.startswith(problem)


def test_an_unknown_name_has_a_nearest() -> None:
    assert nearest_known("the unknown field data.tenat; known are classification, tenant") == "tenant"
    assert nearest_known("at 1:9: Syntax error") is None
