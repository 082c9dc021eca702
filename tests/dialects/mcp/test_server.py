# SPDX-License-Identifier: Apache-2.0
"""What an upstream says of itself is believed as far as it can be read, and no list of it is endless."""

from typing import Any

import pytest

from customhouse.dialects.mcp import message
from customhouse.dialects.mcp.message import Response
from customhouse.dialects.mcp.server import MAX_TOOLS, Server, Stated, discovered, initialized, stated
from customhouse.domain.errors import UpstreamFailed


def answer(value: dict[str, Any]) -> Response:
    return response(message.result(1, value))


def failure(code: int, data: object = None) -> Response:
    return response(message.error(1, code, "no", data))


def response(body: bytes) -> Response:
    found = message.read(body)
    assert isinstance(found, Response)
    return found


def test_a_server_agrees_on_a_revision() -> None:
    said = answer({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "a"}})
    assert initialized(said) == Server("2025-06-18", {"tools": {}})


NOT_AGREED: list[Response] = [
    failure(-32601),
    answer({}),
    answer({"protocolVersion": "2026-07-28", "capabilities": {}}),
    answer({"protocolVersion": "1999-01-01", "capabilities": {}}),
    answer({"protocolVersion": 7, "capabilities": {}}),
    answer({"protocolVersion": "2025-06-18"}),
    answer({"protocolVersion": "2025-06-18", "capabilities": []}),
]


@pytest.mark.parametrize("said", NOT_AGREED)
def test_a_server_that_does_not_agree_has_failed(said: Response) -> None:
    with pytest.raises(UpstreamFailed):
        initialized(said)


MODERN = Server("2026-07-28", {"tools": {}})
DISCOVERED: list[tuple[str, Response, Server | None]] = [
    ("a modern one", answer({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}), MODERN),
    (
        "one that speaks both, and newer ones",
        answer({"supportedVersions": ["2099-01-01", "2026-07-28", "2025-11-25"], "capabilities": {"tools": {}}}),
        MODERN,
    ),
    ("one that discovers, of the handshake era", answer({"supportedVersions": ["2025-11-25"]}), None),
    ("one that does not know the method", failure(-32601), None),
    ("one that wants a session first", failure(-32600, {"supported": ["1"]}), None),
    ("one that names the older revisions", failure(-32022, {"supported": ["2025-11-25"], "requested": "x"}), None),
    ("one that names nothing", failure(-32022), None),
    ("one that names no list", failure(-32022, {"supported": "2099-01-01"}), None),
    ("one whose data is no object", failure(-32022, ["2099-01-01"]), None),
    ("one that answers something", answer({"ok": True}), None),
]


@pytest.mark.parametrize(("why", "said", "server"), DISCOVERED, ids=[each[0] for each in DISCOVERED])
def test_what_is_no_sign_of_the_modern_era_is_one_of_the_other(why: str, said: Response, server: Server | None) -> None:
    assert discovered(said) == server, why


@pytest.mark.parametrize(
    "said",
    [
        failure(-32022, {"supported": ["2099-01-01"], "requested": "2026-07-28"}),
        answer({"supportedVersions": ["2099-01-01"], "capabilities": {}}),
        answer({"supportedVersions": ["2026-07-28"]}),
    ],
)
def test_a_server_with_which_nothing_is_shared_has_failed(said: Response) -> None:
    with pytest.raises(UpstreamFailed):
        discovered(said)


def test_tools_are_stated_page_by_page() -> None:
    tool = {"name": "a", "inputSchema": {"maximum": 2**70}, "title": "A"}
    assert stated(answer({"tools": [tool], "nextCursor": "2"})) == Stated((tool,), "2")
    assert stated(answer({"tools": []})) == Stated((), None)


@pytest.mark.parametrize(
    "said",
    [
        failure(-32601),
        answer({}),
        answer({"tools": {}}),
        answer({"tools": ["a"]}),
        answer({"tools": [{}] * (MAX_TOOLS + 1)}),
        answer({"tools": [], "nextCursor": 2}),
        answer({"tools": [], "nextCursor": "x" * 5000}),
    ],
)
def test_a_list_that_is_none_or_endless_is_the_servers_failure(said: Response) -> None:
    with pytest.raises(UpstreamFailed):
        stated(said)
