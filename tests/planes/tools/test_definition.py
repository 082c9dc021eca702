# SPDX-License-Identifier: Apache-2.0
"""A tool's registered parameters: one JSON Schema that refers to nothing outside itself."""

import pytest

from customhouse.planes.tools.definition import parameters_problem

ROWS = [
    # parameters, what is wrong
    ('{"type":"object"}', None),
    ('{"$ref":"#/$defs/a","$defs":{"a":{"type":"object"}}}', None),
    ('{"properties":{"$ref":{"type":"string"}}}', None),
    ("[]", "not a JSON object"),
    ("{", "not valid JSON"),
    ("[" * 100_000, "more than"),
    ('{"a":' * 5_000 + "1" + "}" * 5_000, "not valid JSON"),
    ('{"$ref":"file:///etc/passwd"}', "points outside"),
    ('{"$ref":"http://169.254.169.254/"}', "points outside"),
    ('{"properties":{"a":{"anyOf":[{"$ref":"other.json"}]}}}', "points outside"),
    ('{"$ref":"http://169.254.169.254/","$ref":"#"}', "stands twice"),
    ('{"a":{"b":[{"c":1,"c":1}]}}', "stands twice"),
    ('{"$dynamicRef":"https://evil.test/x"}', "points outside"),
]


@pytest.mark.parametrize(("text", "problem"), ROWS, ids=range(len(ROWS)))
def test_what_is_wrong_is_said(text: str, problem: str | None) -> None:
    found = parameters_problem(text)
    assert found is None if problem is None else problem in (found or "")
