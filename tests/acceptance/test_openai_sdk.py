# SPDX-License-Identifier: Apache-2.0
"""The current openai SDK against the gateway: answers whole and streamed, and its own error class for every refusal."""

from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from tests.gateway.running import BOT, FALLBACK, Running, documents, running, takes
from tests.upstream.replies import TEXT
from tests.upstream.server import Upstream

FAST = {"connect_timeout_s": 1, "first_byte_timeout_s": 1, "idle_timeout_s": 1}


Fields = dict[str, Any]


def sdk(gateway: Running, key: str | None = None) -> OpenAI:
    return OpenAI(base_url=gateway.url, api_key=key or gateway.key, max_retries=0, timeout=30)


def ask(client: OpenAI, fields: Fields) -> None:
    create: Any = client.chat.completions.create
    create(**{"model": BOT, "messages": [{"role": "user", "content": "Where?"}], **fields})


def test_whole_and_streamed_answers(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url)) as gateway, sdk(gateway) as client:
        raw = client.chat.completions.with_raw_response.create(
            model=BOT, messages=[{"role": "user", "content": "Where is order 7?"}]
        )
        answer = raw.parse()
        assert answer.choices[0].message.content == TEXT
        assert answer.usage is not None
        assert answer.usage.total_tokens == 30
        assert raw.headers["customhouse-release"] == f"{BOT}@1"
        assert answer.id.removeprefix("chatcmpl-") == raw.headers["customhouse-trace-id"].replace("-", "")
        with client.chat.completions.create(
            model=BOT,
            messages=[{"role": "user", "content": "Where?"}],
            stream=True,
            stream_options={"include_usage": True},
        ) as stream:
            chunks = list(stream)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text.strip() == TEXT
        assert chunks[-1].usage is not None
        with client.chat.completions.create(
            model=BOT, messages=[{"role": "user", "content": "Where?"}], stream=True
        ) as stream:
            # Clients that never ask for usage index choices[0] on every chunk.
            assert [chunk.choices[0].finish_reason for chunk in stream][-1] == "stop"
        assert [model.id for model in client.models.list()] == [BOT, "support-alias"]


def test_a_tool_conversation_goes_round(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url, ("one-call",))) as gateway, sdk(gateway) as client:
        tools = [
            {"type": "function", "function": {"name": "get_order_status", "parameters": takes("get_order_status")}}
        ]
        create: Any = client.chat.completions.create
        first = create(model=BOT, messages=[{"role": "user", "content": "Where?"}], tools=tools)
        message: Any = first.choices[0].message
        assert first.choices[0].finish_reason == "tool_calls"
        assert message.tool_calls is not None
        result: Fields = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "on its way"}
        history: list[Any] = [{"role": "user", "content": "Where?"}, message, result]
        assert create(model=BOT, messages=history, tools=tools).choices
        sent = upstream.requests[1].body["messages"]
        assert [entry["role"] for entry in sent] == ["system", "user", "assistant", "tool"]
        assert sent[2]["tool_calls"][0]["function"]["name"] == "get_order_status"


def test_a_held_call_is_a_sentence_and_a_receipt(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url, ("refund-call",))) as gateway, sdk(gateway) as client:
        tools = [{"type": "function", "function": {"name": "issue_refund"}}]
        create: Any = client.chat.completions.create
        answer = create(model=BOT, messages=[{"role": "user", "content": "Refund"}], tools=tools)
        assert answer.choices[0].message.tool_calls is None
        assert "[customhouse]" in (answer.choices[0].message.content or "")
        extra: Fields = answer.model_extra or {}
        assert extra["customhouse"]["decisions"][0]["code"] == "tool.needs_approval"


REFUSALS: list[tuple[str, Fields, type[openai.APIStatusError], int]] = [
    # model, request fields, the SDK's class, status
    ("answer", {"store": True}, openai.BadRequestError, 400),
    ("answer", {"model": "gpt-5"}, openai.NotFoundError, 404),
    ("answer", {"extra_headers": {"customhouse-tenant": "other"}}, openai.PermissionDeniedError, 403),
    ("answer", {"user": "x" * 1_100_000}, openai.APIStatusError, 413),
    ("limited", {"response_format": {"type": "json_object"}}, openai.RateLimitError, 429),
    ("broken", {"response_format": {"type": "json_object"}}, openai.InternalServerError, 502),
    ("hang", {"response_format": {"type": "json_object"}}, openai.InternalServerError, 504),
    ("rejected", {}, openai.BadRequestError, 400),
]


@pytest.mark.parametrize(("model", "fields", "error", "status"), REFUSALS)
def test_every_refusal_is_the_sdk_s_own_error(
    home: Path,
    upstream: Upstream,
    model: str,
    fields: Fields,
    error: type[openai.APIStatusError],
    status: int,
) -> None:
    submitted = documents(upstream.base_url, (model,))
    with running(home, submitted, max_body_bytes=1_000_000, **FAST) as gateway, sdk(gateway) as client:
        with pytest.raises(error) as raised:
            ask(client, fields)
        assert raised.value.status_code == status
        assert raised.value.response.headers["customhouse-trace-id"]
        assert raised.value.code


def test_a_wrong_key_is_an_authentication_error(home: Path, upstream: Upstream) -> None:
    with (
        running(home, documents(upstream.base_url)) as gateway,
        sdk(gateway, "chk_" + "A" * 43) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        ask(client, {})


def test_a_stream_that_breaks_raises_and_never_looks_complete(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url, ("cut-stream",))) as gateway, sdk(gateway) as client:
        stream = client.chat.completions.create(model=BOT, messages=[{"role": "user", "content": "hi"}], stream=True)
        with pytest.raises(openai.APIError, match="broke"):
            list(stream)


def test_the_fallback_answer_is_an_ordinary_answer(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url, ("broken",))) as gateway, sdk(gateway) as client:
        answer = client.chat.completions.create(model=BOT, messages=[{"role": "user", "content": "hi"}])
        assert answer.choices[0].message.content == FALLBACK
