# SPDX-License-Identifier: Apache-2.0
"""`customhouse trace` as a person reads it: one turn, a release, a refusal; and as JSON."""

import json
import subprocess
import sys
from pathlib import Path

from tests.gateway.running import TOOLS, Running, documents, running
from tests.upstream.server import Upstream

CUSTOMHOUSE = Path(sys.executable).with_name("customhouse")


def trace(gateway: Running, *arguments: str) -> str:
    command = [str(CUSTOMHOUSE), "--local", "--home", str(gateway.home), "trace", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_turn_is_a_tree_from_request_to_decision(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url, ("broken", "parallel-calls"))) as gateway:
        answer = gateway.chat(tools=TOOLS)
        text = trace(gateway, "--last")
        for expected in (
            answer.headers["customhouse-trace-id"],
            answer.headers["customhouse-snapshot"],
            "in force  support@1",
            "environment dev",
            "prompt    version 1",
            "labels: not computed yet",
            "model.failed  local/broken (broken, attempt 1)  deny  failed",
            "upstream.server_error: The upstream answered 5xx.",
            "offered: get_order_status, issue_refund",
            "withheld: change_shipping_address, delete_everything",
            "tool.passed  get_order_status (read)",
            "tool.decided  issue_refund (irreversible)  hold",
            "tool.needs_approval",
            "completion_tokens 9",
            "records match their hashes",
        ):
            assert expected in text, expected
        assert "Where is order 7?" not in text
        assert "Where is order 7?" in trace(gateway, "--last", "--payloads")
        found = json.loads(trace(gateway, answer.json["id"], "--json"))
        assert found["trace_id"] == answer.headers["customhouse-trace-id"]


def test_a_release_is_found_by_its_name(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url)) as gateway:
        text = trace(gateway, "support@1")
        assert "release.published  by local:1000" in text
        assert "after: model version 1 (@1), prompt version 1 (@1)" in text


def test_a_refused_key_is_named(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url)) as gateway:
        refused = gateway.chat({"customhouse-tenant": "other"})
        text = trace(gateway, refused.headers["customhouse-trace-id"])
        assert "asked by  key_" in text
        assert "identity.tenant_refused" in text
