# SPDX-License-Identifier: Apache-2.0
"""A held call is released by a person's yes: to the same request, once, byte for byte, in every dialect."""

from pathlib import Path
from typing import Any

import pytest
from tests.gateway.tongues import TONGUES, Tongue
from tests.gateway.waiting import CAPTAIN, REFUND, STATUS, TEXT, TOOLS, waiting

Json = dict[str, Any]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("tongue", TONGUES.values(), ids=list(TONGUES))
def test_a_yes_releases_the_same_call_once(home: Path, tongue: Tongue, stream: bool) -> None:  # noqa: FBT001 - a row
    with waiting(home) as desk:
        body = tongue.first(tools=TOOLS, stream=stream)
        first = desk.ask(tongue.path, body)
        held = tongue.hear(first)
        assert [(name, arguments) for _, name, arguments in held.calls] == [STATUS], "what reads went on at once"
        ((notice),) = held.receipt["decisions"]
        assert (notice["outcome"], notice["tool"]) == ("hold", "issue_refund")
        assert notice["url"] == f"/approvals/{notice['id']}"
        early = desk.ask(tongue.path, body, notice["id"])
        assert (early.status, early.headers["x-should-retry"]) == (409, "false")
        assert desk.say(CAPTAIN, notice["id"]).status == 200
        second = desk.ask(tongue.path, body, notice["id"])
        assert second.status == 200, second.body
        released = tongue.hear(second)
        assert [(name, arguments) for _, name, arguments in released.calls] == [REFUND], "and nothing else, twice"
        assert TEXT in released.text
        assert len(released.receipt["tickets"]) == 1
        third = desk.ask(tongue.path, body, notice["id"])
        assert (third.status, third.body) == (200, second.body)
        assert len(desk.upstream.requests) == 1, "no model was asked again"
        records = desk.gateway.records(second.headers["customhouse-trace-id"])
        assert [record["kind"] for record in records] == ["request.accepted", "tool.passed", "response.completed"]
        kinds = [
            (record["kind"], record.get("outcome"))
            for record in desk.gateway.records(first.headers["customhouse-trace-id"])
            if record["kind"].startswith("approval.")
        ]
        assert kinds == [
            ("approval.requested", "requested"),
            ("approval.decided", "approved"),
            ("approval.decided", "consumed"),
        ]


def test_what_comes_after_the_released_call_is_a_turn_like_any_other(home: Path) -> None:
    """An agent sends the header with every request of its run."""
    tongue = TONGUES["openai_chat"]
    with waiting(home) as desk:
        body = tongue.first(tools=TOOLS)
        (notice,) = tongue.hear(desk.ask(tongue.path, body)).receipt["decisions"]
        desk.say(CAPTAIN, notice["id"])
        released = tongue.hear(desk.ask(tongue.path, body, notice["id"]))
        after = desk.ask(tongue.path, tongue.second(body, released, ["refunded"]), notice["id"])
        assert after.status == 200
        assert len(desk.upstream.requests) == 2, "the model was asked what to say now"
        (another,) = tongue.hear(after).receipt["decisions"]
        assert another["id"] != notice["id"], "and what it proposes then is held anew"
