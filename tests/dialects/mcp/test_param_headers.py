# SPDX-License-Identifier: Apache-2.0
"""Headers that repeat single arguments agree with them, as the protocol's own SDK judges it."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mcp.shared import inbound

from customhouse.dialects.mcp.headers import read
from customhouse.dialects.mcp.param_headers import Wanted, agree, built, wanted
from customhouse.dialects.mcp.refused import HEADER_MISMATCH, Refused


def schema(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties}


def annotated(kind: object, name: object = "Region") -> dict[str, object]:
    return {"type": kind, "x-mcp-header": name}


SCHEMAS: list[tuple[str, object, bool]] = [
    ("none", schema(a={"type": "string"}), True),
    ("a text", schema(a=annotated("string")), True),
    ("an integer and a truth value", schema(a=annotated("integer"), b=annotated("boolean", "B")), True),
    ("deep inside, through properties", schema(a=schema(b=annotated("string"))), True),
    ("no schema", None, True),
    ("in a default, where it is data", {"type": "object", "default": annotated("object")}, True),
    ("a number", schema(a=annotated("number")), False),
    ("several types", schema(a=annotated(["string", "null"])), False),
    ("an object", schema(a=annotated("object")), False),
    ("the root", annotated("object"), False),
    ("an element of a list", schema(a={"type": "array", "items": annotated("string")}), False),
    ("one of two", schema(a={"anyOf": [annotated("string"), {"type": "null"}]}), False),
    ("a definition", {"$defs": {"a": annotated("string")}}, False),
    ("properties inside a condition", {"if": schema(a=annotated("string"))}, False),
    ("a name that is no header's", schema(a=annotated("string", "a b")), False),
    ("a name with a line break", schema(a=annotated("string", "a\r\nb")), False),
    ("an empty name", schema(a=annotated("string", "")), False),
    ("a name that is a number", schema(a=annotated("string", 7)), False),
    ("two names that differ in capitals", schema(a=annotated("string", "A"), b=annotated("string", "a")), False),
]


@pytest.mark.parametrize(("why", "given_schema", "valid"), SCHEMAS, ids=[each[0] for each in SCHEMAS])
def test_annotations_count_where_they_count_for_the_sdk(why: str, given_schema: object, *, valid: bool) -> None:
    assert (inbound.find_invalid_x_mcp_header(given_schema) is None) == valid, why
    theirs = inbound.x_mcp_header_map(given_schema) if valid else {}
    assert {each.path: each.token for each in wanted(given_schema)} == theirs


SCHEMA = schema(
    region=annotated("string"),
    count=annotated("integer", "Count"),
    loud=annotated("boolean", "Loud"),
    inner=schema(name=annotated("string", "Inner-Name")),
    free={"type": "string"},
)
ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "region": st.none() | st.text(max_size=8) | st.sampled_from(["=?base64?YQ==?=", " a", "a\nb"]),
        "count": st.none() | st.integers() | st.sampled_from([42.0, 1e15, 4.5]),
        "loud": st.none() | st.booleans(),
        "inner": st.none() | st.just(7) | st.dictionaries(st.just("name"), st.text(max_size=4)),
        "free": st.text(max_size=3),
    },
)


@given(ARGUMENTS)
@example({"count": 2**70, "region": "us-east1"})
def test_what_is_built_from_arguments_agrees_with_them_here_and_with_the_sdk(arguments: dict[str, Any]) -> None:
    made = built(wanted(SCHEMA), arguments)
    assert judged(made, arguments) is None
    assert inbound.validate_mcp_param_headers(SCHEMA, arguments, made) is None
    theirs = inbound.mcp_param_headers(inbound.x_mcp_header_map(SCHEMA), arguments)
    assert judged(theirs, arguments) is None


@given(ARGUMENTS, ARGUMENTS)
def test_headers_of_one_call_do_for_another_only_where_they_do_for_the_sdk(
    shown: dict[str, Any], sent: dict[str, Any]
) -> None:
    made = built(wanted(SCHEMA), shown)
    assert (judged(made, sent) is None) == (inbound.validate_mcp_param_headers(SCHEMA, sent, made) is None)


CASES: list[tuple[str, dict[str, str], dict[str, object], bool]] = [
    ("the argument and no header", {}, {"region": "eu"}, False),
    ("the header and no argument", {"Region": "eu"}, {}, False),
    ("the header and null", {"Region": "eu"}, {"region": None}, False),
    ("the header and a list", {"Region": "eu"}, {"region": ["eu"]}, False),
    ("another text", {"Region": "us"}, {"region": "eu"}, False),
    ("other capitals", {"Region": "EU"}, {"region": "eu"}, False),
    ("base64", {"Region": "=?base64?ZXU=?="}, {"region": "eu"}, True),
    ("base64 without its end", {"Region": "=?base64?ZXU?="}, {"region": "eu"}, False),
    ("base64 that is not wrapped", {"Region": "ZXU="}, {"region": "eu"}, False),
    ("an integer with a point", {"Count": "42.0"}, {"count": 42}, True),
    ("an integer beyond 2^53", {"Count": "9007199254740993"}, {"count": 9007199254740993}, True),
    ("its neighbour", {"Count": "9007199254740992"}, {"count": 9007199254740993}, False),
    ("an integer with an exponent", {"Count": "4e1"}, {"count": 40}, False),
    ("an integer of other digits", {"Count": "٤٢"}, {"count": 42}, False),
    ("a text of digits with a point", {"Region": "42.0"}, {"region": "42"}, False),
    ("true", {"Loud": "true"}, {"loud": True}, True),
    ("true as a number", {"Loud": "1"}, {"loud": True}, False),
    ("an argument that is not annotated", {"Free": "x"}, {"free": "y"}, True),
]


@pytest.mark.parametrize(("why", "shown", "sent", "fine"), CASES, ids=[each[0] for each in CASES])
def test_header_and_argument_say_the_same_or_neither_is_there(
    why: str, shown: dict[str, str], sent: dict[str, object], *, fine: bool
) -> None:
    made = {f"Mcp-Param-{name}": value for name, value in shown.items()}
    theirs = inbound.validate_mcp_param_headers(SCHEMA, sent, made)
    assert (theirs is None) == fine, why
    found = judged(made, sent)
    assert (found is None) == fine, why
    if found is not None:
        assert (found.status, found.code, found.id) == (400, HEADER_MISMATCH, 7)


def test_a_path_is_where_the_argument_is() -> None:
    assert Wanted(("inner", "name"), "Inner-Name", "string") in wanted(SCHEMA)
    assert built(wanted(SCHEMA), {"inner": {"name": "ä"}}) == {"mcp-param-inner-name": "=?base64?w6Q=?="}


def test_a_thousand_param_headers_are_refused() -> None:
    with pytest.raises(Refused):
        read([(f"mcp-param-{each}".encode(), b"1") for each in range(1000)])


def judged(made: Mapping[str, str], arguments: Mapping[str, object]) -> Refused | None:
    found = read([(name.lower().encode(), value.encode()) for name, value in made.items()])
    try:
        agree(found, wanted(SCHEMA), arguments, 7)
    except Refused as refused:
        return refused
    return None
