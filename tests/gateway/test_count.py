# SPDX-License-Identifier: Apache-2.0
"""Counting tokens is a turn: what is counted is what would be sent, by whoever may see it, and evidence stays."""

from pathlib import Path
from typing import Any, Final

import anthropic
import pytest
from anthropic.types import MessageParam, ToolParam
from msgspec.structs import replace
from tests.gateway.running import BOT, documents, running, takes
from tests.gateway.scene import KEY, scene, sdk
from tests.upstream.server import scripted_upstream

from customhouse.domain.message import DialectName

ASKED: Final[list[MessageParam]] = [{"role": "user", "content": "Where is order 7?"}]
TOOLS: Final[list[ToolParam]] = [
    {"name": name, "input_schema": takes(name)} for name in ("get_order_status", "delete_everything")
]


@pytest.fixture(autouse=True)
def upstream_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "secret")


def test_what_is_counted_is_what_would_be_sent(home: Path) -> None:
    with scene(home, "answer") as (gateway, upstream, client):
        counted = client.messages.count_tokens(model=BOT, messages=ASKED, tools=TOOLS)
        client.messages.create(model=BOT, messages=ASKED, tools=TOOLS, max_tokens=64)
        count, sent = upstream.requests
        assert counted.input_tokens == len(count.raw) // 4
        assert (count.path, sent.path) == ("/v1/messages/count_tokens", "/v1/messages")
        assert count.body == {name: sent.body[name] for name in ("model", "messages", "system", "tools")}
        assert [tool["name"] for tool in count.body["tools"]] == ["get_order_status"], (
            "what no policy grants is not sent"
        )
        told: Any = counted.model_extra
        records = gateway.records(told["customhouse"]["trace_id"])
        assert [record["kind"] for record in records] == [
            "request.accepted",
            "model.called",
            "model.answered",
            "response.completed",
        ]
        assert [record.get("outcome") for record in records] == [None, None, "counted", "counted"]
        assert records[2]["usage"] == {"prompt_tokens": counted.input_tokens, "completion_tokens": 0}


def test_a_deployment_that_cannot_count_is_passed_over(home: Path) -> None:
    with scripted_upstream() as upstream:
        chat = documents(upstream.base_url, ("first",)).model
        both = documents(upstream.base_url, ("first", "second"), dialect="anthropic", api_key_env=KEY)
        deployments = {**both.model.deployments, "first": chat.deployments["first"]}
        mixed = replace(both, model=replace(both.model, deployments=deployments))
        with running(home, mixed) as gateway, sdk(gateway) as client:
            assert client.messages.count_tokens(model=BOT, messages=ASKED).input_tokens > 0
            assert [request.model for request in upstream.requests] == ["second"]


@pytest.mark.parametrize("dialect", ["openai_chat"])
def test_when_nobody_can_count(home: Path, dialect: DialectName) -> None:
    with scene(home, "answer", dialect=dialect) as (gateway, upstream, client):
        with pytest.raises(anthropic.NotFoundError) as caught:
            client.messages.count_tokens(model=BOT, messages=ASKED)
        body: Any = caught.value.body
        assert body["error"]["code"] == "route.cannot_count"
        assert upstream.requests == []
        (refused,) = gateway.records(body["error"]["trace_id"])
        assert (refused["kind"], refused["decision"]["reasons"]) == ("request.refused", ["route.cannot_count"])


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("overloaded", 502, "upstream.failed"),
        ("limited", 429, "upstream.limited"),
        ("rejected", 400, "upstream.rejected"),
        ("hang", 504, "upstream.timeout"),
    ],
)
def test_no_sentence_stands_for_a_number(home: Path, model: str, status: int, code: str) -> None:
    with scene(home, model, settings={"first_byte_timeout_s": 1, "idle_timeout_s": 1}) as (gateway, _, client):
        with pytest.raises(anthropic.APIStatusError) as caught:
            client.messages.count_tokens(model=BOT, messages=ASKED)
        body: Any = caught.value.body
        assert (caught.value.status_code, body["error"]["code"]) == (status, code)
        kinds = gateway.kinds(body["error"]["trace_id"])
        assert kinds == ["request.accepted", "model.called", "model.failed", "response.completed"]


def test_data_that_nobody_may_see_is_not_counted(home: Path) -> None:
    with scene(home, "answer") as (_, upstream, client):
        with pytest.raises(anthropic.APIStatusError) as caught:
            client.messages.count_tokens(
                model=BOT, messages=ASKED, extra_headers={"customhouse-classification": "confidential"}
            )
        assert caught.value.status_code == 502
        assert upstream.requests == []
