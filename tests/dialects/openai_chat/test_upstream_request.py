# SPDX-License-Identifier: Apache-2.0
"""Towards a provider goes what was decided and nothing else."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from customhouse.dialects.openai_chat import request as client
from customhouse.dialects.openai_chat import upstream_request as dialect
from customhouse.domain.errors import Inexpressible
from customhouse.domain.message import (
    Audio,
    DocumentCitation,
    File,
    Image,
    Inline,
    Link,
    Message,
    Part,
    Plain,
    Reasoning,
    Refusal,
    Seal,
    Text,
    ToolCall,
    ToolOffer,
    ToolResult,
)
from customhouse.domain.request import NOTHING, Number

Json = dict[str, Any]
CONVERSATION = (Message("system", (Text("Be brief."),)), Message("user", (Text("hi"),)))
OFFER = ToolOffer("a", "A", '{"type":"object"}', strict=True)
OUT_TOOL = {
    "type": "function",
    "function": {"name": "a", "description": "A", "parameters": {"type": "object"}, "strict": True},
}
OTHER = ToolOffer("b", None, None)
OUT_OTHER = {"type": "function", "function": {"name": "b"}}
BASE: Json = {
    "model": "gpt",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
}


def sent(
    tools: tuple[ToolOffer, ...] = (),
    sampling: Mapping[str, Number] = NOTHING,
    conversation: tuple[Message, ...] = CONVERSATION,
    features: tuple[str, ...] = (),
    max_tokens: int | None = None,
    **fields: object,
) -> Json:
    """Return the body that goes out for a client's request."""
    asked = {"model": "support", "messages": [{"role": "user", "content": "not this"}], **fields}
    request = replace(
        client.read(json.dumps(asked).encode()),
        model="gpt",
        messages=conversation,
        offers=tools,
        sampling=sampling,
        max_tokens=max_tokens,
    )
    return json.loads(dialect.body(request, features))


SENT: list[tuple[str, Json, Json]] = [
    # why, what is passed in, what goes out besides the model and the conversation
    ("nothing of a plain request", {}, {}),
    ("the client's name, metadata and count stay here", {"user": "ada", "metadata": {"a": "b"}, "n": 1}, {}),
    ("the client's own sampling stays here", {"temperature": 1.9}, {}),
    ("what was settled goes out", {"sampling": {"temperature": 0.2, "seed": 7}}, {"temperature": 0.2, "seed": 7}),
    ("how much may be said", {"max_tokens": 9}, {"max_tokens": 9}),
    (
        "how much may be said, under the newer name",
        {"max_tokens": 9, "features": ("max_completion_tokens",)},
        {"max_completion_tokens": 9},
    ),
    ("only tools that are offered", {"tools": (OFFER,)}, {"tools": [OUT_TOOL]}),
    ("no choice among tools when none is offered", {"tool_choice": "required", "parallel_tool_calls": True}, {}),
    ("a choice of one", {"tools": (OFFER,), "tool_choice": "none"}, {"tools": [OUT_TOOL], "tool_choice": "none"}),
    (
        "a choice of the only tool",
        {
            "tools": (OFFER,),
            "tool_choice": {"type": "function", "function": {"name": "a"}},
            "parallel_tool_calls": False,
        },
        {
            "tools": [OUT_TOOL],
            "tool_choice": "required",
            "parallel_tool_calls": False,
        },
    ),
    (
        "a choice of one tool of several",
        {
            "tools": (OFFER, OTHER),
            "tool_choice": {"type": "function", "function": {"name": "a"}},
            "parallel_tool_calls": False,
        },
        {
            "tools": [OUT_TOOL, OUT_OTHER],
            "tool_choice": {"type": "function", "function": {"name": "a"}},
            "parallel_tool_calls": False,
        },
    ),
    ("a form", {"response_format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}),
    (
        "a form with its schema",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}},
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
        Message(
            "user",
            (
                Text("look"),
                Image(Link("u"), "low"),
                Image(Inline("image/png", "aGk=")),
                Audio("aGk=", "mp3"),
                File(Inline("application/pdf", "aGk="), "a.pdf"),
            ),
            name="ada",
        ),
        Message("assistant", (Reasoning(text="hm"), ToolCall("1", "a", '{"x": 1}'))),
        Message("tool", (ToolResult("1", (Text("done"),)), ToolResult("2", (Text("no"),), failed=True))),
        Message("assistant", (Refusal("I cannot."),)),
    )
    assert sent(conversation=conversation)["messages"] == [
        {
            "role": "user",
            "name": "ada",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "u", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"}},
            ],
        },
        {
            "role": "assistant",
            "reasoning_content": "hm",
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "a", "arguments": '{"x": 1}'}}],
        },
        {"role": "tool", "content": "done", "tool_call_id": "1"},
        {
            "role": "tool",
            "content": [{"type": "text", "text": "[The tool call failed.] "}, {"type": "text", "text": "no"}],
            "tool_call_id": "2",
        },
        {"role": "assistant", "refusal": "I cannot."},
    ]


SEAL = Seal(dialect="anthropic", value="x")
CITED = DocumentCitation(document=0, unit="page", start=1, end=2)
UNTOLD: list[tuple[str, Message, str]] = [
    ("sealed reasoning", Message("assistant", (Reasoning(text="hm", seal=SEAL),)), "messages.7.content.0"),
    ("hidden reasoning", Message("assistant", (Text("a"), Reasoning(redacted=True))), "messages.7.content.1"),
    ("citations", Message("assistant", (Text("a", (CITED,)),)), "messages.7.content.0.citations"),
    ("a document of text", Message("user", (File(Plain("a")),)), "messages.7.content.0.source"),
    ("a document that is elsewhere", Message("user", (File(Link("u")),)), "messages.7.content.0.source"),
    ("a document to cite", Message("user", (File(Inline("a/b", ""), cited=True),)), "messages.7.content.0"),
    ("a picture from a tool", Message("tool", (ToolResult("1", (Image(Link("u")),)),)), "messages.7.content.0"),
    ("a result from a user", Message("user", (ToolResult("1", ()), Text("a"))), "messages.7.content.0"),
]


@pytest.mark.parametrize(("what", "message", "param"), UNTOLD, ids=[row[0] for row in UNTOLD])
def test_what_cannot_be_said_is_refused_with_its_place_and_never_dropped(
    what: str, message: Message, param: str
) -> None:
    with pytest.raises(Inexpressible) as caught:
        sent(conversation=(replace(message, place="messages.7"),))
    assert caught.value.param == param, what


def test_a_released_value_that_cannot_be_said_is_refused() -> None:
    with pytest.raises(Inexpressible) as caught:
        sent(sampling={"top_k": 5})
    assert caught.value.param == "top_k"


def texts(**fields: object) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=8, **fields)  # pyright: ignore[reportArgumentType]


SAID: st.SearchStrategy[Part] = st.one_of(
    texts().map(Text),
    texts(min_size=1).map(lambda url: Image(Link(url))),
    st.just(Image(Inline("image/png", "aGk="), "high")),
    st.just(Audio("aGk=", "wav")),
    st.just(File(Inline("application/pdf", "aGk="), "a.pdf")),
)


def turn(text: str, calls: list[ToolCall]) -> Message:
    return Message("assistant", (*((Text(text),) if text or not calls else ()), *calls))


def result(call: str, text: str) -> Message:
    return Message("tool", (ToolResult(call, (Text(text),)),))


CALLED = st.builds(ToolCall, texts(min_size=1), texts(), texts())
MESSAGES = st.one_of(
    st.builds(Message, st.sampled_from(["system", "developer", "user"]), st.lists(SAID, min_size=1).map(tuple)),
    st.builds(turn, texts(), st.lists(CALLED, max_size=3)),
    st.builds(result, texts(min_size=1), texts()),
)


@given(st.lists(MESSAGES, min_size=1, max_size=6))
def test_what_goes_out_is_read_as_the_same_conversation(messages: list[Message]) -> None:
    placed = tuple(replace(message, place=f"messages.{position}") for position, message in enumerate(messages))
    request = replace(client.read(b'{"model":"m","messages":[{"role":"user","content":"x"}]}'), messages=placed)
    assert client.read(dialect.body(request, ())) == request
