# SPDX-License-Identifier: Apache-2.0
"""What a server asks of a client passes whole or not at all, and so does what the client answers."""

import json
from typing import Any

import pytest
from mcp_types import methods

from customhouse.dialects.mcp import message
from customhouse.dialects.mcp.input_required import MAX_REQUESTS, MAX_STATE_CHARACTERS, answered, required
from customhouse.dialects.mcp.message import Call, Response
from customhouse.dialects.mcp.refused import INVALID_PARAMS, Refused
from customhouse.domain.errors import UpstreamFailed

FORM = {
    "method": "elicitation/create",
    "params": {"message": "Who?", "requestedSchema": {"type": "object", "properties": {"age": {"type": "integer"}}}},
}
ROOTS = {"method": "roots/list"}


def answer(value: dict[str, Any]) -> Response:
    found = message.read(message.result(1, value))
    assert isinstance(found, Response)
    return found


def call(params: dict[str, Any]) -> Call:
    found = message.read(message.request(1, "tools/call", params))
    assert isinstance(found, Call)
    return found


@pytest.mark.parametrize(
    ("asked", "capabilities"),
    [
        ({"inputRequests": {"who": FORM, "where": ROOTS}, "requestState": "s"}, {"elicitation", "roots"}),
        ({"inputRequests": {"who": FORM}}, {"elicitation"}),
        ({"requestState": "s"}, set[str]()),
        ({"inputRequests": {}, "requestState": ""}, set[str]()),
    ],
)
def test_what_is_asked_passes_whole(asked: dict[str, Any], capabilities: set[str]) -> None:
    found = required(answer({"resultType": "input_required", **asked}))
    assert found is not None
    assert found.capabilities() == capabilities
    said = json.loads(message.result(1, found.result()))["result"]
    assert said == {"resultType": "input_required", **{key: asked[key] for key in asked if asked[key] != {}}}
    methods.validate_server_result("tools/call", "2026-07-28", said)


def test_numbers_in_what_is_asked_keep_their_spelling() -> None:
    body = (
        b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":'
        b'{"a":{"method":"sampling/createMessage","params":{"temperature":1.0e-1}}}}}'
    )
    found = message.read(body)
    assert isinstance(found, Response)
    asked = required(found)
    assert asked is not None
    assert message.result(1, asked.result()) == body


def test_a_complete_result_asks_for_nothing() -> None:
    assert required(answer({"content": []})) is None
    assert required(answer({"content": [], "resultType": "complete"})) is None


BAD: list[tuple[str, dict[str, Any]]] = [
    ("nothing asked for", {}),
    ("requests that are a list", {"inputRequests": [FORM]}),
    ("requests that are null", {"inputRequests": None}),
    ("a state that is no text", {"inputRequests": {"a": FORM}, "requestState": 7}),
    ("an endless state", {"requestState": "x" * (MAX_STATE_CHARACTERS + 1)}),
    ("too many requests", {"inputRequests": {str(each): FORM for each in range(MAX_REQUESTS + 1)}}),
    ("a request without a name", {"inputRequests": {"": FORM}}),
    ("a request that is a text", {"inputRequests": {"a": "elicitation/create"}}),
    ("a request without a method", {"inputRequests": {"a": {}}}),
    ("a request for something else", {"inputRequests": {"a": {"method": "tools/call"}}}),
]


@pytest.mark.parametrize(("why", "asked"), BAD, ids=[why for why, _ in BAD])
def test_what_the_protocol_does_not_have_is_the_servers_failure(why: str, asked: dict[str, Any]) -> None:
    with pytest.raises(UpstreamFailed):
        required(answer({"resultType": "input_required", **asked}))
    assert why


def test_a_client_sends_its_answers_with_the_request_again() -> None:
    accepted = {"who": {"action": "accept", "content": {"age": 7}}}
    found = answered(call({"name": "a", "inputResponses": accepted, "requestState": "s"}))
    assert found is not None
    assert (found.responses, found.state) == (accepted, "s")
    assert bytes(found.members["who"]) == b'{"action":"accept","content":{"age":7}}'
    alone = answered(call({"name": "a", "requestState": "s"}))
    assert alone is not None
    assert (alone.responses, alone.state) == ({}, "s")
    assert answered(call({"name": "a"})) is None


SHAPES: list[dict[str, Any]] = [
    {"inputResponses": []},
    {"inputResponses": {"a": "accept"}},
    {"inputResponses": {str(each): {} for each in range(MAX_REQUESTS + 1)}},
    {"requestState": 7},
    {"requestState": "x" * (MAX_STATE_CHARACTERS + 1)},
]


@pytest.mark.parametrize("params", SHAPES)
def test_answers_of_another_shape_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        answered(call({"name": "a", **params}))
    assert (refused.value.code, refused.value.id) == (INVALID_PARAMS, 1)
