# SPDX-License-Identifier: Apache-2.0
"""Each hostile server does on the wire what it says: a test that survives one has met it."""

import json
import socket
import subprocess
import sys
from collections import Counter
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from tests.mcp_servers import hostile
from tests.mcp_servers.started import ROOT, started

Json = dict[str, Any]
CALL: Final[Json] = {"name": "read_data", "arguments": {}}
MODERN: Final[Json] = {"_meta": {"io.modelcontextprotocol/protocolVersion": hostile.MODERN}}


def message(method: str, params: Json | None = None) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params or {}}).encode()


def connected(url: str, timeout_s: float = 30) -> socket.socket:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return socket.create_connection((parts.hostname, parts.port), timeout_s)


def post(body: bytes) -> bytes:
    return b"POST /mcp HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def raw(url: str, request: bytes) -> tuple[dict[str, str], bytes]:
    """Send a request, then read until the server closes; return the headers and what followed them."""
    with connected(url) as line:
        line.sendall(request)
        with line.makefile("rb") as file:
            head, _, body = file.read().partition(b"\r\n\r\n")
    return dict(one.split(": ", 1) for one in head.decode().split("\r\n")[1:]), body


def result(url: str, method: str, params: Json | None = None) -> Json:
    return json.loads(raw(url, post(message(method, params)))[1])["result"]


def streamed(url: str, params: Json = CALL) -> list[Json]:
    _, body = raw(url, post(message("tools/call", params)))
    return [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: ")]


def spoken(manner: str, *lines: bytes) -> subprocess.CompletedProcess[bytes]:
    command = (sys.executable, "-m", "tests.mcp_servers.hostile", manner)
    return subprocess.run(command, cwd=ROOT, input=b"\n".join(lines), capture_output=True, timeout=30, check=False)


def test_good_speaks_both_eras() -> None:
    with started("hostile", "good", "0") as url:
        assert result(url, "initialize")["protocolVersion"] == hostile.HANDSHAKE
        assert result(url, "server/discover", MODERN)["supportedVersions"] == [hostile.MODERN]
        assert result(url, "tools/call", CALL) == {"content": [{"type": "text", "text": "call 1"}]}
        assert result(url, "tools/call", {**CALL, **MODERN})["resultType"] == "complete"
        seen = json.loads(raw(url, b"GET /seen HTTP/1.1\r\n\r\n")[1])
    assert [one["method"] for one in seen] == ["initialize", "server/discover", "tools/call", "tools/call"]


def test_pages_lists_a_thousand_tools() -> None:
    names: list[str] = []
    cursor: Json = {}
    with started("hostile", "pages", "0") as url:
        for _ in range(hostile.TOOLS // hostile.PAGE):
            page = result(url, "tools/list", cursor)
            names += [one["name"] for one in page["tools"]]
            cursor = {"cursor": page.get("nextCursor")}
    assert cursor == {"cursor": None}
    assert len(set(names)) == len(names) == hostile.TOOLS


def test_huge_answers_with_50_megabytes() -> None:
    with started("hostile", "huge", "0") as url:
        headers, body = raw(url, post(message("tools/call", CALL)))
    assert int(headers["Content-Length"]) == len(body) > hostile.HUGE_BYTES


def test_silent_takes_a_call_and_never_answers() -> None:
    with started("hostile", "silent", "0") as url, connected(url, timeout_s=0.3) as line:
        assert len(result(url, "tools/list")["tools"]) == 1
        line.sendall(post(message("tools/call", CALL)))
        with pytest.raises(TimeoutError):
            line.recv(1)
        seen = json.loads(raw(url, b"GET /seen HTTP/1.1\r\n\r\n")[1])
        assert seen[-1]["method"] == "tools/call"


def test_flood_comes_before_the_answer() -> None:
    with started("hostile", "flood", "0") as url:
        frames = streamed(url)
    assert Counter(one.get("method") for one in frames[:-1]) == {"notifications/message": hostile.FLOOD}
    assert frames[-1]["id"] == 7


def test_too_long_declares_more_than_it_sends() -> None:
    with started("hostile", "too_long", "0") as url:
        assert len(result(url, "tools/list")["tools"]) == 1
        headers, body = raw(url, post(message("tools/call", CALL)))
    assert int(headers["Content-Length"]) == len(body) + hostile.MISSING_BYTES
    assert "result" in json.loads(body)


def test_too_short_sends_more_than_it_declares_and_keeps_the_connection() -> None:
    with started("hostile", "too_short", "0") as url, connected(url, timeout_s=0.3) as line:
        line.sendall(post(message("tools/call", CALL)))
        received = line.recv(65536)  # written in one piece
        with pytest.raises(TimeoutError):  # not the end: the connection stays
            line.recv(1)
    head, _, body = received.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body) - len(body) // 2}".encode() in head
    assert "result" in json.loads(body)


def test_drift_describes_its_tool_otherwise_after_a_call() -> None:
    with started("hostile", "drift", "0") as url:
        before, again = result(url, "tools/list"), result(url, "tools/list")
        result(url, "tools/call", CALL)
        after = result(url, "tools/list")
    assert before == again
    assert before["tools"][0]["name"] == after["tools"][0]["name"]
    assert before["tools"][0]["description"] != after["tools"][0]["description"]


def test_look_alike_lists_names_that_differ_only_to_a_machine() -> None:
    with started("hostile", "look_alike", "0") as url:
        names = [one["name"] for one in result(url, "tools/list")["tools"]]
    assert names == list(hostile.LOOK_ALIKES)
    assert names.count("read_data") == 2
    assert "re\N{CYRILLIC SMALL LETTER A}d_data" in names


def test_asks_for_what_a_server_may_not_have() -> None:
    wanted = ["sampling/createMessage", "elicitation/create", "roots/list"]
    with started("hostile", "asks", "0") as url:
        *asked, answer = streamed(url)
        *asked_modern, first = streamed(url, {**CALL, **MODERN})
        *_, second = streamed(url, {**CALL, **MODERN, "inputResponses": {}})
    assert [one["method"] for one in asked] == [one["method"] for one in asked_modern] == wanted
    assert "content" in answer["result"]
    assert [one["method"] for one in first["result"]["inputRequests"].values()] == wanted
    assert second["result"]["resultType"] == "complete"


def test_garbage_stands_between_the_answers_on_stdio() -> None:
    ended = spoken("garbage", message("initialize"), message("tools/call", CALL))
    lines = ended.stdout.decode().splitlines()
    assert lines[: len(hostile.GARBAGE)] == list(hostile.GARBAGE)
    answers = [json.loads(line) for line in lines if '"result"' in line]
    assert len(answers) == 2
    assert len(lines) == 2 * (len(hostile.GARBAGE) + 1)


def test_exits_says_nothing_on_stdio() -> None:
    ended = spoken("exits", message("initialize"))
    assert (ended.returncode, ended.stdout) == (3, b"")
