# SPDX-License-Identifier: Apache-2.0
"""The real openai client takes what the scripted Responses provider says, whole and streamed, and what it refuses."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import openai
import pytest
from tests.upstream.chat_answers import CHAT
from tests.upstream.embeddings import EMBEDDINGS, vector
from tests.upstream.responses import ENCRYPTED, RESPONSE_ID, TEXT
from tests.upstream.responses_check import Refused, check
from tests.upstream.responses_replies import ANSWERS, FAILURES
from tests.upstream.server import Upstream, scripted_upstream

TOOL: Final = {"type": "function", "name": "get_order_status", "parameters": {"type": "object"}, "strict": False}
USER: Final = {"role": "user", "content": "Where is my order?"}
CALL: Final = {"type": "function_call", "call_id": "call_1", "name": "get_order_status", "arguments": "{}"}
OUTPUT: Final = {"type": "function_call_output", "call_id": "call_1", "output": "shipped"}
THOUGHT: Final[dict[str, Any]] = {"type": "reasoning", "id": "rs_1", "summary": []}
SAID: Final = {"role": "assistant", "content": [{"type": "output_text", "text": "It has shipped."}]}
GOOD: Final[dict[str, Any]] = {"model": "answer", "input": [USER]}
STREAMS: Final = {"server-events", "queued"}
LARGE: Final = {"huge", "big-event", "slow-first-byte", "thousand-chunks"}
STATUSES: Final = {
    "rejected": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "missing-model": 404,
    "too-large": 413,
    "limited": 429,
    "no-quota": 429,
    "broken": 500,
    "unavailable": 503,
    "overloaded": 503,
}


@contextmanager
def client() -> Generator[tuple[Upstream, Any]]:
    """Run the provider and a real client of it; the client's types would only be in the way of wrong requests."""
    with (
        scripted_upstream() as upstream,
        openai.OpenAI(base_url=upstream.base_url, api_key="key", max_retries=0, timeout=10) as sdk,
    ):
        yield upstream, sdk


def streamed(sdk: Any, model: str) -> list[dict[str, Any]]:  # noqa: ANN401
    with sdk.responses.create(**{**GOOD, "model": model}, stream=True) as stream:
        return [event.to_dict() for event in stream]


def test_the_client_reads_the_same_response_whole_and_streamed() -> None:
    compared = sorted(set(ANSWERS) - LARGE - STREAMS)
    with client() as (upstream, sdk):
        for model in compared:
            said = sdk.responses.create(**{**GOOD, "model": model}).to_dict()
            events = streamed(sdk, model)
            assert events[-1]["response"] == said, model
            assert [event["sequence_number"] for event in events] == list(range(len(events))), model
            done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
            assert done == said["output"], model
        assert [request.model for request in upstream.requests[::2]] == compared


def test_deltas_join_to_what_the_end_says() -> None:
    with client() as (_, sdk):
        for model, kind in (("answer", "output_text"), ("split-call", "function_call_arguments")):
            events = streamed(sdk, model)
            deltas = [event["delta"] for event in events if event["type"] == f"response.{kind}.delta"]
            done = next(event for event in events if event["type"] == f"response.{kind}.done")
            assert "".join(deltas) == done.get("text", done.get("arguments"))
            assert model != "split-call" or len(deltas) == 40


def test_a_large_event_arrives_whole() -> None:
    with client() as (_, sdk):
        assert len(streamed(sdk, "big-event")[-1]["response"]["output"][0]["content"][0]["text"]) == 1_048_576


@pytest.mark.parametrize("model", STATUSES)
def test_failures_are_the_errors_the_client_knows(model: str) -> None:
    assert set(STATUSES) | {"hang", "disconnect"} == set(FAILURES)
    with client() as (_, sdk), pytest.raises(openai.APIStatusError) as caught:
        sdk.responses.create(**{**GOOD, "model": model})
    assert caught.value.status_code == STATUSES[model]
    assert caught.value.request_id == "req_scripted"
    assert model != "limited" or caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("model", ["cut-stream", "cut-before-first", "cut-in-call"])
def test_a_stream_that_breaks_off_is_noticed(model: str) -> None:
    with client() as (_, sdk), pytest.raises(openai.APIConnectionError):
        streamed(sdk, model)


def test_a_stream_without_its_end_or_with_an_error_is_not_noticed_by_the_client() -> None:
    """So the gateway has to."""
    with client() as (_, sdk):
        assert streamed(sdk, "no-finish")[-1]["type"] == "response.output_item.done"
        assert [event["type"] for event in streamed(sdk, "error-first")] == ["error"]
        assert streamed(sdk, "failed")[-1]["type"] == "response.failed"


def test_a_conversation_with_thought_and_tools_is_taken() -> None:
    with client() as (_, sdk):
        first = sdk.responses.create(**{**GOOD, "model": "reasoning-call"}, tools=[TOOL], store=False)
        assert first.output[0].encrypted_content == ENCRYPTED
        result = {"type": "function_call_output", "call_id": first.output[1].call_id, "output": "shipped"}
        kept = [item.to_dict() for item in first.output]
        assert sdk.responses.create(model="answer", input=[USER, *kept, result], tools=[TOOL]).output_text == TEXT
        assert sdk.responses.create(model="answer", input=[result], previous_response_id=first.id).output_text == TEXT
        assert sdk.responses.create(model="answer", input=[USER, SAID, USER]).output_text == TEXT


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"input": 7}, "Invalid type for 'input': expected a string or an array, but got an integer instead."),
        ({"input": [{"type": "text"}]}, "Invalid value: 'text'."),
        ({"input": [{"role": "tool", "content": "x"}]}, "Invalid value: 'tool'."),
        ({"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, "Invalid value: 'text'. Supported"),
        ({"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]}, "'output_text' and"),
        ({"input": [USER, {**CALL, "id": "call_1"}, OUTPUT]}, "Expected an ID that begins with 'fc'."),
        ({"input": [USER, {**CALL, "call_id": "c" * 65}, OUTPUT]}, "string too long"),
        ({"input": [USER, CALL]}, "No tool output found for function call call_1."),
        ({"input": [USER, OUTPUT]}, "No tool call found for function call output with call_id call_1."),
        ({"input": [USER, THOUGHT]}, "provided without its required following item"),
        ({"input": [USER, THOUGHT, USER]}, "provided without its required following item"),
        ({"input": [{**THOUGHT, "encrypted_content": "x"}, CALL, OUTPUT]}, "could not be verified"),
        ({"previous_response_id": "resp_other"}, "Previous response with id 'resp_other' not found."),
        ({"max_output_tokens": 8}, "integer below minimum value"),
        ({"temperature": 3}, "Invalid 'temperature'"),
        ({"messages": [USER]}, "Unknown parameter: 'messages'."),
        ({"stop": ["x"]}, "Unknown parameter: 'stop'."),
        ({"tools": [{"type": "function", "function": {"name": "x"}}]}, "Missing required parameter: 'tools[0].name'."),
        ({"tool_choice": "any"}, "Invalid value: 'any'."),
        ({"tool_choice": "required"}, "must be specified with 'tools'"),
        ({"tool_choice": {"type": "function", "name": "x"}, "tools": [TOOL]}, "Tool choice 'function' not found"),
    ],
)
def test_what_the_provider_refuses(changed: dict[str, Any], told: str) -> None:
    check(GOOD)
    with pytest.raises(Refused) as caught:
        check({**GOOD, **changed})
    assert told in caught.value.said


def test_refusals_reach_the_client_and_are_recorded() -> None:
    with client() as (upstream, sdk), pytest.raises(openai.BadRequestError) as caught:
        sdk.responses.create(model="answer", input=[USER, CALL], previous_response_id=RESPONSE_ID)
    assert caught.value.param == "input"
    assert upstream.requests[0].body["input"] == [USER, CALL]


def test_embeddings_as_numbers_and_as_base64() -> None:
    with client() as (upstream, sdk):
        decoded = sdk.embeddings.create(model="answer", input=["one", "two words"])
        listed = sdk.embeddings.create(model="answer", input="one", encoding_format="float", dimensions=8)
        assert upstream.requests[0].body["encoding_format"] == "base64"
        assert [one.embedding for one in decoded.data] == [vector("one"), vector("two words")]
        assert listed.data[0].embedding == decoded.data[0].embedding
        assert decoded.usage.total_tokens == 3
        with pytest.raises(openai.BadRequestError, match="input cannot be an empty"):
            sdk.embeddings.create(model="answer", input=[])


def test_every_embedding_fault_is_an_answer() -> None:
    with client() as (_, sdk):
        for model in sorted(set(EMBEDDINGS) - set(FAILURES)):
            raw = sdk.embeddings.with_raw_response.create(model=model, input=["one", "two"], encoding_format="float")
            assert raw.http_response.status_code == 200
            assert model == "wrong-json" or json.loads(raw.content) is not None


def test_chat_has_the_answers_of_the_other_dialects() -> None:
    compared = sorted(CHAT.keys() - STATUSES.keys())
    asked: dict[str, Any] = {"messages": [USER], "stream_options": {"include_usage": True}}
    with client() as (_, sdk):
        for model in compared:
            whole = sdk.chat.completions.create(model=model, messages=[USER])
            with sdk.chat.completions.create(model=model, stream=True, **asked) as stream:
                chunks = list(stream)
            told = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
            assert told[-1] == whole.choices[0].finish_reason, model
            assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens, model
            assert {chunk.model for chunk in chunks} == {whole.model}, model
            joined = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            assert joined.strip() == (whole.choices[0].message.content or ""), model
