# SPDX-License-Identifier: Apache-2.0
"""The real anthropic client takes what the scripted Messages provider says, whole and streamed, and what it refuses."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import anthropic
import pytest
from tests.upstream.messages import SIGNATURE, TEXT
from tests.upstream.messages_check import NEW, OLD, problem
from tests.upstream.messages_replies import ANSWERS, FAILURES
from tests.upstream.server import Upstream, scripted_upstream

USER: Final = {"role": "user", "content": "Where is my order?"}
TOOL: Final = {"name": "get_order_status", "input_schema": {"type": "object"}}
CALL: Final[dict[str, Any]] = {"type": "tool_use", "id": "toolu_1", "name": "get_order_status", "input": {}}
CALLED: Final = {"role": "assistant", "content": [CALL]}
RESULT: Final = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "shipped"}]}
STRAY: Final = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_9"}]}
THOUGHT: Final = {"type": "thinking", "thinking": "Look it up.", "signature": SIGNATURE}
DOCUMENT: Final = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
GOOD: Final[dict[str, Any]] = {"model": "answer", "max_tokens": 64, "messages": [USER]}
THINKING: Final[dict[str, Any]] = {"max_tokens": 4096, "thinking": {"type": "enabled", "budget_tokens": 1024}}
LARGE: Final = {"huge", "big-event", "slow-first-byte", "thousand-chunks"}
STATUSES: Final = {
    "rejected": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "missing-model": 404,
    "too-large": 413,
    "limited": 429,
    "broken": 500,
    "unavailable": 503,
    "timed-out": 504,
    "overloaded": 529,
}


@contextmanager
def client() -> Generator[tuple[Upstream, Any]]:
    """Run the provider and a real client of it; the client's types would only be in the way of wrong requests."""
    with (
        scripted_upstream() as upstream,
        anthropic.Anthropic(base_url=upstream.origin, api_key="key", max_retries=0, timeout=10) as sdk,
    ):
        yield upstream, sdk


def whole(sdk: Any, model: str) -> dict[str, Any]:  # noqa: ANN401
    return sdk.messages.create(**{**GOOD, "model": model}).to_dict()


def streamed(sdk: Any, model: str) -> dict[str, Any]:  # noqa: ANN401
    with sdk.messages.stream(**{**GOOD, "model": model}) as stream:
        return stream.get_final_message().to_dict()


def test_the_client_reads_the_same_message_whole_and_streamed() -> None:
    compared = sorted(set(ANSWERS) - LARGE)
    with client() as (upstream, sdk):
        for model in compared:
            said = whole(sdk, model)
            again = streamed(sdk, model)
            assert {"stop_details": None, **said} == {"stop_details": None, **again}, model
        assert [request.model for request in upstream.requests[::2]] == compared
        assert {request.headers["anthropic-version"] for request in upstream.requests} == {NEW}


def test_a_large_event_arrives_whole() -> None:
    with client() as (_, sdk):
        assert len(streamed(sdk, "big-event")["content"][0]["text"]) == 1_048_576


@pytest.mark.parametrize("model", STATUSES)
def test_failures_are_the_errors_the_client_knows(model: str) -> None:
    assert set(STATUSES) | {"hang", "disconnect"} == set(FAILURES)
    with client() as (_, sdk), pytest.raises(anthropic.APIStatusError) as caught:
        whole(sdk, model)
    assert caught.value.status_code == STATUSES[model]
    assert caught.value.request_id == "req_011scripted"
    assert caught.value.body["error"]["message"]  # type: ignore[index]
    assert model != "limited" or caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("model", ["error-in-stream", "error-first"])
def test_an_error_event_raises_in_the_client(model: str) -> None:
    with client() as (_, sdk), pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        streamed(sdk, model)


@pytest.mark.parametrize("model", ["cut-stream", "cut-before-first", "cut-in-call", "wrong-length"])
def test_a_stream_that_breaks_off_is_noticed(model: str) -> None:
    with client() as (_, sdk), pytest.raises(Exception, match=r"(?i)connection|incomplete|peer closed"):
        streamed(sdk, model)


def test_a_stream_without_its_end_is_not_noticed_by_the_client() -> None:
    """So the gateway has to."""
    with client() as (_, sdk):
        assert streamed(sdk, "clean-end-no-done")["stop_reason"] is None
        assert streamed(sdk, "two-types")["content"] == []  # a call opened under the name `ping`


def test_tokens_are_counted() -> None:
    with client() as (upstream, sdk):
        counted = sdk.messages.count_tokens(model="answer", messages=[USER], tools=[TOOL])
        assert counted.input_tokens == len(upstream.requests[0].raw) // 4
        with pytest.raises(anthropic.RateLimitError):
            sdk.messages.count_tokens(model="limited", messages=[USER])


def test_a_conversation_with_thought_and_tools_is_taken() -> None:
    with client() as (_, sdk):
        first = sdk.messages.create(**{**GOOD, **THINKING, "model": "reasoning-call", "tools": [TOOL]})
        call = first.content[-1]
        said = {"role": "assistant", "content": first.content}
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "shipped"}]}
        more = {"tools": [TOOL], "messages": [USER, said, result]}
        assert sdk.messages.create(**{**GOOD, **THINKING, **more}).content[0].text == TEXT


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"max_tokens": None}, "max_tokens: Input should be an integer"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater"),
        ({"messages": []}, "messages: at least one message"),
        ({"messages": [CALLED, RESULT]}, 'messages: first message must use the "user" role'),
        ({"messages": [USER, CALLED]}, "`tool_use` ids were found without `tool_result` blocks: toolu_1"),
        ({"messages": [USER, CALLED, USER]}, "messages.1: `tool_use` ids were found without"),
        ({"messages": [USER, STRAY]}, "messages.0.content.1: unexpected `tool_use_id`"),
        ({"messages": [USER, CALLED, RESULT, STRAY]}, "messages.2.content.1: unexpected `tool_use_id`"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role: Input should be 'user', 'assistant'"),
        ({"messages": [{"role": "user", "content": [{"type": "txt"}]}]}, "messages.0.content.0: Input tag 'txt'"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages.0: all messages must have non-empty content"),
        ({"messages": [USER, {"role": "assistant", "content": "So "}]}, "cannot end with trailing whitespace"),
        (
            {"messages": [USER, {"role": "assistant", "content": [{**THOUGHT, "signature": "x"}]}]},
            "Invalid `signature`",
        ),
        ({**THINKING, "tools": [TOOL], "messages": [USER, CALLED, RESULT]}, "messages.1.content.0.type: Expected `th"),
        ({**THINKING, "max_tokens": 64}, "`max_tokens` must be greater"),
        ({**THINKING, "tools": [TOOL], "tool_choice": {"type": "any"}}, "Thinking may not be enabled when"),
        ({"temperature": 1.0}, "temperature: Extra inputs are not permitted"),
        ({"top_k": 5}, "top_k: Extra inputs are not permitted"),
        ({"messages": [USER, {"role": "assistant", "content": [DOCUMENT]}]}, "`document` blocks are not permitted"),
        ({"tools": [TOOL, TOOL]}, "tools: Tool names must be unique."),
        ({"tools": [{"name": "a.b", "input_schema": {"type": "object"}}]}, "String should match pattern"),
        ({"tools": [{"type": "function", "function": TOOL}]}, "tools.0: Input tag 'function'"),
        ({"tool_choice": {"type": "auto"}}, "tool_choice: tool_choice may only be specified"),
        ({"stop": ["x"]}, "stop: Extra inputs are not permitted"),
        ({"n": 2}, "n: Extra inputs are not permitted"),
    ],
)
def test_what_the_provider_refuses(changed: dict[str, Any], told: str) -> None:
    assert problem(GOOD) is None
    said = problem({**GOOD, **changed})
    assert said is not None
    assert told in said


def test_what_the_older_version_of_the_api_takes_and_refuses() -> None:
    assert problem({**GOOD, "temperature": 0.5, "top_p": 0.9, "top_k": 5}, OLD) is None
    assert "temperature: Input should be less" in str(problem({**GOOD, "temperature": 1.5}, OLD))
    assert "`temperature` may only be set to 1" in str(problem({**GOOD, **THINKING, "temperature": 0}, OLD))


def test_refusals_reach_the_client_and_are_recorded() -> None:
    with client() as (upstream, sdk):
        with pytest.raises(anthropic.BadRequestError, match="max_tokens: Field required"):
            sdk.post("/v1/messages", body={"model": "answer", "messages": [USER]}, cast_to=object)
        assert upstream.requests[0].body["messages"] == [USER]
        bare = anthropic.Anthropic(base_url=upstream.origin, auth_token="t", max_retries=0)
        with bare, pytest.raises(anthropic.BadRequestError, match="anthropic-version: header is required"):
            bare.messages.create(**GOOD, extra_headers={"anthropic-version": anthropic.omit})  # type: ignore[dict-item]
