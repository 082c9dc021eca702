# SPDX-License-Identifier: Apache-2.0
"""A message is read in one way or not at all, and what is passed on is passed on byte for byte."""

import json
from typing import Any

import mcp_types
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mcp_types.jsonrpc import jsonrpc_message_adapter

from customhouse.dialects.mcp import message
from customhouse.dialects.mcp.message import MAX_DEPTH, MAX_ID, MAX_ID_CHARACTERS, Call, Note, Response, read
from customhouse.dialects.mcp.refused import INVALID_REQUEST, PARSE_ERROR, Id, Refused

IDS: st.SearchStrategy[Id] = st.integers(-MAX_ID, MAX_ID) | st.text(max_size=20)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)
OBJECTS = st.dictionaries(st.text(max_size=5), VALUES, max_size=5)

UNREADABLE = [
    ("nothing", b""),
    ("not JSON", b"{"),
    ("NaN", b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"x":NaN}}'),
    ("a number that is infinite to most parsers", b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"x":1e999}}'),
    ("a method twice", b'{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}'),
    ("a name twice, far inside", b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"name":"a","n\\u0061me":"b"}}'),
    ("half a surrogate pair", b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"x":"\\ud800"}}'),
    ("half a surrogate pair in a key", b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"\\uDFFF":1}}'),
    ("UTF-16", '{"jsonrpc":"2.0","id":1,"method":"m"}'.encode("utf-16")),
    ("too many levels", b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"x":%b}}' % (b"[" * 200 + b"]" * 200)),
    ("levels beyond the parser's own", b"[" * 100_000),
    ("two messages", b'{"jsonrpc":"2.0","id":1,"method":"m"}{"jsonrpc":"2.0","id":2,"method":"m"}'),
]
INVALID = [
    ("a batch", b'[{"jsonrpc":"2.0","id":1,"method":"m"}]', None),
    ("an empty batch", b"[]", None),
    ("a text", b'"initialize"', None),
    ("no version", b'{"id":1,"method":"m"}', 1),
    ("another version", b'{"jsonrpc":"1.0","id":1,"method":"m"}', 1),
    ("the version as a number", b'{"jsonrpc":2.0,"id":1,"method":"m"}', 1),
    ("no id but null", b'{"jsonrpc":"2.0","id":null,"method":"m"}', None),
    ("an id with a point", b'{"jsonrpc":"2.0","id":1.0,"method":"m"}', None),
    ("an id with an exponent", b'{"jsonrpc":"2.0","id":1e0,"method":"m"}', None),
    ("an id that is true", b'{"jsonrpc":"2.0","id":true,"method":"m"}', None),
    ("an id that is an object", b'{"jsonrpc":"2.0","id":{},"method":"m"}', None),
    ("an id beyond 64 bits", b'{"jsonrpc":"2.0","id":9223372036854775808,"method":"m"}', None),
    ("an endless id", b'{"jsonrpc":"2.0","id":"%b","method":"m"}' % (b"x" * (MAX_ID_CHARACTERS + 1)), None),
    ("no method, no result", b'{"jsonrpc":"2.0","id":"a"}', "a"),
    ("no method as text", b'{"jsonrpc":"2.0","id":1,"method":7}', 1),
    ("an empty method", b'{"jsonrpc":"2.0","id":1,"method":""}', 1),
    ("an endless method", b'{"jsonrpc":"2.0","id":1,"method":"%b"}' % (b"m" * 200), 1),
    ("a request and an answer", b'{"jsonrpc":"2.0","id":1,"method":"m","result":{}}', 1),
    ("a result and an error", b'{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}', 1),
    ("parameters by place", b'{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}', 1),
    ("a result to nobody", b'{"jsonrpc":"2.0","result":{}}', None),
    ("a result that is no object", b'{"jsonrpc":"2.0","id":1,"result":7}', 1),
    ("a result that is null", b'{"jsonrpc":"2.0","id":1,"result":null}', 1),
    ("an error without a code", b'{"jsonrpc":"2.0","id":1,"error":{"message":"x"}}', 1),
    ("an error whose code is true", b'{"jsonrpc":"2.0","id":1,"error":{"code":true,"message":"x"}}', 1),
]


@pytest.mark.parametrize(("why", "body"), UNREADABLE, ids=[why for why, _ in UNREADABLE])
def test_what_two_parsers_could_read_differently_is_refused(why: str, body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        read(body)
    assert (refused.value.status, refused.value.code, refused.value.id) == (400, PARSE_ERROR, None), why


@pytest.mark.parametrize(("why", "body", "request_id"), INVALID, ids=[why for why, _, _ in INVALID])
def test_what_is_no_message_is_refused_with_the_id_it_had(why: str, body: bytes, request_id: Id | None) -> None:
    with pytest.raises(Refused) as refused:
        read(body)
    assert (refused.value.status, refused.value.code, refused.value.id) == (400, INVALID_REQUEST, request_id), why
    answer = json.loads(message.refusal(refused.value))
    assert answer["id"] == request_id
    mcp_types.JSONRPCError.model_validate(answer)


def test_the_size_and_the_depth_are_bounded_exactly() -> None:
    body = message.request(1, "m", {})
    assert isinstance(read(body, limit=len(body)), Call)
    with pytest.raises(Refused) as refused:
        read(body, limit=len(body) - 1)
    assert refused.value.status == 413
    inside = MAX_DEPTH - 2  # the message and its parameters are two levels

    def nested(levels: int) -> bytes:
        return b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"x":%b}}' % (b"[" * levels + b"]" * levels)

    assert isinstance(read(nested(inside)), Call)
    with pytest.raises(Refused, match="levels"):
        read(nested(inside + 1))


@given(IDS, st.text(min_size=1, max_size=20), OBJECTS)
@example(2**63 - 1, "tools/call", {"arguments": {"amount": 0.1, "big": 2**80}})
def test_a_request_comes_back_as_it_was(request_id: Id, method: str, params: dict[str, Any]) -> None:
    written = message.request(request_id, method, params)
    found = read(written)
    assert isinstance(found, Call)
    assert (found.id, type(found.id), found.method, found.params) == (request_id, type(request_id), method, params)
    assert message.request(found.id, found.method, found.members) == written
    assert json.loads(jsonrpc_message_adapter.validate_json(written).model_dump_json())["id"] == request_id


@given(st.text(min_size=1, max_size=20), st.none() | OBJECTS)
def test_a_notification_comes_back_as_it_was(method: str, params: dict[str, Any] | None) -> None:
    written = message.notification(method, params)
    found = read(written)
    assert found == Note(method, params or {}, found.members if isinstance(found, Note) else {})
    assert isinstance(jsonrpc_message_adapter.validate_json(written), mcp_types.JSONRPCNotification)


@given(IDS, OBJECTS)
def test_a_result_comes_back_as_it_was(request_id: Id, value: dict[str, Any]) -> None:
    written = message.result(request_id, value)
    found = read(written)
    assert isinstance(found, Response)
    assert (found.id, found.result, found.failure) == (request_id, value, None)
    assert message.result(request_id, found.members) == written


@given(IDS | st.none(), st.integers(-40_000, 40_000), st.text(max_size=20), st.none() | OBJECTS)
def test_an_error_comes_back_as_it_was(request_id: Id | None, code: int, text: str, data: object) -> None:
    found = read(message.error(request_id, code, text, data))
    assert isinstance(found, Response)
    assert found.failure is not None
    assert (found.id, found.failure.code, found.failure.message) == (request_id, code, text)
    assert data is None or msgspec.json.decode(found.failure.data or b"") == data


def test_an_error_that_cannot_say_which_request_it_answers_may_leave_the_id_out() -> None:
    found = read(b'{"jsonrpc":"2.0","error":{"code":-32600,"message":"no"}}')
    assert isinstance(found, Response)
    assert found.id is None


SPELLED = [
    (b"1.0", b"1.0"),
    (b"1e2", b"1e2"),
    (b"0.1000000000000000055511151231257827", b"0.1000000000000000055511151231257827"),
    (b"123456789012345678901234567890", b"123456789012345678901234567890"),
    (b"-0.0", b"-0.0"),
    (b'"\\u0041\\n"', b'"\\u0041\\n"'),
    (b'{"b" : 1,\r\n\t"a": [ ]}', b'{"b" : 1,"a": [ ]}'),
]


@pytest.mark.parametrize(("sent", "passed"), SPELLED)
def test_a_value_that_is_passed_on_keeps_its_spelling_but_for_line_breaks(sent: bytes, passed: bytes) -> None:
    found = read(b'{"jsonrpc":"2.0",\n"id":1,"method":"m","params":\n{"x":\t' + sent + b"\n}}")
    assert isinstance(found, Call)
    assert message.request(1, "m", found.members) == (
        b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"x":' + passed + b"}}"
    )


def test_a_call_laid_out_over_lines_is_one_line_on_the_way_to_a_stdio_server() -> None:
    smuggled = '{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"refund"}}'
    body = f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"arguments":[\n{smuggled}\n]}}}}'
    found = read(body.encode())
    assert isinstance(found, Call)
    assert message.request(found.id, found.method, found.members).splitlines() == [
        body.replace("\n", "").encode().replace(b'"id":1', b'"id":1')
    ]


def test_members_beside_those_of_the_protocol_do_not_pass() -> None:
    found = read(b'{"jsonrpc":"2.0","id":1,"method":"m","extra":{"x":1},"params":null}')
    assert found == Call(1, "m", {}, {})


def test_a_refusal_takes_the_id_that_the_reader_knows() -> None:
    unknown, known = Refused(400, INVALID_REQUEST, "no"), Refused(400, INVALID_REQUEST, "no", None, 7)
    assert json.loads(message.refusal(unknown, "a"))["id"] == "a"
    assert json.loads(message.refusal(known, "a"))["id"] == 7
    assert b"data" not in message.refusal(known)


BODY = (
    b'{"jsonrpc":"2.0","id":"a","method":"tools/call",'
    b'"params":{"name":"\\u00e4\xc3\xa4","arguments":{"x":[1.5,-0,1e3,null]}}}'
)


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(BODY)),
            st.integers(0, 6),
            st.sampled_from([b"", b"\n", b'"', b"\\", b"{", b"}", b",", b":", b"\xff", b"\\ud800", b"[1]", b'"id":2,'])
            | st.binary(max_size=3),
        ),
        max_size=4,
    )
)
def test_a_damaged_body_is_read_by_both_parsers_alike_or_refused(damage: list[tuple[int, int, bytes]]) -> None:
    body = BODY
    for place, cut, put in damage:
        body = body[:place] + put + body[place + cut :]
    try:
        found = read(body)
    except Refused:
        return
    if isinstance(found, Call | Note):
        assert json.loads(message.notification("m", found.members)).get("params", {}) == found.params
        assert b"\n" not in message.notification("m", found.members)
