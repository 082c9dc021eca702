# SPDX-License-Identifier: Apache-2.0
"""Every way that a proposed call can go, in every dialect, whole and streamed.

A row says what the policy is, what the model proposes, and of each call how it is decided and why. From that follows
what the client may see, what the provider was shown, and the evidence that is left: `look` states it once for all.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tests.attacks.test_switches import thrown
from tests.gateway.running import GRANTS, Answer, Running, documents, running
from tests.gateway.tongues import TONGUES, Chat, Tongue
from tests.upstream import replies
from tests.upstream.server import Upstream, scripted_upstream

from customhouse.planes.tools.document import Budget, Document, Grant

TEXT: Final = "I will see to your order."
STATUS, NOTE, REFUND, WEATHER = "get_order_status", "issue_note", "issue_refund", "get_weather"
ORDER: Final = {"order_id": "A-1001"}
AMOUNT: Final = {"order_id": "A-1001", "amount": 300}
NOTED: Final = Grant(permission="allow", effect="write")
BASE: Final[Mapping[str, Grant]] = {**GRANTS, NOTE: NOTED}
GRANTED: Final = "allow tool.granted"


def ruled(rule: str) -> dict[str, Grant]:
    """Return the grants with one rule on notes."""
    return {**BASE, NOTE: msgspec.structs.replace(NOTED, rules=(rule,))}


def summed(per: Any, limit: str = "500") -> tuple[Budget, ...]:  # noqa: ANN401 - a period by its name
    return (Budget(of="args.amount", tool=NOTE, max=limit, per=per),)


@dataclass(frozen=True)
class Row:
    """One way. `decided` are outcome and reason of each call in order; `shown` is what the provider may be told of."""

    name: str
    calls: tuple[tuple[str, Mapping[str, object]], ...]
    decided: tuple[str, ...]
    shown: tuple[str, ...] = (STATUS, NOTE, REFUND)
    grants: Mapping[str, Grant] = field(default_factory=lambda: BASE)
    policy: Mapping[str, Any] = field(default_factory=dict[str, Any])
    sent: tuple[str, ...] = (STATUS, NOTE, REFUND)
    switch: str | None = None
    workflow: str | None = None
    altered: str | None = None


NOTES: Final = {"workflows": {"notes": (NOTE, STATUS)}}
ROWS: Final = (
    Row("allow", ((STATUS, ORDER),), (GRANTED,)),
    Row("allow-write", ((NOTE, AMOUNT),), (GRANTED,)),
    Row("deny", (("change_shipping_address", ORDER),), ("deny tool.denied",)),
    Row("hold-by-rule-of-approval", ((REFUND, ORDER),), ("hold tool.needs_approval",)),
    Row(
        "hold-what-cannot-be-undone",
        (("close_account", ORDER),),
        ("hold tool.irreversible",),
        shown=("close_account",),
        sent=("close_account",),
    ),
    Row(
        "approval-spared",
        ((NOTE, {"amount": 3}), (NOTE, {"amount": 30})),
        ("allow tool.approval_spared", "hold tool.needs_approval"),
        grants={
            **BASE,
            NOTE: msgspec.convert(
                {"permission": "approve", "effect": "write", "approval": {"unless": "args.amount <= 5"}}, Grant
            ),
        },
    ),
    Row("bad-schema", ((STATUS, {"order_id": 7}),), ("deny tool.schema_refused",)),
    Row("rule-true", ((NOTE, AMOUNT),), (GRANTED,), grants=ruled("args.amount <= 300")),
    Row("rule-false", ((NOTE, AMOUNT),), ("deny tool.rule_refused",), grants=ruled("args.amount < 300")),
    Row("rule-failing", ((NOTE, ORDER),), ("deny tool.rule_failed",), grants=ruled("args.amount < 300 || true")),
    Row("rule-not-boolean", ((NOTE, AMOUNT),), ("deny tool.rule_failed",), grants=ruled("args.amount")),
    Row(
        "over-the-calls-of-a-turn",
        ((STATUS, ORDER), (STATUS, ORDER), (NOTE, ORDER)),
        (GRANTED, GRANTED, "deny tool.calls_per_turn"),
        policy={"calls_per_turn": 2},
    ),
    Row(
        "over-the-writes-of-an-hour",
        ((NOTE, ORDER), (STATUS, ORDER), (NOTE, ORDER)),
        (GRANTED, GRANTED, "deny tool.writes_per_hour"),
        policy={"writes_per_hour": 1},
    ),
    *(
        Row(
            f"over-the-sum-of-a-{per}",
            ((NOTE, AMOUNT), (NOTE, AMOUNT), (NOTE, {"amount": "200.00"})),
            (GRANTED, "deny tool.sum_exceeded", GRANTED),
            policy={"sums": summed(per)},
        )
        for per in ("turn", "hour", "day")
    ),
    Row("sum-of-nothing", ((NOTE, ORDER),), ("deny tool.sum_unreadable",), policy={"sums": summed("day")}),
    Row("switched-off", ((STATUS, ORDER),), ("deny switch.tool",), shown=(NOTE, REFUND), switch=f"tool:{STATUS}"),
    Row(
        "switched-off-by-effect",
        ((NOTE, AMOUNT), (REFUND, ORDER), (STATUS, ORDER)),
        ("deny switch.effect", "deny switch.effect", GRANTED),
        shown=(STATUS,),
        switch="effect:write",
    ),
    Row(
        "unregistered-denied",
        ((WEATHER, ORDER),),
        ("deny tool.not_granted",),
        shown=(STATUS,),
        sent=(STATUS, WEATHER),
    ),
    Row(
        "unregistered-taken-for-reading",
        ((WEATHER, ORDER),),
        ("allow tool.unregistered",),
        shown=(STATUS, WEATHER),
        sent=(STATUS, WEATHER),
        policy={"unregistered": "allow_read"},
    ),
    Row("definition-changed", ((STATUS, ORDER),), ("deny tool.not_offered",), shown=(NOTE, REFUND), altered=STATUS),
    Row("not-asked-for", ((NOTE, ORDER),), ("deny tool.not_offered",), shown=(STATUS,), sent=(STATUS,)),
    Row(
        "workflow-has-it",
        ((NOTE, ORDER),),
        (GRANTED,),
        shown=(STATUS, NOTE),
        policy=NOTES,
        workflow="notes",
    ),
    Row(
        "workflow-has-it-not",
        ((REFUND, ORDER), (STATUS, ORDER)),
        ("deny tool.not_in_workflow", GRANTED),
        shown=(STATUS, NOTE),
        policy=NOTES,
        workflow="notes",
    ),
    Row(
        "no-workflow",
        ((NOTE, ORDER), (STATUS, ORDER)),
        ("deny tool.workflow_required", GRANTED),
        shown=(STATUS,),
        policy=NOTES,
    ),
    Row(
        "parallel-and-mixed",
        ((REFUND, ORDER), (STATUS, ORDER), ("delete_everything", {}), (NOTE, AMOUNT), (STATUS, {"order_id": 7})),
        ("hold tool.needs_approval", GRANTED, "deny tool.not_granted", GRANTED, "deny tool.schema_refused"),
    ),
)
ON_BOTH_STORES: Final = ("allow-write", "hold-by-rule-of-approval", "over-the-sum-of-a-day", "parallel-and-mixed")


def played(home: Path, row: Row, tongue: Tongue, *, stream: bool, database: str = "") -> None:
    """Run a turn of this row, and look at everything that it left."""
    proposed = [replies.call(name, json.dumps(said), at) for at, (name, said) in enumerate(row.calls)]
    policy = msgspec.structs.replace(Document(grants=dict(row.grants)), **row.policy)
    with (
        scripted_upstream(by_model={"scripted": replies.tool_calls(proposed, content=TEXT)}) as upstream,
        running(home, documents(upstream.base_url, ("scripted",), tools=policy), database=database) as gateway,
    ):
        if row.switch is not None:
            thrown(gateway, row.switch)
        said = json.dumps(tongue.first(tools=row.sent, stream=stream))
        if row.altered is not None:
            said = said.replace('"order_id": {"type": "string"}', '"order_id": {"type": "integer"}')
        headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
        narrowed = {} if row.workflow is None else {"customhouse-workflow": row.workflow}
        answer = gateway.request("POST", tongue.path, said.encode(), headers | narrowed)
        assert answer.status == 200, answer.body
        look(row, tongue, answer, upstream)
        look_at_evidence(row, tongue, answer, gateway)


def look(row: Row, tongue: Tongue, answer: Answer, upstream: Upstream) -> None:
    """Check what the client got and what the provider was shown."""
    heard = tongue.hear(answer)
    ways = [(call, *said.split()) for call, said in zip(row.calls, row.decided, strict=True)]
    passed = [call for call, outcome, _ in ways if outcome == "allow"]
    refused = [(call[0], outcome, reason) for call, outcome, reason in ways if outcome != "allow"]
    assert [(name, said) for _, name, said in heard.calls] == passed, "what passes, in the order of the model"
    assert heard.stop == ("calls" if passed else "done")
    assert heard.text.startswith(TEXT), "what the model said stays"
    assert heard.text.count("[customhouse] The call to ") == len(refused)
    for name, outcome, _ in refused:
        assert f"The call to {name} was {'held' if outcome == 'hold' else 'refused'}: " in heard.text
    told: list[dict[str, str]] = heard.receipt.get("decisions", [])
    before = [] if row.altered is None else [(row.altered, "deny", "tool.definition_changed")]
    assert [(each["tool"], each["outcome"], each["code"]) for each in told] == before + refused
    for each in told:
        held = each["outcome"] == "hold"
        assert each["url"].startswith(f"/approvals/{each['id']}" if held else "/api/v1/traces/")
    tickets: list[dict[str, str]] = heard.receipt.get("tickets", [])
    assert [each["call_id"] for each in tickets] == [call_id for call_id, _, _ in heard.calls]
    if not answer.headers["content-type"].startswith("text/event-stream"):
        assert answer.headers.get("x-should-retry") == ("false" if told else None)
        assert answer.headers["customhouse-decisions"] == ",".join(each["id"] for each in told)
    (asked,) = upstream.requests
    assert Chat().asked(asked).tools == row.shown


def look_at_evidence(row: Row, tongue: Tongue, answer: Answer, gateway: Running) -> None:
    """Check the records: proposed, decided, and passed only for what the client got; a request for what is held."""
    records = gateway.records(answer.headers["customhouse-trace-id"])
    left = [record for record in records if record["kind"].startswith(("tool.", "approval."))]
    expected: list[tuple[str, str]] = []
    for (name, _), said in zip(row.calls, row.decided, strict=True):
        expected += [("tool.proposed", name), ("tool.decided", name)]
        expected += [("tool.passed", name)] if said.startswith("allow ") else []
    held = [call[0] for call, said in zip(row.calls, row.decided, strict=True) if said.startswith("hold ")]
    expected += [("approval.requested", name) for name in held]
    assert [(record["kind"], record["tool"]["name"]) for record in left] == expected
    decided = [record for record in left if record["kind"] == "tool.decided"]
    rulings = [(record["decision"]["outcome"], record["decision"]["reasons"]) for record in decided]
    assert rulings == [(outcome, [reason]) for outcome, reason in (said.split() for said in row.decided)]
    notices: list[dict[str, str]] = tongue.hear(answer).receipt.get("decisions", [])
    known = {record["id"] for record in decided} | {record["id"] for record in records[:1]}
    assert {each["id"] for each in notices} <= known, "a client can ask for each decision by its id"
    accepted = records[0]
    assert accepted["kind"] == "request.accepted"
    assert ("tool.definition_changed" in json.dumps(accepted)) == (row.altered is not None)
    assert records[-1]["kind"] in {"response.completed", "approval.requested"}
    assert b"A-1001" not in json.dumps(records).encode(), "no argument stands in a record"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("tongue", TONGUES.values(), ids=list(TONGUES))
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_call_goes_one_way_in_every_dialect(home: Path, row: Row, tongue: Tongue, *, stream: bool) -> None:
    played(home, row, tongue, stream=stream)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("tongue", TONGUES.values(), ids=list(TONGUES))
@pytest.mark.parametrize("row", [row for row in ROWS if row.name in ON_BOTH_STORES], ids=ON_BOTH_STORES)
def test_and_the_same_way_on_postgresql(home: Path, postgres: str, row: Row, tongue: Tongue, *, stream: bool) -> None:
    played(home, row, tongue, stream=stream, database=postgres)
