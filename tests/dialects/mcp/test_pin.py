# SPDX-License-Identifier: Apache-2.0
"""A pin moves with every change that a model or a check could see, and with nothing else."""

import json
import math
from typing import Any, cast

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from customhouse import ticket
from customhouse.dialects.mcp.pin import MAX_DEPTH, number, pin
from customhouse.domain.digest import digest_bytes

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
SCHEMAS = st.dictionaries(st.text(max_size=4), VALUES, max_size=4)
DEFINITIONS = st.fixed_dictionaries(
    {"name": st.text(max_size=6), "inputSchema": SCHEMAS}, optional={"description": st.text(), "outputSchema": SCHEMAS}
)
SEARCH: dict[str, Any] = {
    "name": "search",
    "description": "Finds orders.",
    "inputSchema": {"type": "object", "properties": {"limit": {"type": "integer", "maximum": 9223372036854775807}}},
}


def turned(value: object) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {key: turned(fields[key]) for key in reversed(fields)}
    return [turned(each) for each in cast("list[object]", value)] if isinstance(value, list) else value


@given(DEFINITIONS)
@example(SEARCH)
def test_the_order_of_keys_white_space_and_decoration_say_nothing(definition: dict[str, Any]) -> None:
    again = json.loads(json.dumps(turned(definition), indent=3, ensure_ascii=True))
    decorated: dict[str, Any] = {**again, "title": "T", "annotations": {"readOnlyHint": True}, "icons": [], "_meta": {}}
    assert pin(definition) == pin(again) == pin(decorated)
    assert pin(definition).startswith("sha256:")


@given(DEFINITIONS, DEFINITIONS)
@example(SEARCH, {**SEARCH, "description": "Finds orders. "})
@example(SEARCH, {**SEARCH, "description": "Finds 0rders."})
@example(SEARCH, {**SEARCH, "name": "Search"})
@example(SEARCH, {**SEARCH, "name": "sea\u0072ch\u200b"})
@example(SEARCH, {**SEARCH, "outputSchema": {}})
@example(SEARCH, {key: SEARCH[key] for key in SEARCH if key != "description"})
@example(SEARCH, json.loads(json.dumps(SEARCH).replace("9223372036854775807", "9223372036854775806")))
@example({"name": "é", "inputSchema": {}}, {"name": "e\u0301", "inputSchema": {}})
@example({"name": "a", "inputSchema": {"x": True}}, {"name": "a", "inputSchema": {"x": 1}})
@example({"name": "a", "inputSchema": {"x": [1, 2]}}, {"name": "a", "inputSchema": {"x": [2, 1]}})
@example({"name": "a", "inputSchema": {"x": "1"}}, {"name": "a", "inputSchema": {"x": 1}})
def test_every_other_change_is_another_pin(left: dict[str, Any], right: dict[str, Any]) -> None:
    assume(json.dumps(left, sort_keys=True) != json.dumps(right, sort_keys=True))
    if pin(left) == pin(right):
        # One number in two spellings is all that may have changed.
        assert left == right
        assert json.loads(json.dumps(left), parse_int=float) == json.loads(json.dumps(right), parse_int=float)


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=4))
@example({"\ue000": 1, "\U0001f600": 2, "a": 3})
def test_it_is_the_digest_of_the_canonical_json_that_tickets_write(schema: dict[str, Any]) -> None:
    definition = {"name": "n", "inputSchema": schema}
    try:
        canonical = ticket.canonical(definition)
    except ValueError:
        assume(False)  # noqa: FBT003 - hypothesis's own
        return
    assert pin(definition) == digest_bytes(canonical)


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(1e21)
@example(1e-7)
@example(5e-324)
@example(-0.0)
@example(333333333.33333329)
def test_a_number_is_written_as_in_tickets_and_comes_back(value: float) -> None:
    assert number(value).encode() == ticket.canonical(value)
    assert float(number(value)) == value


BAD: list[tuple[str, dict[str, Any]]] = [
    ("no name", {"inputSchema": {}}),
    ("a name that is no text", {"name": 7, "inputSchema": {}}),
    ("no parameters", {"name": "a"}),
    ("parameters that are true", {"name": "a", "inputSchema": True}),
    ("half a surrogate pair", {"name": "\ud800", "inputSchema": {}}),
    ("a number that is none", {"name": "a", "inputSchema": {"x": math.nan}}),
    ("what is no JSON", {"name": "a", "inputSchema": {"x": b"1"}}),
]


@pytest.mark.parametrize(("why", "definition"), BAD, ids=[why for why, _ in BAD])
def test_what_is_no_definition_has_no_pin(why: str, definition: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of them will do
        pin(definition)
    assert why


def test_a_schema_that_is_too_deep_has_no_pin() -> None:
    schema: dict[str, Any] = {}
    for _ in range(MAX_DEPTH):
        schema = {"x": schema}
    with pytest.raises(ValueError, match="levels"):
        pin({"name": "a", "inputSchema": schema})
