# SPDX-License-Identifier: Apache-2.0
"""What the gateway says is what the protocol's own SDK reads, in every revision."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from mcp_types import methods

from customhouse.dialects.mcp import answers, message, result
from customhouse.dialects.mcp.answers import Denial, Offered
from customhouse.dialects.mcp.envelope import SERVER, Identity
from customhouse.dialects.mcp.refused import Id
from customhouse.dialects.mcp.revision import HANDSHAKE, KNOWN, MODERN

OURS = Identity("customhouse", "1.2.3")
NEWEST = MODERN[-1]
TOOL = msgspec.Raw(b'{"name":"refund","description":"Pays money back.","inputSchema":{"type":"object"}}')
DENIED = Denial(
    "Not run: needs approval.", "tool.needs_approval", "trace-1", {"id": "apr-1", "url": "https://c.test/a"}
)
EVERYTHING = Offered(
    tools=True, prompts=True, resources=True, changes=True, completions=True, logging=True, subscribe=True
)


def said(value: Mapping[str, object]) -> dict[str, Any]:
    """Return a result as its receiver reads it."""
    return json.loads(message.result(1, value))["result"]


RESULTS: list[tuple[str, dict[str, object]]] = [
    ("tools/list", answers.listed("tools", [TOOL], "next")),
    ("tools/list", answers.listed("tools", [])),
    ("tools/call", DENIED.result()),
    ("tools/call", Denial("No.", "tool.denied", "trace-2").result()),
    ("prompts/list", answers.listed("prompts", [])),
    ("resources/list", answers.listed("resources", [])),
    ("resources/templates/list", answers.listed("resourceTemplates", [])),
]


@pytest.mark.parametrize("revision", KNOWN)
@pytest.mark.parametrize(("method", "value"), RESULTS)
def test_a_result_is_one_of_every_revision(method: str, value: dict[str, object], revision: str) -> None:
    sent = said(result.modern(method, value, OURS)) if revision in MODERN else said(value)
    found = methods.serialize_server_result(method, revision, sent)
    kept = set(found) | {"_meta", "isError"}
    assert set(sent) <= kept | {"resultType"}, "nothing is said that the revision does not have"


@pytest.mark.parametrize("revision", HANDSHAKE)
@pytest.mark.parametrize("offered", [Offered(), Offered(tools=False), EVERYTHING])
def test_a_session_begins_with_what_there_is(offered: Offered, revision: str) -> None:
    sent = said(answers.initialized(revision, OURS, offered, "Ask first."))
    found = methods.serialize_server_result("initialize", revision, sent)
    assert found["protocolVersion"] == revision
    assert found["serverInfo"] == {"name": "customhouse", "version": "1.2.3"}
    assert set(found["capabilities"]) <= set(sent["capabilities"])
    if revision == HANDSHAKE[-1]:
        assert found == sent


def test_what_there_is_not_is_not_said() -> None:
    assert Offered(tools=False).stated() == {}
    assert Offered().stated() == {"tools": {}}
    assert EVERYTHING.stated() == {
        "tools": {"listChanged": True},
        "prompts": {"listChanged": True},
        "resources": {"listChanged": True, "subscribe": True},
        "completions": {},
        "logging": {},
    }


@pytest.mark.parametrize("offered", [Offered(), EVERYTHING])
def test_discovery_says_which_revisions_a_request_may_name(offered: Offered) -> None:
    sent = said(result.modern("server/discover", answers.discovered(offered), OURS, ttl_ms=30_000))
    assert methods.serialize_server_result("server/discover", NEWEST, sent) == sent
    assert sent["supportedVersions"] == ["2026-07-28"]
    assert (sent["ttlMs"], sent["cacheScope"], sent["resultType"]) == (30_000, "private", "complete")
    assert sent["_meta"][SERVER] == {"name": "customhouse", "version": "1.2.3"}


def test_a_denial_says_why_to_people_and_to_programs() -> None:
    sent = said(DENIED.result())
    assert (sent["isError"], sent["content"]) == (True, [{"type": "text", "text": "Not run: needs approval."}])
    assert sent["_meta"] == {
        "customhouse/code": "tool.needs_approval",
        "customhouse/trace_id": "trace-1",
        "customhouse/approval": {"id": "apr-1", "url": "https://c.test/a"},
    }


def test_a_held_call_asks_for_the_approvals_page_to_be_opened() -> None:
    sent = said(answers.held("https://c.test/approvals/apr-1", "Ola must say yes.", "sealed").result())
    assert methods.serialize_server_result("tools/call", NEWEST, sent) == sent
    assert methods.is_input_required(methods.parse_server_result("tools/call", NEWEST, sent))
    assert sent == {
        "resultType": "input_required",
        "inputRequests": {
            "approval": {
                "method": "elicitation/create",
                "params": {"mode": "url", "message": "Ola must say yes.", "url": "https://c.test/approvals/apr-1"},
            }
        },
        "requestState": "sealed",
    }


def test_a_missing_capability_is_named() -> None:
    refusal = answers.incapable({"elicitation": {"url": {}}}, 4)
    sent = json.loads(message.refusal(refusal))
    assert (refusal.status, sent["id"], sent["error"]["code"]) == (400, 4, -32021)
    assert sent["error"]["data"] == {"requiredCapabilities": {"elicitation": {"url": {}}}}


NOTES: list[tuple[bytes, tuple[str, ...]]] = [
    (answers.changed("tools"), HANDSHAKE),
    (answers.changed("prompts"), HANDSHAKE),
    (answers.changed("resources"), HANDSHAKE),
    (answers.progressed("t", 0.5, 1.0), KNOWN),
    (answers.progressed(7, 2, None, "half"), KNOWN[1:]),
]


@pytest.mark.parametrize(("sent", "revisions"), NOTES)
def test_a_notification_is_one_of_its_revisions(sent: bytes, revisions: tuple[str, ...]) -> None:
    found = json.loads(sent)
    for revision in revisions:
        methods.parse_server_notification(found["method"], revision, found.get("params"))


@pytest.mark.parametrize("request_id", [7, "a"])
def test_an_upstream_is_told_that_nobody_waits(request_id: Id) -> None:
    found = json.loads(answers.cancelled(request_id, "the client is gone"))
    for revision in HANDSHAKE:
        methods.parse_client_notification(found["method"], revision, found["params"])
    assert found["params"]["requestId"] == request_id
