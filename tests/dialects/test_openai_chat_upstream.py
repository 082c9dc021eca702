# SPDX-License-Identifier: Apache-2.0
"""Towards a provider goes what was decided and nothing else; from a provider comes what is named and nothing else."""

import json
from typing import Any

import pytest

from customhouse.dialects import openai_chat
from customhouse.dialects import openai_chat_upstream as dialect
from customhouse.domain.digest import MAX_INTEGER
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import Answer, Message, Part, ToolCall, ToolOffer, Usage

Json = dict[str, Any]
CONVERSATION = (Message("system", "Be brief."), Message("user", "hi"))
OFFER = ToolOffer("a", "A", '{"type":"object"}', strict=True)
OUT_TOOL = {
    "type": "function",
    "function": {"name": "a", "description": "A", "parameters": {"type": "object"}, "strict": True},
}
BASE: Json = {
    "model": "gpt",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
}


def sent(
    tools: tuple[ToolOffer, ...] = (),
    sampling: dialect.Sampling | None = None,
    conversation: tuple[Message, ...] = CONVERSATION,
    **fields: object,
) -> Json:
    """Return the body that goes out for a client's request."""
    asked = {"model": "support", "messages": [{"role": "user", "content": "not this"}], **fields}
    request = openai_chat.read(json.dumps(asked).encode())
    return json.loads(dialect.body(request, "gpt", conversation, tools, sampling or {}))


SENT: list[tuple[str, Json, Json]] = [
    # why, what is passed in, what goes out besides the model and the conversation
    ("nothing of a plain request", {}, {}),
    ("the client's name, metadata and count stay here", {"user": "ada", "metadata": {"a": "b"}, "n": 1}, {}),
    ("the client's own sampling stays here", {"temperature": 1.9, "max_tokens": 9}, {}),
    ("what was settled goes out", {"sampling": {"temperature": 0.2, "seed": 7}}, {"temperature": 0.2, "seed": 7}),
    ("what was settled as none does not", {"sampling": {"temperature": None}}, {}),
    ("only tools that are offered", {"tools": (OFFER,)}, {"tools": [OUT_TOOL]}),
    ("no choice among tools when none is offered", {"tool_choice": "required", "parallel_tool_calls": True}, {}),
    ("a choice of one", {"tools": (OFFER,), "tool_choice": "none"}, {"tools": [OUT_TOOL], "tool_choice": "none"}),
    (
        "a choice of one tool",
        {
            "tools": (OFFER,),
            "tool_choice": {"type": "function", "function": {"name": "a"}},
            "parallel_tool_calls": False,
        },
        {
            "tools": [OUT_TOOL],
            "tool_choice": {"type": "function", "function": {"name": "a"}},
            "parallel_tool_calls": False,
        },
    ),
    ("a form", {"response_format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}),
    (
        "a form with its schema",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
    ),
    ("where to stop", {"stop": ["a", "b"]}, {"stop": ["a", "b"]}),
    ("a stream always brings its usage", {"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
    ("no stream", {"stream": False}, {}),
]


@pytest.mark.parametrize(("why", "given", "expected"), SENT, ids=[row[0] for row in SENT])
def test_what_goes_out(why: str, given: Json, expected: Json) -> None:
    assert sent(**given) == {**BASE, **expected}, why


def test_every_kind_of_message_goes_out_as_it_is() -> None:
    conversation = (
        Message("user", (Part("text", b'{"type":"text","text":"look"}'),), name="ada"),
        Message("assistant", None, tool_calls=(ToolCall("1", "a", '{"x": 1}'),)),
        Message("tool", "done", tool_call_id="1"),
    )
    assert sent(conversation=conversation)["messages"] == [
        {"role": "user", "name": "ada", "content": [{"type": "text", "text": "look"}]},
        {
            "role": "assistant",
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "a", "arguments": '{"x": 1}'}}],
        },
        {"role": "tool", "content": "done", "tool_call_id": "1"},
    ]


def whole(message: object = None, **fields: object) -> bytes:
    choice = {"index": 0, "message": message or {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
    return json.dumps({"id": "x", "model": "gpt-1", "choices": [choice], **fields}).encode()


def test_an_answer_is_read_and_what_is_not_named_is_dropped() -> None:
    extras: Json = {
        "timings": {"a": 1},
        "service_tier": "x",
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "x": {}},
    }
    message = {"role": "assistant", "content": "hello", "reasoning_content": "hm", "audio": {"id": "1"}}
    assert dialect.answer(whole(message, system_fingerprint="f", **extras)) == Answer(
        upstream_id="x",
        model="gpt-1",
        fingerprint="f",
        text="hello",
        refusal=None,
        reasoning="hm",
        tool_calls=(),
        finish_reason="stop",
        usage=Usage(3, 4),
    )


EMPTY: Json = {}
CALL: Json = {"id": "c1", "type": "function", "function": {"name": "a", "arguments": "{}"}}
CALLS: list[tuple[str, Json, tuple[ToolCall, ...]]] = [
    ("one call", {"tool_calls": [CALL]}, (ToolCall("c1", "a", "{}"),)),
    ("a call without an id gets one", {"tool_calls": [{"function": {"name": "a"}}]}, (ToolCall("call_0", "a", ""),)),
    ("a call without a function", {"tool_calls": [{"id": "c"}]}, (ToolCall("c", "", ""),)),
    ("the legacy field alone", {"function_call": {"name": "b", "arguments": "{}"}}, (ToolCall("call_0", "b", "{}"),)),
    (
        "the legacy field repeats a call",
        {"tool_calls": [CALL], "function_call": {"name": "a", "arguments": "{}"}},
        (ToolCall("c1", "a", "{}"),),
    ),
    (
        "the legacy field says something else",
        {"tool_calls": [CALL], "function_call": {"name": "b", "arguments": "{}"}},
        (ToolCall("c1", "a", "{}"), ToolCall("call_1", "b", "{}")),
    ),
    (
        "the legacy field has other arguments",
        {"tool_calls": [CALL], "function_call": {"name": "a", "arguments": '{"x":1}'}},
        (ToolCall("c1", "a", "{}"), ToolCall("call_1", "a", '{"x":1}')),
    ),
    ("an empty legacy field", {"function_call": {}}, ()),
]


@pytest.mark.parametrize(("why", "message", "calls"), CALLS, ids=[row[0] for row in CALLS])
def test_every_call_in_whichever_field_is_seen(why: str, message: Json, calls: tuple[ToolCall, ...]) -> None:
    assert dialect.answer(whole(message)).tool_calls == calls, why


BAD = [
    ("no JSON", b"<html>"),
    ("nothing", b""),
    ("no object", b"[]"),
    ("no UTF-8", b'{"id":"\xff","choices":[]}'),
    ("a surrogate as bytes", whole().replace(b"hello", b"\xed\xa0\x80")),
    ("no choice", b'{"choices":[]}'),
    ("choices that are null", b'{"choices":null}'),
    ("several choices", json.dumps({"choices": [{"finish_reason": "stop"}] * 2}).encode()),
    ("no finish_reason", b'{"choices":[{"message":{"content":"x"}}]}'),
    ("an error inside", whole(error={"message": "secret"})),
    ("an error of another shape", whole(error="secret")),
    ("content that is a list", whole({"content": ["x"]})),
    ("arguments that are an object", whole({"tool_calls": [{"function": {"name": "a", "arguments": EMPTY}}]})),
    ("a repeated key in a call", whole({"tool_calls": [CALL]}).replace(b'"name": "a"', b'"name": "a", "name": "b"')),
    ("a repeated tool_calls", whole().replace(b'"content"', b'"tool_calls": [], "tool_calls": null, "content"')),
    ("tokens below zero", whole(usage={"prompt_tokens": -1})),
    ("more tokens than evidence can carry", whole(usage={"completion_tokens": MAX_INTEGER + 1})),
]


@pytest.mark.parametrize(("what", "content"), BAD, ids=[row[0] for row in BAD])
def test_what_is_not_the_dialect_is_the_upstreams_failure(what: str, content: bytes) -> None:
    with pytest.raises(UpstreamFailed, match=r"^the upstream") as caught:
        dialect.answer(content)
    assert caught.value.reason == "upstream.protocol", what
    assert "secret" not in caught.value.detail


def test_an_error_that_is_null_is_none() -> None:
    assert dialect.answer(whole(error=None)).text == "hello"


ERRORS: list[tuple[bytes, str | None]] = [
    (b'{"error":{"message":"no such model"}}', "no such model"),
    (json.dumps({"error": {"message": "x" * 1000}}).encode(), "x" * 300),
    (b'{"error":"no"}', None),
    (b'{"error":{"message":""}}', None),
    (b"{}", None),
    (b"<html>", None),
    (b'{"error":{"message":"\xff"}}', None),
]


@pytest.mark.parametrize(("content", "said"), ERRORS)
def test_a_providers_sentence_is_read_within_bounds(content: bytes, said: str | None) -> None:
    assert dialect.error_message(content) == said
