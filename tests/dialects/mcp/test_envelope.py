# SPDX-License-Identifier: Apache-2.0
"""An upstream learns from a request what the gateway says, and of the client what was let through."""

import json
from typing import Any

import pytest
from mcp_types import methods

from customhouse.dialects.mcp import envelope, message
from customhouse.dialects.mcp.client import Client, introduced
from customhouse.dialects.mcp.envelope import Envelope, Identity, bare, lent, opened, opened_modern, sealed
from customhouse.dialects.mcp.message import Call
from customhouse.dialects.mcp.refused import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    STATUS,
    Refused,
    refused,
)
from customhouse.dialects.mcp.revision import HANDSHAKE, KNOWN, MODERN, at_least, era, negotiated, status, unsupported

OURS = Identity("customhouse", "1.2.3")
META: dict[str, object] = {
    envelope.REVISION: "2026-07-28",
    envelope.CAPABILITIES: {"sampling": {"tools": {}}, "elicitation": {"url": {}}, "experimental": {"x": {}}},
    envelope.CLIENT: {"name": "Mallory", "version": "1", "websiteUrl": "https://mallory.test"},
    envelope.LOG_LEVEL: "debug",
    "progressToken": "p-1",
    "com.acme/secret": "of the client",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}


def call(params: dict[str, Any]) -> Call:
    found = message.read(message.request(1, "tools/call", params))
    assert isinstance(found, Call)
    return found


def sent(params: dict[str, object]) -> dict[str, Any]:
    return json.loads(message.request(2, "tools/call", params))["params"]


def test_a_modern_request_says_who_asks_and_how() -> None:
    found = opened_modern(call({"name": "a", "_meta": META}))
    assert found.client is not None
    assert (found.progress, found.log_level, found.client.name, found.client.version) == (
        "p-1",
        "debug",
        "Mallory",
        "1",
    )
    assert found.client.revision == "2026-07-28"


def test_a_modern_upstream_is_told_who_asks_and_nothing_else_of_the_client() -> None:
    asked = call({"name": "a", "arguments": {"x": 1.0}, "_meta": META})
    found = opened_modern(asked)
    assert found.client is not None
    made = sent(sealed(asked.members, OURS, "2026-07-28", lent(found.client, ["elicitation"]), found))
    assert made == {
        "name": "a",
        "arguments": {"x": 1.0},
        "_meta": {
            envelope.REVISION: "2026-07-28",
            envelope.CLIENT: {"name": "customhouse", "version": "1.2.3"},
            envelope.CAPABILITIES: {"elicitation": {"url": {}}},
            envelope.LOG_LEVEL: "debug",
            "progressToken": "p-1",
        },
    }
    methods.validate_client_request("tools/call", MODERN[-1], made)


def test_an_upstream_may_ask_for_nothing_by_default() -> None:
    client = Client("2026-07-28", {"sampling": {}, "roots": {}, "elicitation": {}, "tasks": {}})
    assert lent(client, ()) == {}
    assert lent(client, ["roots", "sampling", "unheard"]) == {"roots": {}, "sampling": {}}


def test_an_upstream_of_the_handshake_era_gets_the_token_alone() -> None:
    asked = call({"name": "a", "_meta": META})
    made = sent(bare(asked.members, opened(asked)))
    assert made == {"name": "a", "_meta": {"progressToken": "p-1"}}
    for revision in HANDSHAKE:
        methods.validate_client_request("tools/call", revision, made)
    assert bare(call({"name": "a", "_meta": {"x": 1}}).members, Envelope()).keys() == {"name"}


@pytest.mark.parametrize("meta", [[], "x", {"progressToken": 1.0}, {"progressToken": []}, {"progressToken": "x" * 600}])
def test_a_request_of_the_handshake_era_has_a_readable_meta(meta: object) -> None:
    with pytest.raises(Refused) as found:
        opened(call({"name": "a", "_meta": meta}))
    assert (found.value.code, found.value.id) == (INVALID_PARAMS, 1)


def test_a_request_without_meta_says_nothing() -> None:
    assert opened(call({"name": "a"})) == opened(call({"name": "a", "_meta": None})) == Envelope()


INTRODUCTION: dict[str, object] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"elicitation": {"url": {}}},
    "clientInfo": {"name": "probe", "version": "1"},
}


def test_a_client_introduces_itself() -> None:
    assert introduced(INTRODUCTION) == Client("2025-11-25", {"elicitation": {"url": {}}}, "probe", "1")


@pytest.mark.parametrize("key", sorted(INTRODUCTION))
@pytest.mark.parametrize("value", ["absent", None, 7, []])
def test_an_introduction_is_whole(key: str, value: object) -> None:
    params = {**INTRODUCTION, key: value}
    if value == "absent":
        del params[key]
    with pytest.raises(Refused) as found:
        introduced(params, 3)
    assert (found.value.status, found.value.code, found.value.id) == (400, INVALID_PARAMS, 3)


@pytest.mark.parametrize(
    ("capabilities", "capability", "mode", "able"),
    [
        ({"elicitation": {"url": {}}}, "elicitation", "url", True),
        ({"elicitation": {"url": {}}}, "elicitation", "form", False),
        ({"elicitation": {}}, "elicitation", "form", True),
        ({"elicitation": {}}, "elicitation", "url", False),
        ({"elicitation": {}}, "elicitation", None, True),
        ({"elicitation": None}, "elicitation", None, False),
        ({"elicitation": True}, "elicitation", "url", False),
        ({"elicitation": "url"}, "elicitation", "url", False),
        ({}, "elicitation", "url", False),
    ],
)
def test_a_client_can_what_it_declares(
    capabilities: dict[str, object], capability: str, mode: str | None, *, able: bool
) -> None:
    assert Client("2026-07-28", capabilities).can(capability, mode) == able


def test_one_revision_is_agreed_on() -> None:
    for revision in HANDSHAKE:
        assert negotiated(revision) == revision
    for revision in (*MODERN, "2099-01-01", "1", ""):
        assert negotiated(revision) == "2025-11-25"
    assert [era(each) for each in (*KNOWN, "x")] == ["handshake"] * 4 + ["modern", None]
    assert at_least("2025-11-25", "2025-06-18")
    assert not at_least("2025-03-26", "2025-06-18")
    assert not at_least("zzz", "2025-06-18")


def test_the_error_of_a_call_goes_out_with_200_in_the_handshake_era_alone() -> None:
    for code in (METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR):
        assert status(refused(code, "no"), "handshake") == 200
        assert status(refused(code, "no"), "modern") == STATUS.get(code, 200)
    for code in (PARSE_ERROR, INVALID_REQUEST, HEADER_MISMATCH):
        assert status(refused(code, "no"), "handshake") == 400
    assert status(Refused(406, INVALID_REQUEST, "no"), "handshake") == 406


def test_a_long_revision_is_not_echoed_whole() -> None:
    assert unsupported("2" * 1000).data == {"supported": ["2026-07-28"], "requested": "2" * 64}
