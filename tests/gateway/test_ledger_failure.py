# SPDX-License-Identifier: Apache-2.0
"""Turns while evidence cannot be written, in each of the three modes, on a real gateway whose database is locked."""

import json
from pathlib import Path

import apsw
import msgspec
import pytest
from tests.gateway.outage import locked
from tests.gateway.running import GRANTS, TOOLS, Json, Running, documents, running
from tests.gateway.test_endings import wait_until_ready
from tests.upstream.server import Upstream

from customhouse.domain.failure_mode import FailureMode
from customhouse.rollout.submission import SubmittedDocuments

READ = [tool for tool in TOOLS if tool["function"]["name"] == "get_order_status"]


def declared(
    upstream: Upstream, mode: FailureMode, model: str = "answer", prompt: str = "You help."
) -> SubmittedDocuments:
    given = documents(upstream.base_url, (model,), prompt=prompt)
    return msgspec.structs.replace(given, safety=msgspec.structs.replace(given.safety, ledger_failure=mode))


def readyz(gateway: Running) -> Json:
    return gateway.request("GET", "/readyz").json


def caught_up(gateway: Running) -> None:
    """Return when the server has brought its ledger up to date."""
    while readyz(gateway)["ledger"] != "ok":
        pass


def gaps(gateway: Running, tenant: str) -> list[Json]:
    found = gateway.rows("SELECT canonical FROM evidence WHERE kind = 'gap.declared' AND tenant_id = ?", tenant)
    return [msgspec.json.decode(row[0])["detail"] for row in found]


def test_spool_answers_and_its_evidence_comes_late(home: Path, upstream: Upstream) -> None:
    with running(home, declared(upstream, "spool"), ledger_timeout_s=1) as gateway:
        assert gateway.chat().status == 200
        with locked(gateway.settings.database_path):
            answers = [gateway.chat(), gateway.chat(stream=True)]
            assert [answer.status for answer in answers] == [200, 200]
            found = readyz(gateway)
            assert (found["ready"], found["database"], found["spool_entries"]) == (True, "unavailable", 8)
        caught_up(gateway)
        for answer in answers:
            records = gateway.records(answer.headers["customhouse-trace-id"])
            kinds = [record["kind"] for record in records]
            assert kinds == ["request.accepted", "model.called", "model.answered", "response.completed"]
            assert {record.get("late") for record in records} == {True}
        assert gateway.rows("SELECT count(*) FROM open_call") == [(0,)]
        assert gateway.chat().status == 200


def test_open_answers_with_read_tools_and_declares_the_gap(home: Path, upstream: Upstream) -> None:
    with running(home, declared(upstream, "open"), ledger_timeout_s=1) as gateway:
        assert gateway.chat().status == 200
        with locked(gateway.settings.database_path):
            assert gateway.chat(tools=READ).status == 200, "nobody knew yet, and it offered no tool that writes"
            sent = len(upstream.requests)
            assert gateway.chat(tools=TOOLS).status == 200
            names = [tool["function"]["name"] for tool in json.loads(upstream.requests[sent].raw)["tools"]]
            assert names == ["get_order_status"], "issue_refund is granted, and withheld now"
            assert readyz(gateway)["ready"] is True
        caught_up(gateway)
        assert sum(gap["count"] for gap in gaps(gateway, "default")) == 8
        assert sum(gap["count"] for gap in gaps(gateway, "_organization")) == 8


def test_open_refuses_a_turn_that_was_shown_a_tool_that_writes(home: Path, upstream: Upstream) -> None:
    with running(home, declared(upstream, "open"), ledger_timeout_s=1) as gateway:
        assert gateway.chat().status == 200
        with locked(gateway.settings.database_path):
            answer = gateway.chat(tools=TOOLS)
            assert (answer.status, answer.json["error"]["code"]) == (503, "ledger.unavailable")
        wait_until_ready(gateway)
        assert gaps(gateway, "default") == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_open_denies_a_call_of_a_tool_that_writes(home: Path, upstream: Upstream, *, stream: bool) -> None:
    """The model proposes issue_refund although it was not shown: the reason is the ledger's, before any other."""
    with running(home, declared(upstream, "open", "parallel-calls"), ledger_timeout_s=1) as gateway:
        assert gateway.chat(tools=READ).status == 200
        with locked(gateway.settings.database_path):
            gateway.chat(tools=READ)
            answer = gateway.chat(tools=TOOLS, stream=stream)
            assert {name for name, _ in answer.calls} <= {"get_order_status"}
            codes = {decision["tool"]: decision["code"] for decision in answer.receipt["decisions"]}
            assert codes["issue_refund"] == "ledger.degraded"


@pytest.mark.parametrize("mode", ["spool", "open"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_nobody_is_told_to_wait_for_people_who_were_not_asked(
    home: Path, upstream: Upstream, mode: FailureMode, *, stream: bool
) -> None:
    submitted = declared(upstream, mode, "parallel-calls")
    grants = {**GRANTS, "get_order_status": msgspec.structs.replace(GRANTS["get_order_status"], permission="approve")}
    submitted = msgspec.structs.replace(submitted, tools=msgspec.structs.replace(submitted.tools, grants=grants))
    with running(home, submitted, ledger_timeout_s=1) as gateway:
        held = {each["tool"]: each["outcome"] for each in gateway.chat(tools=READ).receipt["decisions"]}
        assert held["get_order_status"] == "hold", "while evidence can be written they are"
        asked = gateway.rows("SELECT id FROM approval")
        with locked(gateway.settings.database_path):
            gateway.chat(tools=READ)
            answer = gateway.chat(tools=READ, stream=stream)
            said = {each["tool"]: (each["code"], each["outcome"]) for each in answer.receipt["decisions"]}
            assert said["get_order_status"] == ("tool.not_asked", "deny")
            assert b"/approvals/" not in answer.body
        wait_until_ready(gateway)
        assert gateway.rows("SELECT id FROM approval") == asked


def test_a_spool_is_drained_by_the_next_server(home: Path, upstream: Upstream) -> None:
    with running(home, declared(upstream, "spool"), ledger_timeout_s=1) as gateway:
        assert gateway.chat().status == 200
        other = apsw.Connection(str(gateway.settings.database_path))
        other.execute("BEGIN IMMEDIATE")
        trace = gateway.chat().headers["customhouse-trace-id"]
    other.execute("ROLLBACK")
    other.close()
    with running(home, declared(upstream, "spool", prompt="You help again.")) as gateway:
        assert gateway.kinds(trace) == ["request.accepted", "model.called", "model.answered", "response.completed"]
