# SPDX-License-Identifier: Apache-2.0
"""No content and no secret stands in a server's log, in either form, at level debug, whatever goes wrong.

Strings are planted wherever a turn's content and secrets are: prompts, arguments, a model's answer (good or broken),
keys, a provider's credential, headers. The server is a process of its own, and all that it wrote is searched.
"""

import asyncio
import http.client
import json
import os
import re
import subprocess
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec
import pytest
from tests.cli.test_serve import CUSTOMHOUSE
from tests.gateway.running import BOT, TOOLS, create_key, documents, publish
from tests.upstream.replies import answer, call, failure, raw, tool_calls
from tests.upstream.server import scripted_upstream
from tests.upstream.wire import Close, Received, Reply, Send, Step

from customhouse.app import installation
from customhouse.cli.serve_address import read_address
from customhouse.rollout.submission import SubmittedDocuments
from customhouse.settings import Settings

PLANTED: Final = re.compile(rb"trip.?wire", re.IGNORECASE)
WIRE: Final = "TRIPWIRE"
CREDENTIAL: Final = f"sk-{WIRE}-credential"
MODES: Final[Mapping[str, Reply]] = {
    "text": answer(WIRE),
    "calls": tool_calls([call("issue_refund", json.dumps({"order_id": WIRE})), call(WIRE, WIRE)], content=WIRE),
    "broken": failure(500, "server_error", WIRE),
    "rejected": failure(400, WIRE, WIRE),
    "not-json": raw('{"choices": ' + WIRE),
    "wrong-type": raw(json.dumps({"id": WIRE, "choices": [{"message": WIRE}]})),
    "status-line": lambda _: iter((Send(f"HTTP/1.1 {WIRE}\r\n\r\n".encode()), Close())),
    "header": lambda _: iter((Send(f"HTTP/1.1 200 OK\r\nX-\x01{WIRE}: {WIRE}\r\n\r\n".encode()), Close())),
}
Json = dict[str, Any]


def script(request: Received) -> Iterator[Step]:
    """Answer in the mode that the question names."""
    found = re.search(r"mode=([a-z-]+)", request.raw.decode())
    assert found is not None
    return MODES[found.group(1)](request)


@contextmanager
def served(
    home: Path,
    base_url: str,
    form: str,
    changed: Callable[[SubmittedDocuments], SubmittedDocuments] | None = None,
) -> Generator[tuple[str, int, Path]]:
    """Serve in a process until the block ends; give a key, the port, and the file that the log goes to.

    Without `changed`, the provider's key is the variable PROVIDER_KEY.
    """

    async def furnish() -> str:
        async with installation(Settings(home=str(home))) as built:
            submitted = documents(base_url, prompt=WIRE, api_key_env=None if changed else "PROVIDER_KEY")
            await publish(built.control, changed(submitted) if changed else submitted, fallback=f"see {WIRE}")
            return await create_key(built.control)

    key, log = asyncio.run(furnish()), home.parent / "log"
    chosen = {"LOG_LEVEL": "debug", "LOG_FORMAT": form, "LEDGER_TIMEOUT_S": "1"}
    environment = {**os.environ, **{f"CUSTOMHOUSE_{name}": value for name, value in chosen.items()}}
    with log.open("wb") as file:
        command = [str(CUSTOMHOUSE), "--home", str(home), "serve", "--port", "0"]
        process = subprocess.Popen(command, stderr=file, stdout=file, env={**environment, "PROVIDER_KEY": CREDENTIAL})
        try:
            while (address := read_address(home)) is None:
                assert process.poll() is None, log.read_text()
            yield key, address[1], log
        finally:
            process.terminate()
            assert process.wait(30) == 0


def send(port: int, key: str, body: bytes, **headers: str) -> tuple[int, str]:
    """Send one request; return its status and trace id."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    sent = {"authorization": f"Bearer {key}", "content-type": "application/json", "user-agent": WIRE, "cookie": WIRE}
    connection.request("POST", f"/v1/chat/completions?{WIRE}", body, {**sent, **headers})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, response.getheader("customhouse-trace-id", "")


def chat(mode: str, **fields: object) -> bytes:
    """Return a request whose question names a mode, and is full of planted strings."""
    messages = [{"role": "user", "content": f"mode={mode} {WIRE}"}, {"role": "system", "content": WIRE}]
    return json.dumps({"model": BOT, "messages": messages, "user": WIRE, "tools": TOOLS, **fields}).encode()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "command"])
def test_no_rotated_credential_is_anywhere_but_where_the_operator_put_it(home: Path, kind: str) -> None:
    """It is shown to the provider, refused, renewed, and its renewal fails; its value is in no file and no answer."""
    credentials = home / "credentials"
    home.mkdir(mode=0o700)
    credentials.mkdir(mode=0o700)
    source = credentials / "provider"

    def put(content: str) -> None:
        new = credentials / "new"
        new.write_text(content if kind == "file" else f"#!/bin/sh\necho {content} >&2\n{content}\n")
        new.chmod(0o700 if kind == "command" else 0o600)
        new.rename(source)

    def changed(submitted: SubmittedDocuments) -> SubmittedDocuments:
        model = submitted.model
        named = {f"api_key_{kind}": "provider"}
        moved = {name: msgspec.structs.replace(each, **named) for name, each in model.deployments.items()}
        return msgspec.structs.replace(submitted, model=msgspec.structs.replace(model, deployments=moved))

    put(CREDENTIAL if kind == "file" else f"echo {CREDENTIAL}")
    refusing = failure(401, "invalid_api_key", f"Incorrect API key provided: {CREDENTIAL}")
    with (
        scripted_upstream(refusing, answer("ok"), answer("ok")) as upstream,
        served(home, upstream.base_url, "json", changed) as (key, port, log),
    ):
        for _ in range(3):
            send(port, key, chat("text"))
        put(f"two words {CREDENTIAL}" if kind == "file" else f"echo {CREDENTIAL}; exit 3")
        os.utime(source)
        for _ in range(3):
            send(port, key, chat("text"))
        scraped = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        scraped.request("GET", "/metrics")
        assert CREDENTIAL.encode() not in scraped.getresponse().read()
        scraped.close()
    assert f"Bearer {CREDENTIAL}" in {request.headers["authorization"] for request in upstream.requests}
    files = [path for path in (*home.rglob("*"), log) if path.is_file() and credentials not in path.parents]
    assert len(files) > 3
    assert [path.name for path in files if CREDENTIAL.encode() in path.read_bytes()] == []


@pytest.mark.slow
@pytest.mark.parametrize("form", ["json", "text"])
def test_no_content_and_no_secret_is_in_the_log(home: Path, form: str) -> None:
    with scripted_upstream(script) as upstream, served(home, upstream.base_url, form) as (key, port, log):
        statuses: dict[str, int] = {}
        for mode in MODES:
            send(port, key, chat("text"))  # so that the deployment is not left alone for what the modes do to it
            for fields in ({}, {"stream": True}, {"response_format": {"type": "json_object"}}):
                status, trace_id = send(port, key, chat(mode, **fields))
                statuses[trace_id] = status
        for body in (
            b'{"model": ' + WIRE.encode(),
            chat("text", model=WIRE),
            chat("text", **{WIRE: 1}),
            b"\xff" + b"T",
        ):
            status, trace_id = send(port, key, body, **{"customhouse-tenant": WIRE} if body == b"\xff" + b"T" else {})
            statuses[trace_id] = status
        status, trace_id = send(port, f"chk_{WIRE}", chat("text"))
        statuses[trace_id] = status
        other = apsw.Connection(str(home / "customhouse.db"))
        other.set_busy_timeout(5000)
        other.execute("BEGIN IMMEDIATE")
        for status, trace_id in (send(port, key, chat("text")), send(port, key, chat("calls"))):
            assert status == 503
            statuses[trace_id] = status
        other.execute("ROLLBACK")
        other.close()
    written = log.read_bytes()
    settings, _, events = written.partition(b"\n")
    assert settings.startswith(b"settings: ")
    assert PLANTED.search(written) is None, PLANTED.search(written)
    assert key.encode() not in written
    assert {request.headers["authorization"] for request in upstream.requests} == {f"Bearer {CREDENTIAL}"}
    assert {200, 400, 401, 403, 404, 502, 503} <= set(statuses.values())
    assert b"HttpParserInvalidStatusError" in events or b"HttpParserError" in events, (
        "what went wrong is told by its type"
    )
    for trace_id, status in statuses.items():
        line = next(line for line in events.splitlines() if trace_id.encode() in line and b"turn ended" in line)
        if form == "json":
            told: Json = json.loads(line)
            assert (told["level"], told["logger"], told["status"]) == ("info", "customhouse.turns", status)
            assert told["outcome"] in {"answered", "fallback", "refused", "failed"}
            assert told["duration_ms"] > 0
        else:
            assert f" INFO customhouse.turns turn ended trace_id={trace_id}" in line.decode()
            assert f" status={status} " in line.decode()
    if form == "json":
        assert all(isinstance(json.loads(line), dict) for line in events.splitlines())
