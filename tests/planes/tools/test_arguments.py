# SPDX-License-Identifier: Apache-2.0
"""Arguments are one JSON object that every parser reads the same way, or they are not valid."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customhouse.planes.tools.arguments import MAX_ARGUMENTS_BYTES, read_arguments

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


def _objects(values: st.SearchStrategy[Any], size: int) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects whose keys differ in more than capitals."""
    pairs = st.lists(st.tuples(TEXT, values), max_size=size, unique_by=lambda pair: pair[0].casefold())
    return pairs.map(dict)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | _objects(inner, 3),
    max_leaves=8,
)
OBJECTS = _objects(VALUES, 4)

VALID = [
    ("nothing, as models write no arguments", ""),
    ("white space", " \t\r\n"),
    ("an empty object", "{}"),
    ("an object between spaces", ' {"a": 1}\n'),
    ("equal keys in different objects", '{"a":{"x":1},"b":{"x":2}}'),
    ("an escaped pair of surrogates", r'{"a":"\ud83d\ude00"}'),
    ("exactly the bound", '{"a":"' + "x" * (MAX_ARGUMENTS_BYTES - 8) + '"}'),
]
INVALID = [
    ("a list", "[]"),
    ("text", '"x"'),
    ("a number", "1"),
    ("null", "null"),
    ("a repeated key", '{"amount":1,"amount":1000}'),
    ("a repeated key far inside", '{"a":[{"b":{"c":1,"c":2}}]}'),
    ("a repeated key written differently", r'{"amount":1,"\u0061mount":2}'),
    ("two objects", "{}{}"),
    ("half an object", '{"a":'),
    ("words around it", 'Sure: {"a":1}'),
    ("NaN", '{"a":NaN}'),
    ("infinity", '{"a":-Infinity}'),
    ("a number that is infinite to some", '{"a":1e999}'),
    ("a whole number that some parsers round", '{"a":9007199254740993}'),
    ("thousands of digits", '{"a":' + "9" * 5000 + "}"),
    ("a lone surrogate", r'{"a":"\ud800"}'),
    ("a lone surrogate as a key", r'{"\udfff":1}'),
    ("a lone surrogate as it is", '{"a":"\ud800"}'),
    ("a control character", '{"a":"\x00"}'),
    ("a byte order mark", "\ufeff{}"),
    ("spaces that are none to JSON", "\u00a0\u2003"),
    ("nesting without end", '{"a":' * 50_000),
    ("one byte over the bound", '{"a":"' + "x" * (MAX_ARGUMENTS_BYTES - 7) + '"}'),
    ("over the bound in bytes, not in characters", '{"a":"' + "\u20ac" * 30_000 + '"}'),
]


@pytest.mark.parametrize("text", [row[1] for row in VALID], ids=[row[0] for row in VALID])
def test_valid(text: str) -> None:
    assert read_arguments(text) is not None


@pytest.mark.parametrize("text", [row[1] for row in INVALID], ids=[row[0] for row in INVALID])
def test_invalid(text: str) -> None:
    assert read_arguments(text) is None


@given(OBJECTS, st.booleans())
@settings(deadline=None)
def test_any_object_is_valid_however_it_is_written(value: dict[str, object], ascii_only: bool) -> None:  # noqa: FBT001 - drawn
    assert read_arguments(json.dumps(value, ensure_ascii=ascii_only)) == value


@given(st.text(max_size=30) | VALUES.map(json.dumps))
@settings(deadline=None)
def test_it_never_raises_and_what_is_valid_is_an_object(text: str) -> None:
    if read_arguments(text) is not None and text.strip():
        assert isinstance(json.loads(text), dict)
