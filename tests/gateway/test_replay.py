# SPDX-License-Identifier: Apache-2.0
"""A held call is released by a person's yes: to the same request, once, byte for byte, in every dialect."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.test_claims import counted
from tests.gateway.tongues import TONGUES, Tongue
from tests.gateway.waiting import CAPTAIN, REFUND, STATUS, TEXT, TOOLS, refunds, waiting

from customhouse.planes.tools.document import Budget

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
            (record["kind"], record.get("outcome"), record["decision"]["outcome"])
            for record in desk.gateway.records(first.headers["customhouse-trace-id"])
            if record["kind"].startswith("approval.")
        ]
        assert kinds == [
            ("approval.requested", "requested", "hold"),
            ("approval.decided", "approved", "allow"),
            ("approval.decided", "consumed", "allow"),
        ]


def test_a_held_calls_address_is_one_that_a_person_can_open(home: Path) -> None:
    tongue = TONGUES["openai_chat"]
    with waiting(home, public_url="https://customhouse.acme.test/") as desk:
        heard = tongue.hear(desk.ask(tongue.path, tongue.first(tools=TOOLS)))
        (notice,) = heard.receipt["decisions"]
        assert notice["url"] == f"https://customhouse.acme.test/approvals/{notice['id']}"
        assert notice["url"] in heard.text


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


def test_an_agent_of_responses_goes_on_by_the_items_that_it_was_given(home: Path) -> None:
    """The history has the answer, the result of the call that passed, and the client's own yes, which is none."""
    tongue = TONGUES["openai_responses"]
    with waiting(home) as desk:
        body = tongue.first(tools=TOOLS)
        body["tools"].append({"type": "mcp", "server_label": "customhouse"})
        output: list[Json] = json.loads(desk.ask(tongue.path, body).body)["output"]
        (shown,) = [item for item in output if item["type"] == "mcp_approval_request"]
        (passed,) = [item for item in output if item["type"] == "function_call"]
        result = {"type": "function_call_output", "call_id": passed["call_id"], "output": "sent"}
        yes = {"type": "mcp_approval_response", "approval_request_id": shown["id"], "approve": True}
        again = {**body, "input": [*body["input"], *output, result, yes]}
        assert desk.ask(tongue.path, again).status == 409, "nobody has said yes"
        assert desk.say(CAPTAIN, shown["id"]).status == 200
        more = {"type": "message", "role": "user", "content": "Refund order 8 too."}
        assert desk.ask(tongue.path, {**again, "input": [*again["input"], more]}).status == 403, "another request"
        answer = desk.ask(tongue.path, again)
        assert [(name, arguments) for _, name, arguments in tongue.hear(answer).calls] == [REFUND]
        kinds = desk.gateway.kinds(answer.headers["customhouse-trace-id"])
        assert kinds == ["request.accepted", "tool.returned", "tool.passed", "response.completed"]


def test_what_a_release_reserved_stands_where_nobody_knows_whether_it_landed(home: Path) -> None:
    """The commit is not confirmed, and may be there: who asks again is given the kept answer without another claim."""
    tongue = TONGUES["openai_chat"]
    sums = (Budget(of="args.amount", tool="issue_refund", max="500", per="day"),)
    with waiting(home, refunds(sums=sums)) as desk:
        body = tongue.first(tools=TOOLS)
        (notice,) = tongue.hear(desk.ask(tongue.path, body)).receipt["decisions"]
        desk.say(CAPTAIN, notice["id"])
        unconfirmed = (
            "CREATE TRIGGER unconfirmed BEFORE UPDATE ON approval WHEN NEW.state = 'consumed'"
            " BEGIN SELECT RAISE(ABORT, 'unconfirmed'); END"
        )
        desk.gateway.alter(unconfirmed)
        lost = desk.ask(tongue.path, body, notice["id"])
        assert lost.status == 503, lost.body
        assert [row[2:] for row in counted(desk.gateway)] == [(25_000_000, 0)]
        desk.gateway.alter("DROP TRIGGER unconfirmed")
        assert desk.ask(tongue.path, body, notice["id"]).status == 200
