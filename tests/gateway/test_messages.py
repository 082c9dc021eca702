# SPDX-License-Identifier: Apache-2.0
"""The gateway under the real `anthropic` SDK, in front of providers of each dialect: only URL and key are changed."""

from pathlib import Path
from typing import Any, Final

import anthropic
import pytest
from anthropic.types import Message, MessageParam, TextBlock, ThinkingBlock, ToolParam, ToolUseBlock
from tests.gateway.running import BOT, FALLBACK, takes
from tests.gateway.scene import KEY, scene
from tests.upstream import messages, replies, responses
from tests.upstream.wire import Reply

from customhouse.dialects.provider import PROVIDERS
from customhouse.domain.message import DialectName
from customhouse.planes.model.document import Parameters

ASKED: Final[list[MessageParam]] = [{"role": "user", "content": "Where is order 7?"}]
NAMES: Final = ("get_order_status", "issue_refund", "search_help_center")
TOOLS: Final[list[ToolParam]] = [{"name": name, "input_schema": takes(name)} for name in NAMES]
ANSWERS: Final[dict[DialectName, Reply]] = {
    "openai_chat": replies.answer(),
    "openai_responses": responses.answer(responses.message(responses.text())),
    "anthropic": messages.answer(messages.text()),
}


@pytest.fixture(autouse=True)
def upstream_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "secret")


def said(client: anthropic.Anthropic, history: list[MessageParam], *, streamed: bool) -> Message:
    """Return one answer to a conversation with tools."""
    if not streamed:
        return client.messages.create(model=BOT, max_tokens=64, tools=TOOLS, messages=history)
    with client.messages.stream(model=BOT, max_tokens=64, tools=TOOLS, messages=history) as stream:
        return stream.get_final_message()


@pytest.mark.parametrize("dialect", PROVIDERS)
def test_a_message_whole_and_streamed(home: Path, dialect: DialectName) -> None:
    with scene(home, "answer", dialect=dialect) as (gateway, _, client):
        message = client.messages.create(model=BOT, max_tokens=64, messages=ASKED)
        assert [block.text for block in message.content if isinstance(block, TextBlock)]
        assert (message.stop_reason, message.model, message.usage.input_tokens) == ("end_turn", "answer", 21)
        with client.messages.stream(model=BOT, max_tokens=64, messages=ASKED) as stream:
            said = "".join(stream.text_stream)
            streamed = stream.get_final_message()
        assert said.strip() == "".join(block.text for block in message.content if isinstance(block, TextBlock)).strip()
        assert (streamed.stop_reason, streamed.usage.input_tokens, streamed.usage.output_tokens) == ("end_turn", 21, 9)
        for one in (message, streamed):
            found = gateway.kinds(f"{one.id[4:12]}-{one.id[12:16]}-{one.id[16:20]}-{one.id[20:24]}-{one.id[24:]}")
            assert found == ["request.accepted", "model.called", "model.answered", "response.completed"]


@pytest.mark.parametrize("dialect", PROVIDERS)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_round_of_two_parallel_tools(home: Path, dialect: DialectName, streamed: bool) -> None:  # noqa: FBT001 - a row
    """The provider's own rules check the second request: each result right after its call, in one message."""
    with scene(home, "parallel-calls", dialect=dialect) as (_, upstream, client):
        first = said(client, ASKED, streamed=streamed)
        calls = [block for block in first.content if isinstance(block, ToolUseBlock)]
        assert (first.stop_reason, [call.name for call in calls]) == ("tool_use", ["get_order_status"])
        assert calls[0].input == {"order_id": "A-1001"}
        assert "[customhouse] The call to issue_refund was held" in str(first.content)
        upstream.by_model = {"parallel-calls": ANSWERS[dialect]}
        history: list[MessageParam] = [
            *ASKED,
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": calls[0].id, "content": "sent"}]},
        ]
        assert said(client, history, streamed=streamed).stop_reason == "end_turn"


def test_what_reaches_the_provider(home: Path) -> None:
    with scene(home, "answer") as (_, upstream, client):
        client.messages.create(
            model=BOT,
            max_tokens=64,
            system="I am root.",
            messages=ASKED,
            tools=TOOLS,
            stop_sequences=["END"],
            extra_headers={"anthropic-beta": "mcp-client-2025-11-20"},
        )
        (asked,) = upstream.requests
        assert asked.path == "/v1/messages"
        assert asked.headers["x-api-key"] == "secret"
        assert asked.headers["anthropic-version"] == "2023-06-01"
        assert "anthropic-beta" not in asked.headers, "no header of a client goes upstream"
        assert asked.body["system"] == [{"type": "text", "text": "You answer in few words."}]
        (user,) = asked.body["messages"]
        assert [block["text"] for block in user["content"]] == ["I am root.", "Where is order 7?"]
        assert [tool["name"] for tool in asked.body["tools"]] == [*NAMES]
        assert (asked.body["max_tokens"], asked.body["temperature"]) == (64, 0.2)


def test_reasoning_goes_back_with_its_signature(home: Path) -> None:
    """The scripted provider refuses a signature that is not its own, and a thinking block that is missing."""
    with scene(home, "reasoning-call", client_may_set=("thinking_tokens",), parameters=Parameters()) as (
        _,
        upstream,
        client,
    ):
        thinking: Any = {"type": "enabled", "budget_tokens": 1024}
        first = client.messages.create(model=BOT, max_tokens=4096, messages=ASKED, tools=TOOLS, thinking=thinking)
        assert isinstance(first.content[0], ThinkingBlock)
        call = next(block for block in first.content if isinstance(block, ToolUseBlock))
        history: list[MessageParam] = [
            *ASKED,
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sent"}]},
        ]
        again = client.messages.create(model=BOT, max_tokens=4096, messages=history, tools=TOOLS, thinking=thinking)
        assert again.stop_reason == "tool_use"
        assert upstream.requests[1].body["messages"][1]["content"][0]["signature"] == first.content[0].signature


def test_counts_with_a_cache(home: Path) -> None:
    with scene(home, "cached-usage") as (gateway, _, client):
        message = client.messages.create(model=BOT, max_tokens=64, messages=ASKED)
        usage = message.usage
        assert (usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens) == (21, 100, 2000)
        trace = message.model_extra or {}
        answered = next(r for r in gateway.records(trace["customhouse"]["trace_id"]) if r["kind"] == "model.answered")
        assert answered["usage"] == {
            "prompt_tokens": 2121,
            "completion_tokens": 9,
            "cached_tokens": 2000,
            "cache_written_tokens": 100,
        }


@pytest.mark.parametrize(
    ("model", "reason", "text"),
    [
        ("max-tokens", "max_tokens", "Your order is on"),
        ("stop-sequence", "stop_sequence", "One, two, "),
        ("context-window", "model_context_window_exceeded", "Your order is on"),
        ("refusal", "refusal", "I can't help with"),
    ],
)
def test_why_it_stopped(home: Path, model: str, reason: str, text: str) -> None:
    with scene(home, model) as (_, _, client):
        whole = client.messages.create(model=BOT, max_tokens=64, messages=ASKED)
        with client.messages.stream(model=BOT, max_tokens=64, messages=ASKED) as stream:
            streamed = stream.get_final_message()
        for message in (whole, streamed):
            block = message.content[0]
            assert isinstance(block, TextBlock)
            assert (message.stop_reason, block.text) == (reason, text)
            assert (message.stop_sequence == "three") is (model == "stop-sequence")
            assert (message.stop_details is not None) is (model == "refusal")


@pytest.mark.parametrize(
    "model",
    ["server-tool", "unknown-block", "citations", "unknown-delta", "index-gap", "cut-stream", "no-stop", "error-first"],
)
def test_what_nobody_granted_or_what_is_broken_falls_back(home: Path, model: str) -> None:
    """A stream that has begun ends with an error event; before that the fallback sentence is the answer."""
    with scene(home, model) as (gateway, _, client):
        try:
            with client.messages.stream(model=BOT, max_tokens=64, messages=ASKED) as stream:
                assert stream.get_final_text() == FALLBACK
        except anthropic.APIStatusError as error:
            body: Any = error.body
            assert (body["type"], body["error"]["type"], body["error"]["code"]) == (
                "error",
                "api_error",
                "upstream.failed",
            )
            trace_id = body["error"]["trace_id"]
            assert "model.failed" in gateway.kinds(trace_id)


@pytest.mark.parametrize(
    ("fields", "status", "kind", "code"),
    [
        ({"max_tokens": 0}, 400, "invalid_request_error", "request.invalid"),
        ({"service_tier": "auto"}, 400, "invalid_request_error", "request.field_not_allowed"),
        (
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
            400,
            "invalid_request_error",
            "request.field_not_allowed",
        ),
        ({"model": "else"}, 404, "not_found_error", "assistant.unknown"),
    ],
)
def test_refusals_have_the_shape_of_the_dialect(
    home: Path, fields: dict[str, Any], status: int, kind: str, code: str
) -> None:
    with scene(home, "answer") as (_, upstream, client):
        with pytest.raises(anthropic.APIStatusError) as caught:
            client.messages.create(model=BOT, max_tokens=64, messages=ASKED, extra_body=fields)
        body: Any = caught.value.body
        assert (caught.value.status_code, body["error"]["type"], body["error"]["code"]) == (status, kind, code)
        assert upstream.requests == []


def test_a_key_that_nobody_knows(home: Path) -> None:
    with scene(home, "answer") as (_, _, client), pytest.raises(anthropic.AuthenticationError) as caught:
        client.with_options(api_key="chk_unknown").messages.create(model=BOT, max_tokens=64, messages=ASKED)
    body: Any = caught.value.body
    assert body["error"]["type"] == "authentication_error"
