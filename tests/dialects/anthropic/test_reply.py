# SPDX-License-Identifier: Apache-2.0
"""What a client gets is what the SDK understands, with the counts and reasons in its own words."""

import json
from typing import Any, Final

import pytest
from anthropic.types import Message as SdkMessage
from anthropic.types.shared import ErrorResponse
from hypothesis import given, settings
from tests.dialects.anthropic.values import ENVELOPE, RECEIPT, TICKETED, answers
from tests.golden.golden import check_golden

from customhouse.dialects.anthropic import reply as dialect
from customhouse.domain.answer import Answer, StopReason, Usage
from customhouse.domain.errors import (
    BodyTooLarge,
    CustomhouseError,
    Forbidden,
    Internal,
    InvalidRequest,
    LedgerUnavailable,
    NotFound,
    Overloaded,
    Unauthenticated,
    UpstreamFailed,
    UpstreamTimeout,
)
from customhouse.domain.message import Reasoning, Refusal, Seal, Text, ToolCall

Json = dict[str, Any]
CALL: Final = (Text("I look."), ToolCall("t1", "look", '{"n": 1}'))


def sent(answer: Answer) -> Json:
    return json.loads(dialect.whole(answer, ENVELOPE, RECEIPT))


@given(answers())
@settings(deadline=None, max_examples=50)
def test_the_sdk_understands_every_answer(answer: Answer) -> None:
    message = SdkMessage.model_validate_json(dialect.whole(answer, ENVELOPE, RECEIPT), strict=True)
    assert len(message.content) == len(answer.content) - len([p for p in answer.content if isinstance(p, Refusal)])


def test_calls_with_their_tickets() -> None:
    content = dialect.whole(Answer(content=CALL, stop="tool_calls"), ENVELOPE, TICKETED)
    check_golden("reply/messages/whole-calls.json", json.dumps(json.loads(content), indent=2) + "\n")
    assert SdkMessage.model_validate_json(content, strict=True).content[-1].type == "tool_use"


def test_the_shape_of_an_answer() -> None:
    answer = Answer(
        model="upstream-name",
        content=(
            Reasoning(text="Hm.", seal=Seal(dialect="anthropic", value="c2ln")),
            Text(""),
            Text("I look."),
            ToolCall("t1", "look", '{"n": 1.50}'),
        ),
        stop="tool_calls",
        usage=Usage(1110, 7, cached_tokens=100, cache_written_tokens=1000, reasoning_tokens=4),
    )
    assert b'"input":{"n": 1.50}' in dialect.whole(answer, ENVELOPE, RECEIPT), "exactly what the model wrote"
    assert sent(answer) == {
        "id": "msg_0",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "t1", "name": "look", "input": {"n": 1.5}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "output_tokens": 7,
            "cache_creation_input_tokens": 1000,
            "cache_read_input_tokens": 100,
            "output_tokens_details": {"thinking_tokens": 4},
        },
        "customhouse": {"trace_id": "0", "release": "support@1", "deployment": "anthropic/claude"},
    }


STOPS: Final[list[tuple[StopReason | None, str]]] = [
    (None, "end_turn"),
    ("stop", "end_turn"),
    ("stop_sequence", "stop_sequence"),
    ("length", "max_tokens"),
    ("tool_calls", "tool_use"),
    ("content_filter", "refusal"),
    ("refusal", "refusal"),
    ("pause", "pause_turn"),
]


@pytest.mark.parametrize(("stop", "word"), STOPS)
def test_why_it_stopped(stop: StopReason | None, word: str) -> None:
    assert sent(Answer(stop=stop))["stop_reason"] == word


def test_a_full_context_keeps_its_own_word() -> None:
    assert sent(Answer(stop="length", stop_word="model_context_window_exceeded"))["stop_reason"] == (
        "model_context_window_exceeded"
    )


def test_a_refusal_is_said_where_this_dialect_says_it() -> None:
    found = sent(Answer(content=(Refusal("Not that."),), stop="stop"))
    assert (found["stop_reason"], found["content"]) == ("refusal", [])
    assert found["stop_details"] == {"type": "refusal", "category": None, "explanation": "Not that."}


def test_the_stop_sequence_is_named() -> None:
    found = sent(Answer(stop="stop_sequence", stop_sequence="END"))
    assert (found["stop_reason"], found["stop_sequence"]) == ("stop_sequence", "END")


def test_an_answer_without_counts_used_none() -> None:
    assert sent(Answer(stop="stop"))["usage"]["input_tokens"] == 0
    assert sent(Answer(stop="stop", usage=Usage(1, 0, cached_tokens=5)))["usage"]["input_tokens"] == 0


@pytest.mark.parametrize("arguments", ["", " \n", "{}", "{ }\n"])
def test_no_arguments_are_an_empty_object(arguments: str) -> None:
    found = sent(Answer(content=(ToolCall("1", "a", arguments),), stop="tool_calls"))
    assert found["content"][0]["input"] == {}


def test_a_count() -> None:
    assert json.loads(dialect.count(Answer(usage=Usage(14, 0)), ENVELOPE, RECEIPT))["input_tokens"] == 14


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (InvalidRequest("x", param="tools"), "invalid_request_error"),
        (Unauthenticated("x"), "authentication_error"),
        (Forbidden("x"), "permission_error"),
        (NotFound("x"), "not_found_error"),
        (BodyTooLarge("x"), "request_too_large"),
        (Overloaded("x"), "rate_limit_error"),
        (Internal("x"), "api_error"),
        (UpstreamFailed("x"), "api_error"),
        (LedgerUnavailable("x"), "overloaded_error"),
        (UpstreamTimeout("x"), "timeout_error"),
    ],
)
def test_errors(problem: CustomhouseError, kind: str) -> None:
    found = json.loads(dialect.error(problem, "t-1"))
    assert (found["type"], found["request_id"]) == ("error", "t-1")
    assert found["error"] == {
        "type": kind,
        "message": "x",
        "param": problem.param,
        "code": problem.code,
        "trace_id": "t-1",
        "docs": f"/api/v1/#{problem.code}",
    }
    if kind != "request_too_large":
        ErrorResponse.model_validate(found)
