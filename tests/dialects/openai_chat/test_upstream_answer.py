# SPDX-License-Identifier: Apache-2.0
"""From a provider comes what is named and nothing else."""

import json
from typing import Any

import pytest

from customhouse.dialects.openai_chat import upstream_answer as dialect
from customhouse.domain.answer import Answer, Usage
from customhouse.domain.digest import MAX_INTEGER
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import Reasoning, Text, ToolCall, WebCitation

Json = dict[str, Any]


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
        content=(Reasoning(text="hm"), Text("hello")),
        stop="stop",
        stop_word="stop",
        usage=Usage(3, 4),
    )


def test_what_an_answer_rests_on_and_what_was_cached_is_read() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 2}}
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    found = dialect.answer(whole({"content": "hello", "annotations": [cited]}, usage=usage))
    assert found.content == (Text("hello", (WebCitation(url="u", title="t", start=0, end=2),)),)
    assert found.usage == Usage(9, 4, cached_tokens=8, reasoning_tokens=3)


STOPS: list[tuple[str, str]] = [
    ("stop", "stop"),
    ("length", "length"),
    ("model_length", "length"),
    ("tool_calls", "tool_calls"),
    ("function_call", "tool_calls"),
    ("content_filter", "content_filter"),
    ("eos_token", "stop"),
]


@pytest.mark.parametrize(("word", "stop"), STOPS)
def test_why_a_model_stopped(word: str, stop: str) -> None:
    found = dialect.answer(whole().replace(b'"finish_reason": "stop"', f'"finish_reason": "{word}"'.encode()))
    assert (found.stop, found.stop_word) == (stop, word)


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
    (
        "a repeated key in a call, its field written with an escape",
        whole({"tool_calls": [CALL]})
        .replace(b'"name": "a"', b'"name": "a", "name": "b"')
        .replace(b"tool_calls", b"tool\\u005fcalls"),
    ),
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


def test_citations_without_a_text_are_kept() -> None:
    found = dialect.answer(whole({"content": None, "annotations": [{"url_citation": {"url": "u"}}]}))
    assert found.content == (Text("", (WebCitation(url="u"),)),)


def test_an_error_that_is_null_is_none() -> None:
    assert dialect.answer(whole(error=None)).text == "hello"
