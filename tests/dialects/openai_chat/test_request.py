# SPDX-License-Identifier: Apache-2.0
"""The request is an allow-list: every field the SDK knows is accepted or refused by name, and a reviewer sees which."""

import json
from typing import Any, Final

import pytest
from openai.types.chat import completion_create_params
from tests.golden.golden import check_golden

from customhouse.dialects.bounds import MAX_MESSAGES, MAX_TOOLS
from customhouse.dialects.openai_chat import request as dialect
from customhouse.dialects.openai_chat.request import ChatRequest
from customhouse.domain.errors import DuplicateKey, FieldNotAllowed, InvalidRequest
from customhouse.domain.message import (
    Audio,
    File,
    Image,
    Inline,
    Link,
    Message,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolOffer,
    ToolResult,
)
from customhouse.domain.request import Form, NamedTool, Request

Json = dict[str, Any]
USER: Final[Json] = {"role": "user", "content": "hi"}
OURS: Final = frozenset(ChatRequest.__struct_fields__)
THEIRS: Final = frozenset(completion_create_params.CompletionCreateParamsStreaming.__annotations__)


def body(**fields: object) -> bytes:
    return json.dumps({"model": "support", "messages": [USER], **fields}).encode()


def read(**fields: object) -> Request:
    return dialect.read(body(**fields))


def test_every_field_of_the_sdk_is_accepted_or_refused_and_the_list_is_reviewed() -> None:
    """A new version of the SDK brings new fields: they show up here as refused, and somebody looks at them."""
    assert OURS <= THEIRS, "we accept nothing that the SDK does not send"
    lines = [f"{name:<24}{'accepted' if name in OURS else 'refused'}\n" for name in sorted(THEIRS)]
    check_golden("chat-request-fields.txt", "".join(lines))


@pytest.mark.parametrize("name", sorted(THEIRS - OURS))
def test_a_refused_field_is_refused_whatever_it_holds(name: str) -> None:
    values: tuple[object, ...] = (None, True, {"a": 1}, ["a"], "auto")
    for value in values:
        with pytest.raises(FieldNotAllowed, match=rf"`{name}` is not a field this gateway accepts") as caught:
            read(**{name: value})
        assert caught.value.param == name


VALID: Final[Json] = {
    "model": "support",
    "messages": [USER],
    "tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "object"}, "strict": True}}],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}},
    "stream": True,
    "stream_options": {"include_usage": True},
    "max_tokens": 1,
    "max_completion_tokens": 1,
    "stop": ["\n"],
    "user": "ada",
    "metadata": {"name": "Ada"},
    "n": 1,
    "temperature": 0.5,
    "top_p": 1,
    "seed": 7,
    "frequency_penalty": 0,
    "presence_penalty": -0.5,
    "reasoning_effort": "low",
}


@pytest.mark.parametrize("name", sorted(OURS))
def test_an_accepted_field_is_read(name: str) -> None:
    assert getattr(dialect.decoded(body(**{name: VALID[name]})), name) is not None
    if name not in {"model", "messages"}:
        assert read(**{name: None}) == read(), "null is as good as absent: SDKs send it"


def test_all_of_them_together() -> None:
    request = dialect.read(json.dumps(VALID).encode())
    assert (request.streamed, request.wants_usage, request.must_call, request.needs_form) == (True, True, False, True)
    assert request.offers == (ToolOffer("a", None, '{"type": "object"}', True),)  # noqa: FBT003 - the field's own value
    assert (request.tool_choice, request.parallel_tool_calls) == ("auto", False)
    assert request.form == Form(schema="{}", name="x")
    assert (request.max_tokens, request.stop, request.variables) == (1, ("\n",), {"name": "Ada"})
    assert request.sampling == {
        "temperature": 0.5,
        "top_p": 1,
        "seed": 7,
        "frequency_penalty": 0,
        "presence_penalty": -0.5,
        "reasoning_effort": "low",
    }


INVALID: list[tuple[str, Json]] = [
    ("no messages", {"messages": []}),
    ("too many messages", {"messages": [USER] * (MAX_MESSAGES + 1)}),
    ("no model", {"model": None}),
    ("several answers", {"n": 2}),
    ("tokens without end", {"max_tokens": -1}),
    ("no tokens", {"max_completion_tokens": 0}),
    ("a temperature in text", {"temperature": "0.2"}),
    ("too many tools", {"tools": [{"function": {"name": f"t{number}"}} for number in range(MAX_TOOLS + 1)]}),
    ("two tools of one name", {"tools": [{"function": {"name": "a"}}, {"function": {"name": "a"}}]}),
    ("a tool of another type", {"tools": [{"type": "custom", "function": {"name": "a"}}]}),
    ("a choice of several tools", {"tool_choice": {"type": "allowed_tools", "function": {"name": "a"}}}),
    ("metadata that is no text", {"metadata": {"a": 1}}),
    ("an unknown role", {"messages": [{"role": "function", "content": "x"}]}),
    ("a message without content", {"messages": [{"role": "user"}]}),
    ("a tool message without its call", {"messages": [{"role": "tool", "content": "x"}]}),
    ("a tool message with an empty call", {"messages": [{"role": "tool", "content": "x", "tool_call_id": ""}]}),
    ("a user who refuses", {"messages": [{"role": "user", "content": "x", "refusal": "no"}]}),
    (
        "a user who calls tools",
        {"messages": [{**USER, "tool_calls": [{"id": "1", "function": {"name": "a", "arguments": ""}}]}]},
    ),
    ("a legacy call in the history", {"messages": [{"role": "assistant", "function_call": {"name": "a"}}]}),
    ("audio in the history", {"messages": [{"role": "assistant", "content": "x", "audio": {"id": "1"}}]}),
    ("reasoning of a user", {"messages": [{**USER, "reasoning_content": "hm"}]}),
    (
        "sound as a tool's result",
        {
            "messages": [
                {
                    "role": "tool",
                    "tool_call_id": "1",
                    "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}],
                }
            ]
        },
    ),
    (
        "a file that is elsewhere",
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": "https://a.test/x"}}]}]},
    ),
    ("a schema that is not there", {"response_format": {"type": "json_schema"}}),
    ("annotations in the history", {"messages": [{"role": "assistant", "content": "x", "annotations": [{}]}]}),
    ("a content part of an unknown type", {"messages": [{"role": "user", "content": [{"type": "video"}]}]}),
]


@pytest.mark.parametrize(("what", "fields"), INVALID, ids=[row[0] for row in INVALID])
def test_an_invalid_request_is_refused(what: str, fields: Json) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert not isinstance(caught.value, FieldNotAllowed), what
    assert "\ufffd" not in caught.value.detail


HIDDEN: list[tuple[str, Json, str]] = [
    ("in a message", {"messages": [{**USER, "cache_control": {}}]}, "messages[0].cache_control"),
    (
        "in a part",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "extra": 1}]}]},
        "messages[0].content[0].extra",
    ),
    ("a file by its id", {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}, ""),
    ("in a tool", {"tools": [{"function": {"name": "a"}, "server_url": "x"}]}, "tools[0].server_url"),
    ("in a tool's function", {"tools": [{"function": {"name": "a", "x": 1}}]}, "tools[0].function.x"),
    ("in stream options", {"stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation"),
    ("in a choice", {"tool_choice": {"function": {"name": "a"}, "mode": "x"}}, "tool_choice.mode"),
    ("with a backtick in its name", {"a`b": 1}, ""),
]


@pytest.mark.parametrize(("where", "fields", "param"), HIDDEN, ids=[row[0] for row in HIDDEN])
def test_a_field_that_hides_deeper_is_refused_with_its_place(where: str, fields: Json, param: str) -> None:
    with pytest.raises(FieldNotAllowed) as caught:
        read(**fields)
    assert caught.value.param, where
    assert not param or caught.value.param == param


BROKEN = [
    ("a repeated key", b'{"model":"a","model":"b","messages":[]}', DuplicateKey),
    (
        "a repeated key in a tool's schema",
        body()[:-1] + b',"tools":[{"function":{"name":"a","parameters":{"x":1,"x":2}}}]}',
        DuplicateKey,
    ),
    ("no JSON", b"{", InvalidRequest),
    ("no object", b"[]", InvalidRequest),
    (
        "a surrogate as bytes in a tool's schema",
        body()[:-1] + b',"tools":[{"function":{"name":"a","parameters":{"x":"\xed\xa0\x80"}}}]}',
        InvalidRequest,
    ),
    ("a surrogate as bytes in text", body()[:-1] + b',"user":"\xed\xa0\x80"}', InvalidRequest),
    ("a lone surrogate in text", body()[:-1] + rb',"user":"\ud800"}', InvalidRequest),
    (
        "a number no parser holds",
        body()[:-1] + b',"response_format":{"type":"json_schema","json_schema":{"a":1e999}}}',
        InvalidRequest,
    ),
]


@pytest.mark.parametrize(("what", "content", "error"), BROKEN, ids=[row[0] for row in BROKEN])
def test_what_cannot_be_read_one_way_only_is_refused(what: str, content: bytes, error: type[InvalidRequest]) -> None:
    with pytest.raises(error) as caught:
        dialect.read(content)
    assert type(caught.value) is error, what


def test_the_conversation_is_read_into_the_domains_values() -> None:
    history: list[Json] = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "u"}}],
        },
        {
            "role": "assistant",
            "content": None,
            "parsed": None,
            "tool_calls": [
                {
                    "id": "1",
                    "index": 0,
                    "type": "function",
                    "function": {"name": "a", "arguments": "{}", "parsed_arguments": {"not": "read"}},
                }
            ],
        },
        {"role": "tool", "content": "done", "tool_call_id": "1"},
        {"role": "assistant", "content": None, "refusal": "I cannot.", "annotations": [], "audio": None},
        {"role": "assistant", "content": "Yes.", "reasoning_content": "hm"},
        {
            "role": "user",
            "name": "ada",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"}},
            ],
        },
    ]
    assert read(messages=history).messages == (
        Message("system", (Text("Be brief."),), place="messages.0"),
        Message("user", (Text("look"), Image(Link("u"))), place="messages.1"),
        Message("assistant", (ToolCall("1", "a", "{}"),), place="messages.2"),
        Message("tool", (ToolResult("1", (Text("done"),)),), place="messages.3"),
        Message("assistant", (Refusal("I cannot."),), place="messages.4"),
        Message("assistant", (Reasoning(text="hm"), Text("Yes.")), place="messages.5"),
        Message(
            "user",
            (
                Image(Inline("image/png", "aGk="), "low"),
                Audio("aGk=", "wav"),
                File(Inline("application/pdf", "aGk="), "a.pdf"),
            ),
            name="ada",
            place="messages.6",
        ),
    )


def test_the_tools_are_read_as_they_were_written() -> None:
    tools: list[Json] = [
        {"function": {"name": "a"}},
        {
            "type": "function",
            "function": {"name": "b", "description": "B", "parameters": {"type": "object"}, "strict": True},
        },
    ]
    assert read(tools=tools).offers == (
        ToolOffer("a", None, None, None),
        ToolOffer("b", "B", '{"type": "object"}', True),  # noqa: FBT003 - the field's own value
    )
    assert read().offers == ()
    assert read(tool_choice={"type": "function", "function": {"name": "b"}}).tool_choice == NamedTool("b")


FORMS: list[tuple[Json, bool, bool]] = [
    ({}, False, False),
    ({"tool_choice": "none"}, False, False),
    ({"tool_choice": "required"}, True, True),
    ({"tool_choice": {"type": "function", "function": {"name": "a"}}}, True, True),
    ({"response_format": {"type": "text"}}, False, False),
    ({"response_format": {"type": "json_object"}}, False, True),
]


@pytest.mark.parametrize(("fields", "must_call", "needs_form"), FORMS)
def test_what_a_sentence_cannot_stand_in_for(fields: Json, must_call: bool, needs_form: bool) -> None:  # noqa: FBT001 - rows
    request = read(**fields)
    assert (request.must_call, request.needs_form) == (must_call, needs_form)
