# SPDX-License-Identifier: Apache-2.0
"""The everything-server speaks stdio in both eras (over HTTP the conformance suite asks it)."""

import json
import subprocess
import sys
from typing import Any, Final

import pytest
from tests.mcp_servers import contents
from tests.mcp_servers.started import ROOT

_META: Final = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def _handshake(revision: str) -> list[dict[str, Any]]:
    params = {"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    return [{"id": 1, "method": "initialize", "params": params}, {"method": "notifications/initialized"}]


@pytest.mark.parametrize(
    ("first", "meta"),
    [(_handshake("2025-06-18"), {}), (_handshake("2025-11-25"), {}), ([], {"_meta": _META})],
    ids=["2025-06-18", "2025-11-25", "2026-07-28"],
)
def test_lists_its_tools_on_stdio(first: list[dict[str, Any]], meta: dict[str, Any]) -> None:
    messages = [*first, {"id": 2, "method": "tools/list", "params": meta}]
    sent = "".join(json.dumps({"jsonrpc": "2.0", **one}) + "\n" for one in messages)
    command = (sys.executable, "-m", "tests.mcp_servers.everything")
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(sent)
        process.stdin.flush()  # and stays open: the SDK gives up what it has not answered when the input ends
        answers = [json.loads(process.stdout.readline()) for one in messages if "id" in one]
        process.stdin.close()
    assert process.returncode == 0
    listed = answers[-1]["result"]["tools"]
    assert [one["name"] for one in listed] == list(contents.TOOLS)
