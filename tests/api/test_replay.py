# SPDX-License-Identifier: Apache-2.0
"""Recorded calls, decided again under two versions of a policy: what turns left over sockets, and nothing guessed."""

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tests.api.test_traces import person
from tests.attacks.test_switches import thrown
from tests.gateway.running import BOT, Running, documents, running
from tests.gateway.test_paths import AMOUNT, BASE, NOTE, ORDER, REFUND, ROWS, STATUS, Row
from tests.gateway.test_recall import known
from tests.gateway.tongues import Chat
from tests.upstream import replies
from tests.upstream.server import scripted_upstream

from customhouse.access.roles import Role
from customhouse.planes.tools.document import Approval, Budget, Document, Grant

OF_THAT_MOMENT: Final = {"over-the-writes-of-an-hour", "over-the-sum-of-a-hour", "over-the-sum-of-a-day"} | {
    "switched-off",
    "switched-off-by-effect",
}
"""Rows in which something decided that is no part of a version."""
PLAIN: Final = Document(grants=dict(BASE))


def post(gateway: Running, operator_key: str, body: Mapping[str, Any], bot: str = BOT) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    try:
        headers = {"authorization": f"Bearer {operator_key}", "content-type": "application/json"}
        connection.request("POST", f"/api/v1/assistants/{bot}/replay", json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def replay(gateway: Running, key: str, before: Document, after: Document, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of the body
    asked = {"before": msgspec.to_builtins(before), "after": msgspec.to_builtins(after), **more}
    status, found = post(gateway, key, asked)
    assert status == 200, found
    return found


def ask(gateway: Running, *sent: str, key: str = "", **headers: str) -> str:
    """Run one turn; return its trace."""
    said = json.dumps(Chat().first(tools=sent or (STATUS, NOTE, REFUND), stream=False))
    sent_headers = {"authorization": f"Bearer {key or gateway.key}", "content-type": "application/json", **headers}
    answer = gateway.request("POST", Chat().path, said.encode(), sent_headers)
    assert answer.status == 200, answer.body
    return answer.headers["customhouse-trace-id"]


def proposing(*calls: tuple[str, Mapping[str, object]]) -> dict[str, Any]:
    """Return an upstream's script whose model proposes these calls in each turn."""
    said = [replies.call(name, json.dumps(arguments), at) for at, (name, arguments) in enumerate(calls)]
    return {"scripted": replies.tool_calls(said, content="I will see.")}


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_the_same_version_decides_as_it_did(home: Path, row: Row) -> None:
    policy = msgspec.structs.replace(Document(grants=dict(row.grants)), **row.policy)
    with (
        scripted_upstream(by_model=proposing(*row.calls)) as upstream,
        running(home, documents(upstream.base_url, ("scripted",), tools=policy)) as gateway,
    ):
        auditor = person(gateway, "sam@acme.test", "auditor")
        if row.switch is not None:
            thrown(gateway, row.switch)
        said = json.dumps(Chat().first(tools=row.sent, stream=False))
        if row.altered is not None:
            said = said.replace('"order_id": {"type": "string"}', '"order_id": {"type": "integer"}')
        headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
        narrowed = {} if row.workflow is None else {"customhouse-workflow": row.workflow}
        assert gateway.request("POST", Chat().path, said.encode(), headers | narrowed).status == 200
        found = replay(gateway, auditor, policy, policy)
        assert (found["calls"], found["changed"], found["unsaid"], found["whole"]) == (len(row.calls), {}, {}, True)
        assert (found["recorded_otherwise"] > 0) == (row.name in OF_THAT_MOMENT)
        # Held against a version that grants nothing, each call shows what it was decided before.
        listed = replay(gateway, auditor, policy, Document(grants={}))["listed"]
        denied = [said for said in row.decided if said.startswith("deny ")]
        if row.name not in OF_THAT_MOMENT:
            assert [f"{each['before']['outcome']} {each['before']['reason']}" for each in listed] == [
                said for said in row.decided if said not in denied
            ]


def with_note(**changes: Any) -> Document:  # noqa: ANN401 - fields of a grant
    return Document(grants={**BASE, NOTE: msgspec.structs.replace(BASE[NOTE], **changes)})


CHANGES: Final[list[tuple[str, Document, dict[str, int], set[str]]]] = [
    # what the new version is, and what becomes of the calls: notes of 300, 300, and a status
    ("a rule", with_note(rules=("args.amount < 300",)), {"allow -> deny": 2}, {"tool.rule_refused"}),
    (
        "an approval with an exception",
        with_note(permission="approve", approval=Approval(unless="args.amount < 400")),
        {},
        set[str](),
    ),
    ("an approval", with_note(permission="approve"), {"allow -> hold": 2}, {"tool.needs_approval"}),
    ("no longer allowed", with_note(permission="deny"), {"allow -> deny": 2}, {"tool.denied"}),
    (
        "another schema",
        with_note(parameters='{"type":"object","properties":{"amount":{"type":"integer","maximum":9}}}'),
        {"allow -> deny": 2},
        {"tool.schema_refused"},
    ),
    (
        "a sum of the turn",
        msgspec.structs.replace(PLAIN, sums=(Budget(of="args.amount", tool=NOTE, max="500", per="turn"),)),
        {"allow -> deny": 1},
        {"tool.sum_exceeded"},
    ),
    (
        "calls of the turn",
        msgspec.structs.replace(PLAIN, calls_per_turn=1),
        {"allow -> deny": 2},
        {"tool.calls_per_turn"},
    ),
    (
        "workflows, of which the turn named none",
        msgspec.structs.replace(PLAIN, workflows={"w": (NOTE,)}),
        {"allow -> deny": 2},
        {"tool.workflow_required"},
    ),
    ("nothing", PLAIN, {}, set[str]()),
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401 - a generator of a gateway
    """Run a gateway with one turn of three calls behind it."""
    home = tmp_path_factory.mktemp("replay")
    with (
        scripted_upstream(by_model=proposing((NOTE, AMOUNT), (NOTE, AMOUNT), (STATUS, ORDER))) as upstream,
        running(home, documents(upstream.base_url, ("scripted",), tools=PLAIN)) as gateway,
    ):
        yield gateway, ask(gateway), person(gateway, "sam@acme.test", "auditor")


@pytest.mark.parametrize(("after", "changed", "reasons"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_what_a_version_would_change(
    shop: tuple[Running, str, str], after: Document, changed: dict[str, int], reasons: set[str]
) -> None:
    gateway, trace_id, auditor = shop
    found = replay(gateway, auditor, PLAIN, after)
    assert (found["changed"], found["unsaid"]) == (changed, {})
    assert {each["after"]["reason"] for each in found["listed"]} == reasons
    assert {each["trace_id"] for each in found["listed"]} <= {trace_id}
    back = replay(gateway, auditor, after, PLAIN)
    assert back["changed"] == {" -> ".join(kind.split(" -> ")[::-1]): count for kind, count in changed.items()}


def test_a_definition_that_changes_is_said(shop: tuple[Running, str, str]) -> None:
    gateway, _, auditor = shop
    described = with_note(permission="deny", description="writes a note")
    assert all(each["redefined"] for each in replay(gateway, auditor, PLAIN, described)["listed"])


def test_reading_is_recorded_and_nothing_else_is_written(shop: tuple[Running, str, str]) -> None:
    gateway, trace_id, auditor = shop
    kinds = "SELECT kind, count(*) FROM evidence GROUP BY kind ORDER BY kind"
    before = dict(gateway.rows(kinds))
    spent = gateway.rows("SELECT * FROM budget_window")
    found = replay(gateway, auditor, PLAIN, with_note(permission="deny"))
    after = dict(gateway.rows(kinds))
    assert after == before | {"access.read": before.get("access.read", 0) + 1}
    assert gateway.rows("SELECT * FROM budget_window") == spent
    reads = gateway.rows("SELECT canonical FROM evidence WHERE kind = 'access.read' ORDER BY position DESC")
    read = json.loads(reads[0][0])
    assert read["principal"]["actor"] == "sam@acme.test"
    assert read["detail"] == {"why": "replay", "traces": 1, "newest": trace_id, "oldest": trace_id}
    assert "A-1001" not in json.dumps(found)
    assert "300" not in json.dumps([{**each, "at": ""} for each in found["listed"]]).replace(trace_id, "")


def test_nobody_has_payloads_opened_who_may_not_read_them(shop: tuple[Running, str, str]) -> None:
    gateway, _, _ = shop
    asked = {"before": msgspec.to_builtins(PLAIN), "after": msgspec.to_builtins(PLAIN)}
    reads = gateway.rows("SELECT count(*) FROM evidence WHERE kind = 'access.read'")
    who: tuple[tuple[str, Role], ...]
    who = (("ola@acme.test", "oncall"), ("max@acme.test", "captain"), ("eve@acme.test", "approver"))
    for email, role in who:
        status, found = post(gateway, person(gateway, email, role), asked)
        assert (status, found["code"].split(".")[0]) == (403, "access"), role
    assert post(gateway, gateway.key, asked)[0] == 401
    assert gateway.rows("SELECT count(*) FROM evidence WHERE kind = 'access.read'") == reads
    dana = person(gateway, "dana@acme.test", "captain")
    assert post(gateway, dana, asked)[0] == 200


@pytest.mark.parametrize(
    ("more", "param"),
    [({"calls": 0}, "calls"), ({"calls": 1001}, "calls"), ({"tenant": "a b"}, "tenant"), ({"environment": "x"}, "env")],
)
def test_what_makes_no_sense_is_refused(shop: tuple[Running, str, str], more: dict[str, Any], param: str) -> None:
    gateway, _, auditor = shop
    asked = {"before": msgspec.to_builtins(PLAIN), "after": msgspec.to_builtins(PLAIN), **more}
    status, found = post(gateway, auditor, asked)
    assert (status, param in json.dumps(found)) == (400, True), found


def test_the_newest_calls_count_whoevers_they_are(home: Path) -> None:
    with (
        scripted_upstream(by_model=proposing((NOTE, AMOUNT), (STATUS, ORDER))) as upstream,
        running(home, documents(upstream.base_url, ("scripted",), tools=PLAIN)) as gateway,
    ):
        auditor = person(gateway, "sam@acme.test", "auditor")
        other = known(gateway, tenants=("bolt",))
        traces = [ask(gateway, key=other if n % 2 else "") for n in range(6)]
        denied = with_note(permission="deny")
        found = replay(gateway, auditor, PLAIN, denied, calls=6)
        assert (found["calls"], found["changed"]) == (6, {"allow -> deny": 3})
        assert [each["trace_id"] for each in found["listed"]] == traces[:2:-1]
        assert {each["tenant"] for each in found["listed"]} == {"default", "bolt"}
        only = replay(gateway, auditor, PLAIN, denied, tenant="bolt")
        assert [each["trace_id"] for each in only["listed"]] == traces[5::-2]
        reads = gateway.rows("SELECT tenant_id FROM evidence WHERE kind = 'access.read' ORDER BY tenant_id")
        assert reads == [("bolt",), ("bolt",), ("default",)], "each tenant's log has who read its payloads"
        assert replay(gateway, auditor, PLAIN, denied, environment="staging")["calls"] == 0
        assert post(gateway, auditor, {"before": {"grants": {}}, "after": {"grants": {}}}, "nobody")[1]["calls"] == 0


def test_of_what_is_not_kept_nothing_is_said(home: Path) -> None:
    with (
        scripted_upstream(by_model=proposing((NOTE, AMOUNT), (NOTE, {"amount": 1}), (STATUS, ORDER))) as upstream,
        running(home, documents(upstream.base_url, ("scripted",), tools=PLAIN)) as gateway,
    ):
        auditor = person(gateway, "sam@acme.test", "auditor")
        trace_id = ask(gateway)
        first = next(each for each in gateway.records(trace_id) if each["kind"] == "tool.proposed")
        gateway.alter(f"DELETE FROM payload WHERE kind = 'arguments:{first['id']}'")  # noqa: S608 - an id of ours
        found = replay(gateway, auditor, PLAIN, with_note(permission="deny"))
        assert (found["calls"], found["changed"], found["unsaid"]) == (3, {"allow -> deny": 1}, {"arguments_gone": 1})
        # What shares a budget of the turn with it cannot be decided either.
        summed = msgspec.structs.replace(PLAIN, sums=(Budget(of="args.amount", tool=NOTE, max="500", per="turn"),))
        assert replay(gateway, auditor, PLAIN, summed)["unsaid"] == {"arguments_gone": 1, "turn": 1}
        counted = msgspec.structs.replace(PLAIN, calls_per_turn=2)
        assert replay(gateway, auditor, PLAIN, counted)["unsaid"] == {"arguments_gone": 1, "turn": 2}


def test_of_what_does_not_open_nothing_is_said(home: Path) -> None:
    with (
        scripted_upstream(by_model=proposing((NOTE, AMOUNT), (STATUS, ORDER))) as upstream,
        running(home, documents(upstream.base_url, ("scripted",), tools=PLAIN)) as gateway,
    ):
        auditor = person(gateway, "sam@acme.test", "auditor")
        trace_id = ask(gateway)
        first = next(each for each in gateway.records(trace_id) if each["kind"] == "tool.proposed")
        gateway.alter(f"UPDATE payload SET sealed = x'00' WHERE kind = 'arguments:{first['id']}'")  # noqa: S608 - ours
        found = replay(gateway, auditor, PLAIN, Document(grants={}))
        assert (found["changed"], found["unsaid"]) == ({"allow -> deny": 1}, {"arguments_altered": 1})


@pytest.mark.parametrize(
    ("sent", "altered"),
    [([f"t{n}" for n in range(9)], True), (["a" * 64, STATUS], False)],
    ids=["more that a client redefines than a record names", "a name that a record cuts"],
)
def test_names_that_a_record_does_not_spell_out_are_not_guessed(home: Path, sent: list[str], *, altered: bool) -> None:
    """Of nine tools that a client redefines a record names eight: the ninth would count as one sent unchanged."""
    text = '{"type":"object","properties":{"n":{"type":"string"}}}' if altered else None
    grants = {name: Grant(permission="allow", effect="read", parameters=text) for name in sent}
    policy = Document(grants=grants if altered else {STATUS: grants[STATUS]})
    with (
        scripted_upstream(by_model=proposing((sent[-1], {}))) as upstream,
        running(home, documents(upstream.base_url, ("scripted",), tools=policy)) as gateway,
    ):
        auditor = person(gateway, "sam@acme.test", "auditor")
        ask(gateway, *sent)
        found = replay(gateway, auditor, policy, Document(grants=grants))
        assert (found["calls"], found["changed"], found["unsaid"]) == (1, {}, {"offered": 1})


def test_more_tools_than_a_record_spells_out_are_not_guessed(home: Path) -> None:
    many = [f"tool_{n:02}" for n in range(40)]
    policy = Document(grants={name: Grant(permission="allow", effect="read") for name in many})
    with (
        scripted_upstream(by_model=proposing(("tool_39", {}))) as upstream,
        running(home, documents(upstream.base_url, ("scripted",), tools=policy)) as gateway,
    ):
        auditor = person(gateway, "sam@acme.test", "auditor")
        ask(gateway, *many)
        found = replay(gateway, auditor, policy, Document(grants={}))
        assert (found["changed"], found["unsaid"]) == ({}, {"offered": 1})


def test_a_call_that_was_taken_back_is_decided_by_its_version(home: Path) -> None:
    """What was recorded stands beside it, and counts as decided otherwise."""
    with (
        scripted_upstream(by_model=proposing((NOTE, AMOUNT))) as upstream,
        running(home, documents(upstream.base_url, ("scripted",), tools=PLAIN)) as gateway,
    ):
        auditor = person(gateway, "sam@acme.test", "auditor")
        ask(gateway)
        thrown(gateway, f"tool:{NOTE}")
        ask(gateway)
        found = replay(gateway, auditor, PLAIN, with_note(permission="deny"))
        assert (found["changed"], found["recorded_otherwise"]) == ({"allow -> deny": 2}, 1)
        newest, oldest = found["listed"]
        assert (newest["recorded"]["reason"], oldest["recorded"]["reason"]) == ("switch.tool", "tool.granted")
