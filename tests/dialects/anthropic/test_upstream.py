# SPDX-License-Identifier: Apache-2.0
"""What a provider is asked means what was decided: written and read back the same, or refused by its place."""

import json
from typing import Any, Final

import pytest
from anthropic.types import message_create_params
from hypothesis import given, settings
from msgspec.structs import replace
from pydantic import TypeAdapter
from tests.dialects.anthropic.values import conversations, requests

from customhouse.dialects.anthropic import request as client
from customhouse.dialects.anthropic import upstream as dialect
from customhouse.dialects.anthropic.upstream import DEFAULT_MAX_TOKENS
from customhouse.domain.errors import Inexpressible
from customhouse.domain.message import (
    Audio,
    File,
    Image,
    Inline,
    Link,
    Message,
    Part,
    Reasoning,
    Refusal,
    Role,
    Seal,
    Text,
    ToolCall,
    ToolOffer,
    ToolResult,
    WebCitation,
)
from customhouse.domain.request import Form, Request

Json = dict[str, Any]
PARAMS: Final = TypeAdapter(message_create_params.MessageCreateParamsStreaming)
HI: Final = Message("user", (Text("hi"),))


def sent(*messages: Message, **fields: object) -> Json:
    asked = replace(Request(model="claude", messages=messages or (HI,)), **fields)
    return json.loads(dialect.body(asked, ()))


def unplaced(request: Request) -> Request:
    """Return a request without where its messages stood, which a reader adds."""
    return replace(request, messages=tuple(replace(each, place="") for each in request.messages))


@given(requests())
@settings(deadline=None)
def test_what_is_written_is_read_back_as_the_same(request: Request) -> None:
    assert unplaced(client.read(dialect.body(request, ()))) == _read_back(request)


def _read_back(request: Request) -> Request:
    """Return a request as this dialect says it: which tool is called, and how many at once, are one field there."""
    if request.tool_choice is None and request.parallel_tool_calls is not None:
        return replace(unplaced(request), tool_choice="auto")
    return unplaced(request)


@given(requests())
@settings(deadline=None, max_examples=50)
def test_the_sdk_would_send_it(request: Request) -> None:
    """Pydantic checks the SDK's own types. It lists sampling no more, and counts a system's blocks as iterables."""
    body = json.loads(dialect.body(request, ()))
    for name in ("temperature", "top_p", "top_k"):
        body.pop(name, None)
    PARAMS.validate_python({**body, "stream": True}, extra="forbid")


@given(conversations())
@settings(deadline=None, max_examples=50)
def test_what_is_counted_is_what_would_be_sent(messages: tuple[Message, ...]) -> None:
    request = Request(model="claude", messages=messages, offers=(ToolOffer("a", None, None),))
    counted, body = json.loads(dialect.count_body(request)), json.loads(dialect.body(request, ()))
    assert {**counted, "max_tokens": DEFAULT_MAX_TOKENS} == body


def test_our_prompt_is_the_system_prompt_and_neighbours_of_one_role_are_one_message() -> None:
    body = sent(
        Message("system", (Text("Ours."),)),
        Message("user", (Text("a"),)),
        Message("user", (Text("b"),)),
        Message("assistant", (ToolCall("1", "look", '{"n": 1.50}'), ToolCall("2", "look", "{}"))),
        Message("tool", (ToolResult("1", (Text("x"),)),)),
        Message("tool", (ToolResult("2", (), failed=True),)),
        Message("user", (Text(""), Text("c"))),
    )
    assert body["system"] == [{"type": "text", "text": "Ours."}]
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in body["messages"][2]["content"]] == ["tool_result", "tool_result", "text"]
    assert body["messages"][2]["content"][1] == {
        "type": "tool_result",
        "tool_use_id": "2",
        "content": [],
        "is_error": True,
    }


def test_arguments_travel_as_the_model_wrote_them() -> None:
    request = Request(model="m", messages=(Message("assistant", (ToolCall("1", "a", '{"n": 1.50, "big": 1e400}'),)),))
    with pytest.raises(Inexpressible):
        dialect.body(request, ())
    request = Request(model="m", messages=(Message("assistant", (ToolCall("1", "a", '{"n": 1.50}'),)),))
    assert b'"input":{"n": 1.50}' in dialect.body(request, ())


def test_no_arguments_are_an_empty_object() -> None:
    body = sent(Message("assistant", (ToolCall("1", "a", " "),)))
    assert body["messages"][0]["content"][0]["input"] == {}


def test_a_bound_is_always_told() -> None:
    assert sent()["max_tokens"] == DEFAULT_MAX_TOKENS
    assert sent(max_tokens=7)["max_tokens"] == 7


def test_a_tool_without_arguments_takes_an_empty_object() -> None:
    assert sent(offers=(ToolOffer("a", None, None),))["tools"] == [
        {"name": "a", "input_schema": {"type": "object", "properties": {}}}
    ]


def test_a_refusal_in_the_history_is_what_the_model_said() -> None:
    body = sent(HI, Message("assistant", (Refusal("No."),)))
    assert body["messages"][1] == {"role": "assistant", "content": [{"type": "text", "text": "No."}]}


ELSEWHERE: Final = Seal(dialect="openai_responses", value="x")


@pytest.mark.parametrize(
    ("role", "part", "param"),
    [
        ("user", Audio("aGk=", "wav"), "messages.4.content.0"),
        ("user", Image(Link("u"), "high"), "messages.4.content.0.detail"),
        ("user", Image(Inline("image/tiff", "aGk=")), "messages.4.content.0"),
        ("user", File(Inline("text/csv", "aGk=")), "messages.4.content.0"),
        ("assistant", Text("t", (WebCitation(url="u"),)), "messages.4.content.0.citations"),
        ("assistant", ToolCall("1", "a", "[]"), "messages.4.content.0"),
        ("assistant", ToolCall("1", "a", '{"n":1,"n":2}'), "messages.4.content.0"),
        ("assistant", ToolCall("1", "a", '{"n":'), "messages.4.content.0"),
        ("assistant", Reasoning(text="Hm."), "messages.4.content.0"),
        ("assistant", Reasoning(text="Hm.", seal=ELSEWHERE), "messages.4.content.0"),
    ],
    ids=str,
)
def test_a_part_that_cannot_be_said_is_refused_by_its_place(role: Role, part: Part, param: str) -> None:
    with pytest.raises(Inexpressible) as caught:
        sent(HI, Message(role, (part,), None, "messages.4"))
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        *[({"sampling": {name: 1}}, name) for name in ("seed", "frequency_penalty", "presence_penalty", "unheard")],
        ({"sampling": {"temperature": 1.5}}, "temperature"),
        ({"sampling": {"reasoning_effort": "minimal"}}, "reasoning_effort"),
        ({"sampling": {"reasoning_summary": "auto"}}, "reasoning_summary"),
        ({"sampling": {"reasoning_summary": "detailed", "thinking_tokens": 1024}}, "reasoning_summary"),
        ({"form": Form()}, "response_format"),
        ({"form": Form(schema="{}", description="d")}, "response_format.description"),
        ({"offers": (ToolOffer("a.b", None, None),)}, "tools"),
    ],
    ids=str,
)
def test_a_field_that_cannot_be_said_is_refused_by_name(fields: Json, param: str) -> None:
    with pytest.raises(Inexpressible) as caught:
        sent(**fields)
    assert caught.value.param == param


def test_a_name_cannot_be_said() -> None:
    with pytest.raises(Inexpressible) as caught:
        sent(Message("user", (Text("hi"),), "ada", "messages.0"))
    assert caught.value.param == "messages.0.name"
