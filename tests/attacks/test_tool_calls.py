# SPDX-License-Identifier: Apache-2.0
"""Attacks on step 8, one file each: a call that is denied or held never reaches the client, in any shape or field."""

import json
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
from tests.gateway.running import documents, running, takes
from tests.gateway.scene import KEY
from tests.gateway.tongues import TONGUES, say
from tests.upstream import messages, replies, responses
from tests.upstream.messages_replies import MESSAGES
from tests.upstream.responses_replies import RESPONSES
from tests.upstream.server import scripted_upstream
from tests.upstream.wire import Reply

from customhouse.dialects.provider import PROVIDERS
from customhouse.domain.message import DialectName

EVERY: Final = sorted(Path(__file__).parent.glob("tool-call-*.json"))
ATTACKS: Final = [path for path in EVERY if "provider" not in json.loads(path.read_text(encoding="utf-8"))]
SCRIPTED: Final[Mapping[DialectName, Mapping[str, Reply]]] = {
    "openai_chat": replies.BY_MODEL,
    "openai_responses": RESPONSES,
    "anthropic": MESSAGES,
}
STOPS: Final = {"stop": "done", "tool_calls": "calls"}
OFFERED: Final = ["get_order_status", "issue_refund", "change_shipping_address"]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda path: path.stem)
def test_the_call_does_not_reach_the_client(home: Path, attack: Path) -> None:
    told: dict[str, Any] = json.loads(attack.read_text(encoding="utf-8"))
    expected: dict[str, Any] = told["expected"]
    by_model = dict(replies.BY_MODEL)
    if "reply" in told:
        by_model[told["model"]] = replies.tool_calls(told["reply"])
    tools = [
        {"type": "function", "function": {"name": name, "parameters": takes(name)}}
        for name in told.get("offer", OFFERED)
    ]
    with (
        scripted_upstream(by_model=by_model) as upstream,
        running(home, documents(upstream.base_url, (told["model"],))) as gateway,
    ):
        answer = gateway.chat(stream=told["stream"], tools=tools)
        assert answer.status == 200, told["story"]
        assert [name for name, _ in answer.calls] == expected["calls"]
        for decision in answer.receipt.get("decisions", []):
            held, trace_id = decision["outcome"] == "hold", answer.headers["customhouse-trace-id"]
            assert decision["url"] == (f"/approvals/{decision['id']}" if held else f"/api/v1/traces/{trace_id}")
        assert [decision["code"] for decision in answer.receipt.get("decisions", [])] == expected["codes"]
        assert answer.receipt.get("fallback", False) == expected.get("fallback", False)
        assert _finish_reason(answer) == expected["finish_reason"]
        assert answer.text.count("[customhouse]") == len(expected["codes"])
        if "text_without" in expected:
            assert expected["text_without"] not in answer.text
        records = gateway.records(answer.headers["customhouse-trace-id"])
        decided = [record for record in records if record["kind"] == "tool.decided"]
        refused = [record for record in decided if record["decision"]["outcome"] != "allow"]
        assert [record["decision"]["reasons"][0] for record in refused] == expected["codes"]
        assert [record["id"] for record in refused] == [entry["id"] for entry in answer.receipt.get("decisions", [])]
        passed = [record["tool"]["name"] for record in records if record["kind"] == "tool.passed"]
        assert passed == expected["calls"]


def crossings() -> Iterator[Any]:
    """Return each attack with each pair of dialects that can carry it: some faults are of one wire alone."""
    for path in EVERY:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for provider, client in product(PROVIDERS, TONGUES):
            wire = "reply" in told or told["model"] in SCRIPTED[provider]
            if wire and told.get("provider", provider) == provider and (provider, client) != ("openai_chat",) * 2:
                yield pytest.param(told, client, provider, id=f"{path.stem}-{client}-{provider}")


@pytest.mark.parametrize(("told", "client", "provider"), list(crossings()))
def test_nor_does_it_in_any_other_dialect(
    home: Path, told: dict[str, Any], client: DialectName, provider: DialectName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same attacks through every client dialect and from every provider dialect, but for chat with chat."""
    monkeypatch.setenv(KEY, "secret")
    expected: dict[str, Any] = told.get("expected_of", {}).get(provider, told["expected"])
    scripted = {told["model"]: _proposing(told["reply"], provider)} if "reply" in told else {}
    tongue = TONGUES[client]
    with scripted_upstream(by_model=scripted) as upstream:
        submitted = documents(upstream.base_url, (told["model"],), dialect=provider, api_key_env=KEY)
        with running(home, submitted) as gateway:
            answer = say(gateway, tongue, tongue.first(stream=told["stream"], tools=told.get("offer", OFFERED)))
            assert answer.status == 200, told["story"]
            heard = tongue.hear(answer)
            assert [name for _, name, _ in heard.calls] == expected["calls"]
            decisions: list[dict[str, Any]] = heard.receipt.get("decisions", [])
            assert [decision["code"] for decision in decisions] == expected["codes"]
            tickets: list[dict[str, str]] = heard.receipt.get("tickets", [])
            assert [each["call_id"] for each in tickets] == [each[0] for each in heard.calls], "a ticket for each"
            assert heard.receipt.get("fallback", False) == expected.get("fallback", False)
            assert heard.stop == STOPS[expected["finish_reason"]]
            assert heard.text.count("[customhouse]") == len(expected["codes"])
            if "text_without" in expected:
                assert expected["text_without"] not in heard.text
            assert b"25.00" not in answer.body, "not a byte of the refund"
            records = gateway.records(answer.headers["customhouse-trace-id"])
            passed = [record["tool"]["name"] for record in records if record["kind"] == "tool.passed"]
            assert passed == expected["calls"]


def _proposing(calls: list[dict[str, Any]], provider: DialectName) -> Reply:
    """Return a provider's reply that proposes these calls, which are written as chat completions write them."""
    named = [(call["function"]["name"], call["function"]["arguments"]) for call in calls]
    match provider:
        case "openai_chat":
            return replies.tool_calls(calls)
        case "openai_responses":
            return responses.answer(*(responses.call(name, said, at) for at, (name, said) in enumerate(named)))
        case "anthropic":
            # The arguments stand in a body as they are written; json.loads would have taken one of two equal keys.
            blocks = [messages.tool_use(name, {"as": "written"}, at) for at, (name, _) in enumerate(named)]
            return messages.answer(*blocks, rewrite=(b'{"as":"written"}', named[0][1].encode()), pieces=None)


def _finish_reason(answer: Any) -> str:  # noqa: ANN401 - the harness's answer
    if answer.headers["content-type"].startswith("text/event-stream"):
        found = [choice["finish_reason"] for chunk in answer.chunks for choice in chunk["choices"]]
        return next(reason for reason in found if reason)
    return answer.json["choices"][0]["finish_reason"]
