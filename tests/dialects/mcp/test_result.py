# SPDX-License-Identifier: Apache-2.0
"""An upstream's result reaches clients of both eras: each gets the members of its own, and every value as it was."""

import json
from typing import Any

import pytest
from mcp_types import methods

from customhouse.dialects.mcp import message, result
from customhouse.dialects.mcp.envelope import SERVER, Identity
from customhouse.dialects.mcp.message import Response
from customhouse.dialects.mcp.revision import HANDSHAKE, MODERN
from customhouse.domain.errors import UpstreamFailed

OURS = Identity("customhouse", "1.2.3")
TEXT = {"content": [{"type": "text", "text": "hi"}]}
THEIRS = {"_meta": {SERVER: {"name": "upstream", "version": "9"}, "com.acme/x": 1}}


def answer(value: dict[str, Any]) -> Response:
    found = message.read(message.result(1, value))
    assert isinstance(found, Response)
    return found


def said(value: dict[str, object]) -> dict[str, Any]:
    return json.loads(message.result(1, value))["result"]


CASES: list[tuple[str, str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("of the handshake era", "tools/call", TEXT, {"resultType": "complete"}, {}),
    ("modern", "tools/call", {**TEXT, "resultType": "complete"}, {"resultType": "complete"}, {}),
    (
        "modern, with hints for caches",
        "resources/read",
        {"contents": [], "resultType": "complete", "ttlMs": 500, "cacheScope": "public"},
        {"resultType": "complete", "ttlMs": 500, "cacheScope": "private"},
        {},
    ),
    (
        "modern, holding for a year",
        "resources/read",
        {"contents": [], "resultType": "complete", "ttlMs": 31_536_000_000, "cacheScope": "private"},
        {"resultType": "complete", "ttlMs": 3_600_000, "cacheScope": "private"},
        {},
    ),
    (
        "with a hint that is none",
        "resources/read",
        {"contents": [], "ttlMs": -1, "cacheScope": "everybody"},
        {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"},
        {},
    ),
    (
        "with its maker's name, which is the gateway's to say",
        "tools/call",
        {**TEXT, **THEIRS},
        {"resultType": "complete", "_meta": {SERVER: OURS.stated(), "com.acme/x": 1}},
        {"_meta": {"com.acme/x": 1}},
    ),
    ("with a _meta that is none", "tools/call", {**TEXT, "_meta": None}, {"resultType": "complete"}, {}),
    (
        "an error of the tool's own",
        "tools/call",
        {**TEXT, "isError": True, "structuredContent": {"a": [1]}},
        {"resultType": "complete", "isError": True, "structuredContent": {"a": [1]}},
        {"isError": True, "structuredContent": {"a": [1]}},
    ),
    (
        "with a list as structured content",
        "tools/call",
        {**TEXT, "structuredContent": [1]},
        {"resultType": "complete", "structuredContent": [1]},
        {},
    ),
]


@pytest.mark.parametrize(("why", "method", "sent", "modern", "old"), CASES, ids=[each[0] for each in CASES])
def test_each_era_gets_its_own_members(
    why: str, method: str, sent: dict[str, Any], modern: dict[str, Any], old: dict[str, Any]
) -> None:
    content = {key: sent[key] for key in ("content", "contents") if key in sent}
    new = said(result.passed_on(method, answer(sent), OURS))
    assert new == {"_meta": {SERVER: OURS.stated()}, **content, **modern}, why
    methods.validate_server_result(method, MODERN[-1], new)
    back = said(result.passed_back(answer(sent)))
    assert back == {**content, **old}, why
    for revision in HANDSHAKE:
        methods.validate_server_result(method, revision, back)


def test_values_pass_as_they_were_spelled() -> None:
    body = (
        b'{"jsonrpc":"2.0","id":1,"result":{"content":[],"structuredContent":{"x":1.0e2,"y":12345678901234567890123}}}'
    )
    found = message.read(body)
    assert isinstance(found, Response)
    assert b'"structuredContent":{"x":1.0e2,"y":12345678901234567890123}' in message.result(
        1, result.passed_on("tools/call", found, OURS)
    )
    assert message.result(1, result.passed_back(found)) == body


@pytest.mark.parametrize("kind", ["task", "input_required", "", None, 7])
def test_a_result_of_another_type_is_not_passed_as_a_complete_one(kind: object) -> None:
    found = answer({**TEXT, "resultType": kind})
    with pytest.raises(UpstreamFailed):
        result.passed_on("tools/call", found, OURS)
    with pytest.raises(UpstreamFailed):
        result.passed_back(found)
