# SPDX-License-Identifier: Apache-2.0
"""Requests for approval, and what clients say to them: only what is said after the last answer counts."""

import json
from typing import Any, Final

import pytest

from customhouse.dialects.openai_responses.approval import as_asked
from customhouse.dialects.openai_responses.request import read
from customhouse.domain.errors import FieldNotAllowed, InvalidRequest

Json = dict[str, Any]
DECLARED: Final[Json] = {"type": "mcp", "server_label": "customhouse"}
ASKED: Final[Json] = {"role": "user", "content": "Refund order 7."}
SAID: Final[Json] = {"type": "message", "role": "assistant", "content": "[customhouse] held"}
CALL: Final[Json] = {"type": "function_call", "call_id": "c1", "name": "get_order_status", "arguments": "{}"}
OUTPUT: Final[Json] = {"type": "function_call_output", "call_id": "c1", "output": "sent"}


def request(number: int = 1) -> Json:
    shown = {"id": f"d{number}", "name": "issue_refund", "arguments": "{}", "server_label": "customhouse"}
    return {"type": "mcp_approval_request", **shown}


def response(number: int = 1, *, approve: bool = True) -> Json:
    return {"type": "mcp_approval_response", "approval_request_id": f"d{number}", "approve": approve}


def body(*items: Json, **fields: Any) -> bytes:  # noqa: ANN401 - fields of a body
    return json.dumps({"model": "support", "tools": [DECLARED], "input": [*items], **fields}).encode()


READ: Final[list[tuple[str, list[Json], tuple[str, ...], tuple[str, ...]]]] = [
    ("nothing was asked", [ASKED], (), ()),
    ("a yes means: go on", [ASKED, SAID, request(), response()], ("d1",), ()),
    ("a no withdraws", [ASKED, SAID, request(), response(approve=False)], (), ("d1",)),
    (
        "two calls were held",
        [ASKED, request(1), request(2), response(2), response(1, approve=False)],
        ("d2",),
        ("d1",),
    ),
    ("with a result of a call that was passed", [ASKED, CALL, request(), OUTPUT, response()], ("d1",), ()),
    ("what another answer follows is history", [ASKED, request(), response(), CALL, OUTPUT], (), ()),
    ("a request alone says nothing", [ASKED, SAID, request()], (), ()),
]


@pytest.mark.parametrize(("reason", "items", "approvals", "withdrawn"), READ, ids=[row[0] for row in READ])
def test_what_is_said_to_requests(
    reason: str, items: list[Json], approvals: tuple[str, ...], withdrawn: tuple[str, ...]
) -> None:
    found = read(body(*items))
    assert (found.approvals, found.withdrawn) == (approvals, withdrawn), reason
    assert found.shows_held
    assert found.offers == ()
    assert "issue_refund" not in str(found.messages), "no model reads of it"


def test_it_may_continue_a_stored_response() -> None:
    found = read(body(response(), previous_response_id="resp_1"))
    assert (found.messages, found.approvals, found.previous) == ((), ("d1",), "resp_1")
    with pytest.raises(InvalidRequest):
        read(body(response()))


REFUSED: Final[list[tuple[str, bytes, str]]] = [
    ("another server", body(ASKED, tools=[{"type": "mcp", "server_label": "crm"}]), "tools[0].type"),
    ("an address", body(ASKED, tools=[{**DECLARED, "server_url": "https://mallory.test"}]), "tools.0.server_url"),
    ("a token", body(ASKED, tools=[{**DECLARED, "authorization": "secret"}]), "tools.0.authorization"),
    ("a request of another server", body(ASKED, {**request(), "server_label": "crm"}, response()), "input[1]"),
    ("two answers to one request", body(ASKED, request(), response(), response(approve=False)), "input.3"),
]


@pytest.mark.parametrize(("reason", "content", "place"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_refused(reason: str, content: bytes, place: str) -> None:
    with pytest.raises((FieldNotAllowed, InvalidRequest)) as caught:
        read(content)
    assert place.replace("[", ".").replace("]", "") in str(caught.value.param).replace("[", ".").replace("]", ""), (
        reason
    )


AGAIN: Final[list[tuple[str, list[Json], list[Json] | None]]] = [
    ("the answer and what is said to it", [ASKED, SAID, request(), response()], [ASKED]),
    ("an answer with a call that was passed", [ASKED, CALL, request(), OUTPUT, response()], [ASKED]),
    ("a conversation before it", [ASKED, CALL, OUTPUT, SAID, request(), response()], [ASKED, CALL, OUTPUT]),
    ("another question after it", [ASKED, SAID, request(), response(), ASKED], None),
    ("an answer that was never asked for", [request(), response()], None),
    ("no request", [ASKED, response()], None),
]


@pytest.mark.parametrize(("reason", "items", "first"), AGAIN, ids=[row[0] for row in AGAIN])
def test_which_request_is_repeated(reason: str, items: list[Json], first: list[Json] | None) -> None:
    found = as_asked(body(*items))
    assert (None if found is None else json.loads(found)) == (None if first is None else json.loads(body(*first))), (
        reason
    )
