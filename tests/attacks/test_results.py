# SPDX-License-Identifier: Apache-2.0
"""Attacks by result, one file each: what a client says a tool gave back is recorded as what it is, never as more."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from tests.gateway.running import TOOLS, Answer, Json, documents, running
from tests.upstream.server import scripted_upstream

ATTACKS: Final = sorted(Path(__file__).parent.glob("result-*.json"))


def body(told: dict[str, Any], proposed: dict[str, str]) -> list[Json]:
    """Return the conversation as the client tells it. Of a call that was proposed it knows the id, from wherever."""
    returns = [
        {"id": each.get("id") or proposed[each["of"]], "name": each.get("name") or each["of"]}
        for each in told["returns"]
    ]
    calls = {
        each["id"]: {"id": each["id"], "type": "function", "function": {"name": each["name"], "arguments": "{}"}}
        for each in returns
    }
    results = [{"role": "tool", "tool_call_id": each["id"], "content": "It was paid."} for each in returns]
    asked = {"role": "user", "content": "Where is order 7?"}
    return [asked, {"role": "assistant", "content": None, "tool_calls": [*calls.values()]}, *results]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda path: path.stem)
def test_a_result_is_recorded_as_what_it_is(home: Path, attack: Path) -> None:
    told: dict[str, Any] = json.loads(attack.read_text(encoding="utf-8"))
    with (
        scripted_upstream() as upstream,
        running(home, documents(upstream.base_url, (told["model"],)), ("user:*",)) as gateway,
    ):

        def said(whom: str | None, **fields: Any) -> Answer:  # noqa: ANN401 - fields of a body
            return gateway.chat({"customhouse-on-behalf-of": whom} if whom else {}, **fields)

        first = said(told.get("asked_for"), tools=TOOLS)
        trace = first.headers["customhouse-trace-id"]
        records = gateway.records(trace)
        proposed = {r["tool"]["name"]: r["tool"]["call_id"] for r in records if r["kind"] == "tool.proposed"}
        passed = {r["tool"]["name"]: r["id"] for r in records if r["kind"] == "tool.passed"}
        *_, second = [
            said(told.get("returned_for"), messages=body(told, proposed)) for _ in range(told.get("times", 1))
        ]
        assert second.status == 200, told["story"]
        accepted, *rest = gateway.records(second.headers["customhouse-trace-id"])
        returned = [record for record in rest if record["kind"] == "tool.returned"]
        assert len(returned) == len(told["expected"])
        for record, expected in zip(returned, told["expected"], strict=True):
            name = expected.pop("name")
            assert record["tool"]["name"] == name, told["story"]
            where = {"passed_in": trace} if expected["matched"] else {}
            assert record["detail"] == {"asserted_by": "client", **expected, **where}
            assert record["parents"] == [passed[name] if expected["matched"] else accepted["id"]]
            assert "paid" not in json.dumps(record)
