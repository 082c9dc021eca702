# SPDX-License-Identifier: Apache-2.0
"""Attacks on the release of a held call by doing things at once, and by taking away what it needs while it runs."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
import pytest
from tests.attacks.test_releases import changed
from tests.attacks.test_switches import acknowledged, lifted, thrown
from tests.gateway.outage import cut_off, locked
from tests.gateway.running import Answer, Running, documents
from tests.gateway.server import Server
from tests.gateway.test_ledger_failure import caught_up
from tests.gateway.tongues import TONGUES, Tongue
from tests.gateway.waiting import CAPTAIN, REFUND, TEXT, TOOLS, Desk, refunds, waiting
from tests.upstream import replies

from customhouse.app import build
from customhouse.cli.serve import server_config

Json = dict[str, Any]
CHAT: Final = TONGUES["openai_chat"]
RESPONSES: Final = TONGUES["openai_responses"]
MANY: Final = 12


@contextmanager
def beside(desk: Desk) -> Generator[Desk]:
    """Run one more replica over the same database and keys."""
    gateway = desk.gateway
    own = gateway.home.with_name("beside")
    settings = msgspec.structs.replace(gateway.settings, home=str(own), keys=str(gateway.settings.keys_path))
    ready, found = threading.Event(), list[tuple[Server, int]]()

    async def main() -> None:
        async with build(settings) as app:
            server = Server(server_config(settings, app))
            serving = asyncio.ensure_future(server.serve())
            while not server.started and not serving.done():  # noqa: ASYNC110 - as in tests/gateway/running.py
                await asyncio.sleep(0)
            found.append((server, server.servers[0].sockets[0].getsockname()[1]))
            ready.set()
            await serving

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(30)
    ((server, port),) = found
    try:
        yield Desk(replace(gateway, port=port), desk.upstream)
    finally:
        server.stop()
        thread.join(30)


def held(desk: Desk, tongue: Tongue, body: Json) -> str:
    """Ask, and return the id of the call that is held."""
    ((notice),) = tongue.hear(desk.ask(tongue.path, body)).receipt["decisions"]
    return notice["id"]


def approved(desk: Desk, tongue: Tongue, body: Json) -> str:
    """Ask, and have it approved."""
    found = held(desk, tongue, body)
    assert desk.say(CAPTAIN, found).status == 200
    return found


def recorded(gateway: Running, kind: str) -> list[Json]:
    """Return every record of a kind, staged ones too."""
    queries = ("SELECT canonical FROM evidence", "SELECT canonical FROM evidence_staged")
    rows = {row[0] for query in queries[: 2 if gateway.settings.database else 1] for row in gateway.rows(query)}
    return [each for each in map(json.loads, rows) if each["kind"] == kind]


def require_once(gateway: Running, approval_id: str) -> None:
    """Check that one call was passed by this approval, and that it was used up once."""
    passed = [each for each in recorded(gateway, "tool.passed") if approval_id in each["parents"]]
    used = [each for each in recorded(gateway, "approval.decided") if each["outcome"] == "consumed"]
    assert len(passed) == 1
    assert len([each for each in used if approval_id in json.dumps(each)]) == 1


def at_once(work: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """Do all of these from threads that start together."""
    gate = threading.Barrier(len(work))

    def each(one: Callable[[], Answer]) -> Answer:
        gate.wait(30)
        return one()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(each, work))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_many_repeats_at_once_in_one_process_get_one_call(home: Path, *, stream: bool) -> None:
    with waiting(home) as desk:
        body = CHAT.first(tools=TOOLS, stream=stream)
        approval = approved(desk, CHAT, body)
        found = at_once([lambda: desk.ask(CHAT.path, body, approval)] * MANY)
        assert {answer.status for answer in found} == {200}
        assert len({answer.body for answer in found}) == 1, "everybody is given the same bytes"
        assert len(CHAT.hear(found[0]).receipt["tickets"]) == 1
        require_once(desk.gateway, approval)
        assert len(desk.upstream.requests) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_many_repeats_on_two_replicas_at_once_get_one_call(home: Path, postgres: str, *, stream: bool) -> None:
    with waiting(home, database=postgres) as desk, beside(desk) as other:
        body = CHAT.first(tools=TOOLS, stream=stream)
        for _ in range(3):
            approval = approved(desk, CHAT, body)
            asked = len(desk.upstream.requests)
            ways = [lambda a=approval: desk.ask(CHAT.path, body, a), lambda a=approval: other.ask(CHAT.path, body, a)]
            found = at_once(ways * (MANY // 2))
            assert {answer.status for answer in found} == {200}, [answer.body for answer in found]
            assert len({answer.body for answer in found}) == 1, "everybody is given the same bytes"
            assert len(CHAT.hear(found[0]).receipt["tickets"]) == 1
            require_once(desk.gateway, approval)
            assert len(desk.upstream.requests) == asked


def test_a_yes_taken_back_while_it_is_used_is_used_or_taken_back(home: Path) -> None:
    with waiting(home) as desk:
        body = CHAT.first(tools=TOOLS)
        for turn in range(4):
            approval = approved(desk, CHAT, body)
            ways = [lambda a=approval: desk.ask(CHAT.path, body, a), lambda a=approval: desk.say(CAPTAIN, a, "revoke")]
            used, back = at_once(ways if turn % 2 else ways[::-1])[:: 1 if turn % 2 else -1]
            assert (used.status, back.status) in {(200, 409), (403, 200)}
            assert desk.ask(CHAT.path, body, approval).status == used.status


@contextmanager
def slow_release(gateway: Running) -> Generator[Callable[[], None]]:
    """Keep approvals from being used up; what is yielded returns when a release waits for its own."""
    waiting_one = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'approval'::regclass"

    def waits() -> None:
        while not gateway.rows(waiting_one):
            pass

    with psycopg.connect(gateway.settings.database) as connection:
        connection.execute("LOCK TABLE customhouse.approval IN EXCLUSIVE MODE")
        yield waits


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("what", ["switch", "release"])
def test_what_changes_while_the_release_is_written_does_not_leave(
    home: Path, postgres: str, what: str, *, stream: bool
) -> None:
    with waiting(home, database=postgres, ledger_timeout_s=30) as desk:
        gateway = desk.gateway
        body: Json = {**RESPONSES.first(tools=TOOLS, stream=stream), "store": True}
        approval = approved(desk, RESPONSES, body)
        answers: list[Answer] = []
        seq = 0
        with slow_release(gateway) as a_turn_waits:
            asking = threading.Thread(target=lambda: answers.append(desk.ask(RESPONSES.path, body, approval)))
            asking.start()
            a_turn_waits()
            if what == "switch":
                seq = thrown(gateway, "tool:issue_refund")
            else:
                put_in_force(desk, "prompt")
        asking.join(30)
        (answer,) = answers
        code = "approval.switched_off" if what == "switch" else "approval.mismatch"
        assert (answer.status, answer.json["error"]["code"]) == (403, code)
        trace = answer.headers["customhouse-trace-id"]
        records = gateway.records(trace)
        assert [(each["kind"], each.get("outcome")) for each in records][1:] == [
            ("tool.passed", None),
            ("response.completed", "answered"),
            ("tool.decided", None),
            ("response.completed", "failed"),
        ]
        key = {"authorization": f"Bearer {gateway.key}"}
        stored = gateway.request("GET", f"/v1/responses/resp_{trace.replace('-', '')}", headers=key)
        assert (stored.status, b"function_call" in stored.body, stored.json["customhouse"].get("tickets")) in {
            (200, False, None),
            (200, False, ()),
        }, "nor is it fetched"
        if what == "switch":
            assert desk.ask(RESPONSES.path, body, approval).status == 403
            lifted(gateway, seq)
        else:
            put_in_force(desk, "nothing")
        later = desk.ask(RESPONSES.path, body, approval)
        assert [call[1:] for call in RESPONSES.hear(later).calls] == [REFUND], "nothing was burnt"
        assert "tool.passed" in gateway.kinds(later.headers["customhouse-trace-id"]), "that it left is on record"


def put_in_force(desk: Desk, what: str) -> None:
    """Release something else, and return when it is in force."""
    outcome = desk.gateway.publish(changed(desk, refunds(), what)).outcome
    assert outcome is not None
    assert outcome.moved is not None
    acknowledged(desk.gateway, "dev", outcome.moved.generation)


def test_released_calls_count_and_held_ones_do_not(home: Path) -> None:
    with waiting(home, refunds(writes_per_hour=2)) as desk:
        bodies = [{**CHAT.first(tools=TOOLS), "user": f"user-{number}"} for number in range(3)]
        approvals = [approved(desk, CHAT, body) for body in bodies]
        for body, approval in zip(bodies[:2], approvals, strict=False):
            for _ in range(3):
                assert desk.ask(CHAT.path, body, approval).status == 200, "a repeat counts once"
        over = desk.ask(CHAT.path, bodies[2], approvals[2])
        assert (over.status, over.json["error"]["code"]) == (403, "approval.over_budget")
        assert desk.gateway.rows("SELECT state FROM approval WHERE id = ?", approvals[2]) == [("approved",)]
        assert not [each for each in recorded(desk.gateway, "tool.passed") if approvals[2] in each["parents"]]


def test_repeats_at_once_reserve_no_more_than_one_call(home: Path) -> None:
    with waiting(home, refunds(writes_per_hour=2)) as desk:
        bodies = [{**CHAT.first(tools=TOOLS), "user": f"user-{number}"} for number in range(2)]
        first, second = (approved(desk, CHAT, body) for body in bodies)
        found = at_once([lambda: desk.ask(CHAT.path, bodies[0], first)] * MANY)
        given = [answer.body for answer in found if answer.status == 200]
        assert given
        assert len(set(given)) == 1
        assert desk.ask(CHAT.path, bodies[0], first).body == given[0]
        assert desk.ask(CHAT.path, bodies[1], second).status == 200, "who lost has given its share back"


def test_a_share_stays_reserved_when_nobody_knows_whether_the_release_landed(home: Path, postgres: str) -> None:
    ended = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'approval'::regclass"
    with waiting(home, refunds(writes_per_hour=1), database=postgres, ledger_timeout_s=30) as desk:
        bodies = [{**CHAT.first(tools=TOOLS), "user": f"user-{number}"} for number in range(2)]
        first, second = (approved(desk, CHAT, body) for body in bodies)
        answers: list[Answer] = []
        with slow_release(desk.gateway) as a_turn_waits:
            asking = threading.Thread(target=lambda: answers.append(desk.ask(CHAT.path, bodies[0], first)))
            asking.start()
            a_turn_waits()
            desk.gateway.rows(ended)
            asking.join(30)
        assert answers[0].status == 503
        while (over := desk.ask(CHAT.path, bodies[1], second)).status == 503:
            pass
        assert (over.status, over.json["error"]["code"]) == (403, "approval.over_budget"), (
            "the first may have been used"
        )


def test_a_release_that_is_not_written_in_time_ends_with_its_turn_and_burns_nothing(home: Path, postgres: str) -> None:
    with waiting(home, database=postgres, ledger_timeout_s=30, turn_timeout_s=2) as desk:
        body = CHAT.first(tools=TOOLS)
        approval = approved(desk, CHAT, body)
        with slow_release(desk.gateway):
            late = desk.ask(CHAT.path, body, approval)
        assert (late.status, late.json["error"]["code"]) == (504, "upstream.timeout")
        assert b"the turn took longer than 2 s" in late.body
        assert b"issue_refund" not in late.body
        given = desk.ask(CHAT.path, body, approval)
        assert given.status == 200, given.body
        require_once(desk.gateway, approval)


@pytest.mark.parametrize("mode", ["closed", "spool", "open"])
def test_no_call_is_released_while_evidence_cannot_be_written(home: Path, mode: str) -> None:
    with waiting(home, ledger_timeout_s=1) as desk:
        gateway = desk.gateway
        given = documents(desk.upstream.base_url, ("held",), tools=refunds())
        if mode != "closed":
            safety = msgspec.structs.replace(given.safety, ledger_failure=mode)
            outcome = gateway.publish(msgspec.structs.replace(given, safety=safety)).outcome
            assert outcome is not None
            assert outcome.moved is not None
            acknowledged(gateway, "dev", outcome.moved.generation)
        body = CHAT.first(tools=TOOLS)
        approval = approved(desk, CHAT, body)
        with locked(gateway.settings.database_path):
            for _ in range(2):
                away = desk.ask(CHAT.path, body, approval)
                assert away.status in {403, 503}
                assert b"issue_refund" not in away.body
        caught_up(gateway)
        assert gateway.rows("SELECT state FROM approval WHERE id = ?", approval) == [("approved",)]
        assert desk.ask(CHAT.path, body, approval).status == 200, "nothing was burnt"
        require_once(gateway, approval)


def test_no_call_is_released_without_the_database(home: Path, postgres: str, postgres_server: str) -> None:
    with waiting(home, database=postgres, ledger_timeout_s=1) as desk:
        body = CHAT.first(tools=TOOLS)
        approval = approved(desk, CHAT, body)
        with cut_off(postgres, postgres_server):
            away = desk.ask(CHAT.path, body, approval)
            assert away.status == 503
            assert b"issue_refund" not in away.body
        while (later := desk.ask(CHAT.path, body, approval)).status == 503:
            pass
        assert later.status == 200, later.body
        require_once(desk.gateway, approval)


def test_a_client_that_leaves_in_the_middle_is_given_the_same_call_later(home: Path) -> None:
    with waiting(home) as desk:
        body = CHAT.first(tools=TOOLS, stream=True)
        content = json.dumps(body).encode()
        for _ in range(8):
            approval = approved(desk, CHAT, body)
            head = (
                f"POST {CHAT.path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {desk.gateway.key}\r\n"
                f"content-type: application/json\r\ncustomhouse-approval: {approval}\r\n"
                f"content-length: {len(content)}\r\n\r\n"
            )
            with socket.create_connection(("127.0.0.1", desk.gateway.port)) as connection:
                connection.sendall(head.encode() + content)
            given = desk.ask(CHAT.path, body, approval)
            assert given.status == 200
            assert desk.ask(CHAT.path, body, approval).body == given.body
            require_once(desk.gateway, approval)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_clients_yes_says_no_more_than_go_on(home: Path, *, stream: bool) -> None:
    with waiting(home) as desk:
        body: Json = {**RESPONSES.first(tools=TOOLS, stream=stream), "store": True}
        declared: Json = {"type": "mcp", "server_label": "customhouse", "require_approval": "always"}
        body["tools"] = [*body["tools"], declared]
        first = desk.ask(RESPONSES.path, body)
        heard = RESPONSES.hear(first)
        approval = heard.receipt["decisions"][0]["id"]
        before = f"resp_{first.headers['customhouse-trace-id'].replace('-', '')}"
        said = {"type": "mcp_approval_response", "approval_request_id": approval, "approve": True}
        goes_on: Json = {**body, "input": [said], "previous_response_id": before}
        alone: Json = {
            **body,
            "input": [*body["input"], *(item for item in heard.raw if "approval" in item["type"]), said],
        }
        for each in (goes_on, alone):
            refused = desk.ask(RESPONSES.path, each)
            assert (refused.status, refused.json["error"]["code"]) == (409, "approval.pending"), refused.body
        assert desk.say(CAPTAIN, approval).status == 200
        other = {**goes_on, "tools": RESPONSES.first(tools=("get_order_status",))["tools"]}
        assert desk.ask(RESPONSES.path, other).json["error"]["code"] == "approval.mismatch", "the tool is not offered"
        given = desk.ask(RESPONSES.path, goes_on)
        assert [call[1:] for call in RESPONSES.hear(given).calls] == [REFUND]
        assert desk.ask(RESPONSES.path, goes_on).body == given.body
        form = {**goes_on, "stream": not stream}
        assert desk.ask(RESPONSES.path, form).json["error"]["code"] == "approval.mismatch", "kept in another form"
        for each in (desk.ask(RESPONSES.path, body, approval), desk.ask(RESPONSES.path, alone)):
            assert each.json["error"]["code"] == "approval.mismatch", "released to another request"
        require_once(desk.gateway, approval)


def test_two_approvals_in_one_request_release_none(home: Path) -> None:
    with waiting(home) as desk:
        body: Json = {**RESPONSES.first(tools=TOOLS), "store": True}
        declared: Json = {"type": "mcp", "server_label": "customhouse", "require_approval": "always"}
        first, second = (approved(desk, RESPONSES, body) for _ in range(2))
        said = {"type": "mcp_approval_response", "approval_request_id": first, "approve": True}
        refused = desk.ask(
            RESPONSES.path, {**body, "tools": [*body["tools"], declared], "input": [*body["input"], said]}, second
        )
        assert (refused.status, refused.json["error"]["code"]) == (400, "request.invalid")


@pytest.mark.parametrize("dialect", list(TONGUES))
def test_a_released_stream_says_what_the_whole_answer_says(home: Path, dialect: str) -> None:
    tongue = next(each for name, each in TONGUES.items() if name == dialect)
    with waiting(home) as desk:
        call = replies.call(REFUND[0], json.dumps(REFUND[1]))
        thinking = {"content": TEXT, "reasoning_content": "The order is late.", "tool_calls": [call]}
        desk.upstream.by_model = {"held": replies.message(thinking, finish_reason="tool_calls")}
        whole, streamed = (
            tongue.hear(desk.ask(tongue.path, body, approved(desk, tongue, body)))
            for body in (tongue.first(tools=TOOLS, stream=each) for each in (False, True))
        )
        assert whole.reasoning == "The order is late."
        assert (streamed.text, streamed.reasoning, streamed.stop) == (whole.text, whole.reasoning, whole.stop)
        assert [each[1:] for each in streamed.calls] == [each[1:] for each in whole.calls] == [REFUND]
