# SPDX-License-Identifier: Apache-2.0
"""A provider's whole answer: read into values with its meaning, or a failure that says what was wrong."""

import json
from typing import Any, Final, get_args

import pytest
from anthropic.types import stop_reason as sdk_stop_reason

from customhouse.dialects.anthropic import upstream_answer as dialect
from customhouse.dialects.anthropic.upstream_answer import MAX_BLOCKS, MAX_CALLS
from customhouse.domain.answer import Answer, Usage
from customhouse.domain.digest import MAX_INTEGER
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import DocumentCitation, Reasoning, Refusal, Seal, Text, ToolCall

Json = dict[str, Any]
CALL: Final[Json] = {"type": "tool_use", "id": "t1", "name": "look", "input": {"n": 1}}


def raw(*content: Json, **fields: object) -> bytes:
    message: Json = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": list(content),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
    return json.dumps({**message, **fields}).encode()


def test_everything_that_an_answer_says() -> None:
    cited = {"type": "char_location", "cited_text": "c", "document_index": 0, "document_title": "T", "file_id": None}
    answer = dialect.answer(
        raw(
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "eHg="},
            {"type": "text", "text": "So.", "citations": [{**cited, "start_char_index": 1, "end_char_index": 2}]},
            {**CALL, "caller": {"type": "direct"}},
            stop_reason="tool_use",
            usage={
                "input_tokens": 10,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 1000,
                "output_tokens": 7,
                "output_tokens_details": {"thinking_tokens": 4},
            },
        )
    )
    assert answer == Answer(
        upstream_id="msg_1",
        model="claude",
        content=(
            Reasoning(text="Hm.", seal=Seal(dialect="anthropic", value="c2ln")),
            Reasoning(redacted=True, seal=Seal(dialect="anthropic", value="eHg=")),
            Text("So.", (DocumentCitation(document=0, unit="char", start=1, end=2, title="T", cited="c"),)),
            ToolCall("t1", "look", '{"n": 1}'),
        ),
        stop="tool_calls",
        stop_word="tool_use",
        usage=Usage(1110, 7, cached_tokens=100, cache_written_tokens=1000, reasoning_tokens=4),
    )


def test_the_exact_input_is_kept() -> None:
    content = raw(CALL).replace(b'{"n": 1}', b'{ "n" : 1.50 }')
    assert dialect.answer(content).tool_calls[0].arguments == '{ "n" : 1.50 }'


@pytest.mark.parametrize(
    ("word", "stop"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop_sequence"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "refusal"),
        ("pause_turn", "pause"),
        ("something_new", "stop"),
    ],
)
def test_why_it_stopped(word: str, stop: str) -> None:
    answer = dialect.answer(raw(stop_reason=word))
    assert (answer.stop, answer.stop_word, answer.stop_sequence) == (stop, word, None)


@pytest.mark.parametrize("word", ["stop_sequence", "end_turn"])
def test_a_named_stop_sequence_is_why_it_stopped_whatever_the_word(word: str) -> None:
    answer = dialect.answer(raw(stop_reason=word, stop_sequence="END"))
    assert (answer.stop, answer.stop_word, answer.stop_sequence) == ("stop_sequence", word, "END")


def test_every_stop_reason_of_the_sdk_is_known() -> None:
    assert {dialect.stop_reason(word, None) for word in set(get_args(sdk_stop_reason.StopReason)) - {"end_turn"}} == {
        "stop_sequence",
        "length",
        "tool_calls",
        "refusal",
        "pause",
    }


def test_why_it_declined_is_a_refusal() -> None:
    answer = dialect.answer(raw(stop_reason="refusal", stop_details={"type": "refusal", "explanation": "Not that."}))
    assert answer.content == (Refusal("Not that."),)


@pytest.mark.parametrize(
    "kind",
    ["server_tool_use", "web_search_tool_result", "mcp_tool_use", "mcp_tool_result", "container_upload", "x" * 90],
)
def test_a_block_that_nobody_granted_is_a_failure_that_names_it(kind: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        dialect.answer(raw({"type": "text", "text": "a"}, {"type": kind, "id": "s", "name": "web_search", "input": {}}))
    assert caught.value.reason == "upstream.ungranted"
    assert (kind if len(kind) < 64 else "unreadable") in caught.value.detail


@pytest.mark.parametrize("kind", ["web_search_result_location", "search_result_location", "new"])
def test_a_citation_of_a_search_that_nobody_granted(kind: str) -> None:
    cited = {"type": kind, "cited_text": "c", "url": "u", "title": None, "encrypted_index": "proof"}
    with pytest.raises(UpstreamFailed, match=kind):
        dialect.answer(raw({"type": "text", "text": "a", "citations": [cited]}))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"choices":[]}',
        raw(type="completion"),
        raw(content=None),
        raw(stop_reason=None),
        raw(content="text"),
        raw(usage={"input_tokens": -1}),
        raw(usage={"input_tokens": MAX_INTEGER + 1}),
        raw(*[CALL] * (MAX_CALLS + 1)),
        raw(*[{"type": "text", "text": ""}] * (MAX_BLOCKS + 1)),
        raw(CALL).replace(b'"n": 1', b'"n": "\xff"'),
        raw(CALL).replace(b'"n": 1', b'"n": 1, "n": 2'),
        raw(CALL).replace(b'"name": "look"', b'"name": "look", "name": "issue_refund"'),
    ],
)
def test_what_is_not_the_dialect_is_a_failure(content: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        dialect.answer(content)


@pytest.mark.parametrize(
    ("kind", "reason"), [("overloaded_error", "upstream.limited"), ("api_error", "upstream.protocol")]
)
def test_an_error_inside_a_success_is_a_failure(kind: str, reason: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        dialect.answer(json.dumps({"type": "error", "error": {"type": kind, "message": "secret"}}).encode())
    assert caught.value.reason == reason
    assert "secret" not in caught.value.detail


def test_a_call_without_anything_is_left_to_the_decision() -> None:
    assert dialect.answer(raw({"type": "tool_use"})).tool_calls == (ToolCall("", "", ""),)


def test_counts() -> None:
    assert dialect.tokens(b'{"input_tokens":14,"more":1}') == 14
    for wrong in (b"{}", b"[]", b'{"input_tokens":-1}', b"\xff"):
        with pytest.raises(UpstreamFailed):
            dialect.tokens(wrong)


def test_error_bodies() -> None:
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": "x" * 400}}
    assert dialect.error_message(json.dumps(body).encode()) == "x" * 300
    for other in (b"", b"{}", b"[]", b'{"error":null}', b'{"error":{"type":"e"}}', b"\xff"):
        assert dialect.error_message(other) is None
