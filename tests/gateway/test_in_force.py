# SPDX-License-Identifier: Apache-2.0
"""What a turn may do when its replica cannot confirm what is in force, or a switch stands over its tenant."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import psycopg
import pytest
from tests.attacks.test_switches import held, lifted, thrown
from tests.gateway.outage import cut_off
from tests.gateway.running import GRANTS, Answer, Json, Running, create_key, documents, running, takes
from tests.upstream import replies
from tests.upstream.server import Upstream, scripted_upstream

from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.planes.tools.document import Grant
from customhouse.rollout.submission import SubmittedDocuments

TOOLS: Final[list[Json]] = [
    {"type": "function", "function": {"name": name, "parameters": takes(name)}}
    for name in ("get_order_status", "send_note")
]
STALE_TOOLS_S, STALE_REFUSE_S = 1, 4


def submitted(upstream: Upstream, model: str = "one-call") -> SubmittedDocuments:
    """Return a policy with a tool that reads and one that writes, of an assistant that goes on without its database."""
    grants = {**GRANTS, "send_note": Grant(permission="allow", effect="write")}
    given = documents(upstream.base_url, (model,), tools=ToolsDocument(grants=grants))
    return msgspec.structs.replace(given, safety=msgspec.structs.replace(given.safety, ledger_failure="spool"))


def aged(gateway: Running, seconds: float) -> None:
    """Return when what is in force here could not be confirmed for so long."""
    while (gateway.request("GET", "/readyz").json["snapshot_age_ms"] or 0) <= seconds * 1000:
        pass


def offered(upstream: Upstream) -> list[str]:
    return [tool["function"]["name"] for tool in upstream.requests[-1].body.get("tools", [])]


def test_a_replica_that_is_cut_off_offers_less_and_then_nothing(
    home: Path, upstream: Upstream, postgres: str, postgres_server: str
) -> None:
    terms: dict[str, int | str] = {
        "database": postgres,
        "ledger_timeout_s": 1,
        "stale_tools_s": STALE_TOOLS_S,
        "stale_refuse_s": STALE_REFUSE_S,
    }
    with running(home, submitted(upstream), **terms) as gateway:
        assert gateway.chat(tools=TOOLS).status == 200
        assert offered(upstream) == ["get_order_status", "send_note"]
        with cut_off(postgres, postgres_server):
            aged(gateway, STALE_TOOLS_S)
            narrowed = gateway.chat(tools=TOOLS)
            assert (narrowed.status, offered(upstream)) == (200, ["get_order_status"])
            assert [name for name, _ in narrowed.calls] == ["get_order_status"], "reading goes on"
            aged(gateway, STALE_REFUSE_S)
            asked = len(upstream.requests)
            refused = gateway.chat(tools=TOOLS)
            assert (refused.status, refused.json["error"]["code"]) == (503, "replica.stale")
            names = gateway.request("GET", "/v1/models", headers={"authorization": f"Bearer {gateway.key}"})
            assert (names.status, names.json["error"]["code"]) == (503, "replica.stale")
            assert len(upstream.requests) == asked
        while gateway.chat(tools=TOOLS).status != 200:
            pass
        assert offered(upstream) == ["get_order_status", "send_note"], "the database is back, and so are the tools"
        while not gateway.kinds(narrowed.headers["customhouse-trace-id"]):
            pass
        accepted = gateway.records(narrowed.headers["customhouse-trace-id"])[0]
        assert accepted["decision"]["reasons"] == ["replica.stale"]
        assert accepted["late"] is True


def test_a_write_that_was_offered_in_time_is_not_passed_on_too_late(
    home: Path, postgres: str, postgres_server: str
) -> None:
    note = held(replies.tool_calls([replies.call("send_note", "{}")]))
    terms: dict[str, int | str] = {"database": postgres, "ledger_timeout_s": 1, "stale_tools_s": STALE_TOOLS_S}
    with (
        scripted_upstream(by_model={"send-note": note}) as upstream,
        running(home, submitted(upstream, "send-note"), **terms) as gateway,
    ):
        answers: list[Answer] = []
        asking = threading.Thread(target=lambda: answers.append(gateway.chat(None, tools=TOOLS)))
        asking.start()
        upstream.wait_for_request()
        assert offered(upstream) == ["get_order_status", "send_note"]
        with cut_off(postgres, postgres_server):
            aged(gateway, STALE_TOOLS_S)
            upstream.go_on()
            asking.join(30)
            answer = answers[0]
            assert (answer.status, answer.calls) == (200, [])
            assert [each["code"] for each in answer.receipt["decisions"]] == ["replica.stale"]


def test_a_tenant_is_switched_off_and_no_other_hears_of_it(home: Path, upstream: Upstream) -> None:
    with running(home, submitted(upstream)) as gateway:
        key = gateway.run(create_key(gateway.control, tenants=("acme", "bolt")))
        bolt = {"authorization": f"Bearer {key}", "customhouse-tenant": "bolt"}
        acme = {**bolt, "customhouse-tenant": "acme"}
        before = _known(gateway, bolt)
        seq = thrown(gateway, "tenant:acme")
        refused = gateway.chat(acme)
        assert (refused.status, refused.json["error"]["code"]) == (403, "switch.on")
        after = gateway.chat(bolt)
        assert after.status == 200
        assert after.headers["customhouse-snapshot"] == before, "a digest that everybody sees tells of no tenant"
        lifted(gateway, seq)
        assert gateway.chat(acme).status == 200


@contextmanager
def slow_records(gateway: Running) -> Generator[Callable[[], None]]:
    """Keep records of calls from being written; what is yielded returns when a turn waits for its own."""
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'open_call'::regclass"

    def waits() -> None:
        while not gateway.rows(waiting):
            pass

    with psycopg.connect(gateway.settings.database) as connection:
        connection.execute("LOCK TABLE customhouse.open_call IN EXCLUSIVE MODE")
        yield waits


def asked(gateway: Running, answers: list[Answer], *, stream: bool) -> threading.Thread:
    """Ask in a thread of its own."""
    asking = threading.Thread(target=lambda: answers.append(gateway.chat(None, tools=TOOLS, stream=stream)))
    asking.start()
    return asking


def test_a_call_does_not_leave_when_its_provider_went_off_while_its_record_was_written(
    home: Path, upstream: Upstream, postgres: str
) -> None:
    with running(home, submitted(upstream), database=postgres, ledger_timeout_s=30) as gateway:
        answers: list[Answer] = []
        with slow_records(gateway) as a_turn_waits:
            asking = asked(gateway, answers, stream=False)
            a_turn_waits()
            thrown(gateway, "provider:local")
        asking.join(30)
        (answer,) = answers
        assert upstream.requests == [], "every replica had acknowledged the switch"
        assert (answer.status, answer.receipt["fallback"]) == (200, True)
        records = gateway.records(answer.headers["customhouse-trace-id"])
        assert [record["kind"] for record in records] == [
            "request.accepted",
            "model.called",
            "model.failed",
            "response.completed",
        ]
        assert [record["decision"]["reasons"] for record in records[2:]] == [["switch.provider"]] * 2
        assert gateway.rows("SELECT count(*) FROM open_call") == [(0,)]


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_call_does_not_leave_when_it_went_off_while_its_record_was_written(
    home: Path,
    postgres: str,
    stream: bool,  # noqa: FBT001 - a row
) -> None:
    two = [replies.call("get_order_status", '{"order_id":"A-1001"}', 0), replies.call("send_note", "{}", 1)]
    with (
        scripted_upstream(by_model={"two": held(replies.tool_calls(two))}) as upstream,
        running(home, submitted(upstream, "two"), database=postgres, ledger_timeout_s=30) as gateway,
    ):
        answers: list[Answer] = []
        asking = asked(gateway, answers, stream=stream)
        upstream.wait_for_request()
        with slow_records(gateway) as a_turn_waits:
            upstream.go_on()
            a_turn_waits()
            thrown(gateway, "tool:send_note")
        asking.join(30)
        (answer,) = answers
        assert [name for name, _ in answer.calls] == ["get_order_status"], "the switch was acknowledged before"
        assert [(each["tool"], each["code"]) for each in answer.receipt["decisions"]] == [("send_note", "switch.tool")]
        assert "The call to send_note was refused" in answer.text
        records = gateway.records(answer.headers["customhouse-trace-id"])
        told = [(r["kind"], r.get("tool", {}).get("name"), r.get("decision", {}).get("outcome")) for r in records[3:]]
        assert told == [
            ("tool.proposed", "get_order_status", None),
            ("tool.decided", "get_order_status", "allow"),
            ("tool.passed", "get_order_status", None),
            ("tool.proposed", "send_note", None),
            ("tool.decided", "send_note", "allow"),
            ("tool.passed", "send_note", None),
            ("response.completed", None, None),
            ("tool.decided", "send_note", "deny"),
            ("response.completed", None, None),
        ]
        last = records[-2]
        assert last["parents"] == [records[7]["id"]], "it takes the decision before it back"


def _known(gateway: Running, headers: dict[str, str]) -> str:
    """Return the snapshot's digest, once the key is known to the server."""
    while (answer := gateway.chat(headers)).status == 401:
        pass
    assert answer.status == 200
    return answer.headers["customhouse-snapshot"]
