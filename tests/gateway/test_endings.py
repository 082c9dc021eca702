# SPDX-License-Identifier: Apache-2.0
"""How turns end that do not end well: the client leaves, time runs out, the server stops, the ledger cannot write."""

import asyncio
import contextlib
import http.client
import json
import socket
import threading
from pathlib import Path

import apsw
import pytest
from tests.gateway.running import BOT, Answer, Running, documents, running
from tests.upstream.server import Upstream

from customhouse.store.database import Transaction


def leave(gateway: Running, *, stream: bool) -> http.client.HTTPConnection:
    """Begin a chat; the caller closes the connection when the provider has the request."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    body = json.dumps({"model": BOT, "messages": [{"role": "user", "content": "hi"}], "stream": stream})
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {gateway.key}"})
    return connection


@pytest.mark.parametrize(("model", "stream"), [("hang", False), ("hang", True), ("hang-in-stream", True)])
def test_a_client_that_leaves_cancels_the_call_and_is_recorded(
    home: Path, upstream: Upstream, model: str, *, stream: bool
) -> None:
    with running(home, documents(upstream.base_url, (model,))) as gateway:
        connection = leave(gateway, stream=stream)
        request = upstream.wait_for_request()
        if model == "hang-in-stream":
            connection.getresponse().read(20)
        assert connection.sock is not None or model == "hang-in-stream"
        connection.close()
        assert request.left.wait(10), "the provider's connection was not closed"
        records = wait_for_ending(gateway)
        assert [record["kind"] for record in records] == [
            "request.accepted",
            "model.called",
            "model.answered",
            "response.completed",
        ]
        assert (records[2]["outcome"], records[3]["outcome"]) == ("partial", "client_left")
        assert open_calls(gateway) == 0


def test_a_client_that_leaves_in_its_own_body_asked_nothing(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url)) as gateway:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {gateway.key}\r\n"
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as raw:
            raw.sendall((head + "Content-Length: 100\r\n\r\nhalf").encode())
        wait_until_left(gateway)
        assert gateway.chat().status == 200
        kinds = [row[0] for row in gateway.rows("SELECT kind FROM evidence WHERE tenant_id = 'default'")]
        assert "request.refused" not in kinds


def test_a_turn_that_takes_too_long_ends(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url, ("hang",)), turn_timeout_s=1) as gateway:
        answer = gateway.chat()
        assert (answer.status, answer.json["error"]["code"]) == (504, "upstream.timeout")
        records = gateway.records(answer.headers["customhouse-trace-id"])
        assert [record["kind"] for record in records][-2:] == ["model.failed", "response.completed"]
        assert open_calls(gateway) == 0


def test_a_server_that_stops_finishes_its_turns(home: Path, upstream: Upstream) -> None:
    answers: list[Answer] = []
    with running(home, documents(upstream.base_url, ("slow-first-byte",))) as gateway:
        turn = threading.Thread(target=lambda: answers.append(gateway.chat()))
        turn.start()
        upstream.wait_for_request()
    turn.join(30)
    assert answers[0].status == 200
    assert answers[0].json["choices"][0]["finish_reason"] == "stop"


def test_without_a_ledger_nothing_is_sent_to_a_model(home: Path, upstream: Upstream) -> None:
    """Another process holds the write lock for longer than the gateway waits: evidence cannot be written."""
    with running(home, documents(upstream.base_url)) as gateway:
        assert gateway.chat().status == 200
        other = apsw.Connection(str(gateway.settings.database_path))
        other.execute("BEGIN IMMEDIATE")
        answer = gateway.chat()
        other.execute("ROLLBACK")
        other.close()
        assert (answer.status, answer.json["error"]["code"]) == (503, "ledger.unavailable")
        assert len(upstream.requests) == 1
        assert gateway.kinds(answer.headers["customhouse-trace-id"]) == []
        wait_until_ready(gateway)
        assert gateway.chat().status == 200


def test_a_client_that_leaves_before_the_call_leaves_no_call_open(home: Path, upstream: Upstream) -> None:
    """The ledger is slow, so `model.called` is still on its way when the client gives up: no model is asked."""
    with running(home, documents(upstream.base_url)) as gateway:
        assert gateway.chat().status == 200
        other = apsw.Connection(str(gateway.settings.database_path))
        other.execute("BEGIN IMMEDIATE")
        with contextlib.closing(leave(gateway, stream=False)) as connection:
            assert connection.sock is not None
            connection.sock.settimeout(0.3)
            with pytest.raises(TimeoutError):
                connection.getresponse()
        wait_until_left(gateway)
        other.execute("ROLLBACK")
        other.close()
        records = wait_for_ending(gateway, 8)[4:]
        assert [record["kind"] for record in records] == [
            "request.accepted",
            "model.called",
            "model.failed",
            "response.completed",
        ]
        assert records[2]["decision"] == {"outcome": "deny", "reasons": ["client.left"]}
        assert len(upstream.requests) == 1
        assert open_calls(gateway) == 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_without_durable_evidence_is_not_completed(home: Path, upstream: Upstream, *, stream: bool) -> None:
    """The ledger breaks while the model answers: the client must not get a finished answer."""
    with running(home, documents(upstream.base_url, ("slow-first-byte",))) as gateway:
        answers: list[Answer] = []
        turn = threading.Thread(target=lambda: answers.append(gateway.chat(stream=stream)))
        turn.start()
        upstream.wait_for_request()
        other = apsw.Connection(str(gateway.settings.database_path))
        other.set_busy_timeout(5000)
        other.execute("BEGIN IMMEDIATE")
        turn.join(30)
        other.execute("ROLLBACK")
        other.close()
        answer = answers[0]
        if stream:
            assert answer.chunks[-1]["error"]["code"] == "ledger.unavailable"
            assert all(choice["finish_reason"] is None for chunk in answer.chunks[:-1] for choice in chunk["choices"])
        else:
            assert (answer.status, answer.json["error"]["code"]) == (503, "ledger.unavailable")
        assert gateway.kinds(answer.headers["customhouse-trace-id"]) == ["request.accepted", "model.called"]
        # The server settles what it could not write by itself, as soon as the ledger can be written again.
        records = wait_for_ending(gateway, 3)
        assert [record["kind"] for record in records] == ["request.accepted", "model.called", "model.unknown"]
        assert open_calls(gateway) == 0


def test_a_row_that_cannot_be_read_does_not_end_the_server(home: Path, upstream: Upstream) -> None:
    """The server looks every 5 ms, so that it meets the row many times while it answers."""
    with running(home, documents(upstream.base_url), poll_interval_ms=5) as gateway:
        gateway.alter("UPDATE api_key SET tenants = '['")
        gateway.alter("UPDATE access_generation SET generation = generation + 1")
        for _ in range(50):
            assert gateway.chat().status == 200


def wait_until_left(gateway: Running) -> None:
    """Return when the server has seen that its client is gone: it then answers other requests after that news."""
    for _ in range(3):
        assert gateway.request("GET", "/healthz").status == 200


def wait_until_ready(gateway: Running) -> None:
    """Return when the server has found out that its database answers again."""
    while gateway.request("GET", "/readyz").status != 200:
        pass


def wait_for_ending(gateway: Running, count: int = 4) -> list[dict[str, object]]:
    """Return the tenant's records once there are `count`; the database itself is asked until then."""

    async def ended() -> None:
        while len(await gateway.control.database.read(positions)) < count:
            pass

    def positions(tx: Transaction) -> list[object]:
        tx.act_for("default")
        return [row[0] for row in tx.rows("evidence_page", tenant="default", first=0, limit=100)]

    asyncio.run_coroutine_threadsafe(asyncio.wait_for(ended(), 20), gateway.loop).result(30)
    rows = gateway.rows("SELECT canonical FROM evidence WHERE tenant_id = 'default' ORDER BY position")
    return [json.loads(row[0]) for row in rows]


def open_calls(gateway: Running) -> int:
    return int(gateway.rows("SELECT (SELECT count(*) FROM open_call) + (SELECT count(*) FROM opening)")[0][0])
