# SPDX-License-Identifier: Apache-2.0
"""Attacks on step 8, one file each: a call that is denied or held never reaches the client, in any shape or field."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from tests.gateway.running import documents, running
from tests.upstream import replies
from tests.upstream.server import scripted_upstream

ATTACKS: Final = sorted(Path(__file__).parent.glob("tool-call-*.json"))
OFFERED: Final = ["get_order_status", "issue_refund", "change_shipping_address"]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda path: path.stem)
def test_the_call_does_not_reach_the_client(home: Path, attack: Path) -> None:
    told: dict[str, Any] = json.loads(attack.read_text(encoding="utf-8"))
    expected: dict[str, Any] = told["expected"]
    by_model = dict(replies.BY_MODEL)
    if "reply" in told:
        by_model[told["model"]] = replies.tool_calls(told["reply"])
    tools = [{"type": "function", "function": {"name": name}} for name in told.get("offer", OFFERED)]
    with (
        scripted_upstream(by_model=by_model) as upstream,
        running(home, documents(upstream.base_url, (told["model"],))) as gateway,
    ):
        answer = gateway.chat(stream=told["stream"], tools=tools)
        assert answer.status == 200, told["story"]
        assert [name for name, _ in answer.calls] == expected["calls"]
        for decision in answer.receipt.get("decisions", []):
            assert decision["url"].endswith(answer.headers["customhouse-trace-id"])
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


def _finish_reason(answer: Any) -> str:  # noqa: ANN401 - the harness's answer
    if answer.headers["content-type"].startswith("text/event-stream"):
        found = [choice["finish_reason"] for chunk in answer.chunks for choice in chunk["choices"]]
        return next(reason for reason in found if reason)
    return answer.json["choices"][0]["finish_reason"]
