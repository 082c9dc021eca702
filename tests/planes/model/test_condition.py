# SPDX-License-Identifier: Apache-2.0
"""A route's condition: what can never work, or could take for ever, is refused when it is compiled."""

import pytest

from customhouse.planes.model.condition import compiled, facts

GOOD = [
    "data.classification >= confidential",
    "tenant == 'a' || environment in ['dev', 'staging']",
    "tenant.startsWith('eu-') && !(data.classification == restricted)",
    "true",
]
BAD = [
    # condition, what is wrong
    ("data.classification >= confidentail", "the unknown name confidentail"),
    ("data.clasification >= internal", "the unknown field data.clasification"),
    ("data.classification >= 'internal'", "No such overload"),
    ("data.classification", "it gives int"),
    ("[1,2].all(a, [1,2].all(b, true))", "the unknown function"),
    ("tenant.matches('^(a+)+$')", "the unknown function"),
    ("(" * 40 + "true" + ")" * 40, "nested deeper"),
    ("true || " * 200 + "true", "more than"),
    ("data.classification >=", "at"),
    ("", "at"),
]


@pytest.mark.parametrize("condition", GOOD)
def test_a_good_condition_gives_true_or_false(condition: str) -> None:
    assert compiled(condition).execute(facts(2, "a", "dev")) in {True, False}


@pytest.mark.parametrize(("condition", "problem"), BAD)
def test_a_bad_condition_is_refused(condition: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        compiled(condition)
