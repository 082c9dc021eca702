# SPDX-License-Identifier: Apache-2.0
"""Tool servers that are programs: the SDK's is called many times at once, listed, restarted; bad ones are ended."""

import asyncio
import hashlib
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from tests.planes.tools import sdk_server
from tests.planes.tools.test_call import request, text, told

from customhouse.dialects.mcp.message import Call, Note
from customhouse.dialects.mcp.revision import MODERN
from customhouse.domain.errors import UpstreamFailed
from customhouse.planes.tools.call import ToolServers
from customhouse.planes.tools.document import Server
from customhouse.planes.tools.outcome import Failed, Finished, Outcome

DIGEST = "sha256:" + hashlib.sha256(Path(sys.executable).resolve().read_bytes()).hexdigest()
SDK = Server(command=(sys.executable, sdk_server.__file__), executable=DIGEST)

HEAD = """
import json, os, sys, time
def say(**message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\\n")
    sys.stdout.flush()
def read():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)
def old():
    while True:
        asked = read()
        if asked["method"] == "initialize":
            say(id=asked["id"], result={"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {}})
        elif asked["method"] == "server/discover":
            say(id=asked["id"], error={"code": -32601, "message": "no"})
        elif asked["method"] == "tools/call":
            return asked
def answer(asked, said):
    say(id=asked["id"], result={"content": [{"type": "text", "text": said}]})
"""


def program(tmp_path: Path, body: str, **fields: object) -> Server:
    """Return a server that is a few lines of Python."""
    path = tmp_path / "server.py"
    path.write_text(HEAD + body)
    return Server(command=(sys.executable, str(path)), executable=DIGEST, **fields)  # pyright: ignore[reportArgumentType]


async def call(servers: ToolServers, server: Server, name: str = "x") -> Outcome:
    speaking = (await servers.spoken(server)).speaking
    return await servers.call(server, request(servers, speaking, name))


def test_many_calls_at_once_get_each_its_own_answer() -> None:
    heard: list[object] = []

    async def hear(message: Call | Note) -> None:
        heard.append((message.params["progressToken"], message.params["progress"]))

    async def story(servers: ToolServers) -> None:
        speaking = (await servers.spoken(SDK)).speaking
        assert speaking.revision in MODERN
        async with asyncio.TaskGroup() as tasks:
            calls = [
                tasks.create_task(servers.call(SDK, request(servers, speaking, "add", a=number, b=1)))
                for number in range(50)
            ]
            counting = tasks.create_task(servers.call(SDK, request(servers, speaking, "count", progress=7, to=3), hear))
        assert [text(each.result()) for each in calls] == [str(number + 1) for number in range(50)]
        assert text(counting.result()) == "counted to 3"
        assert heard == [(7, 1), (7, 2), (7, 3)]
        assert [each["name"] for each in await servers.list_tools(SDK)] == ["add", "count", "wait", "fail"]

    told(story)


def test_the_older_era_is_spoken_where_there_is_no_other(tmp_path: Path) -> None:
    server = program(tmp_path, "while True: answer(old(), 'hello')")

    async def story(servers: ToolServers) -> None:
        assert await servers.discovered(server) is None
        assert (await servers.introduced(server, "2025-06-18", {})).speaking.revision == "2025-11-25"
        assert text(await call(servers, server)) == "hello"

    told(story)


def test_a_program_has_no_variable_but_those_that_are_declared(tmp_path: Path) -> None:
    server = program(tmp_path, "answer(old(), json.dumps(dict(os.environ)))", env={"TOKEN": "TOOL_TOKEN"})

    async def story(servers: ToolServers) -> None:
        said = text(await call(servers, server))
        assert isinstance(said, str)
        assert "s3cret" in said
        assert "PATH" not in said
        assert "HOME" not in said

    told(story, {"TOOL_TOKEN": "s3cret", "OTHER": "x"})


DIES = "old(); sys.exit(3)"
GARBAGE = "old()\nfor _ in range(100): print('not json', flush=True)\nread()"
LONG = "old(); print('x' * 2_000_000, flush=True); read()"
FLOOD = """
asked = old()
token = asked["params"]["_meta"]["progressToken"]
for number in range(5000):
    say(method="notifications/progress", params={"progressToken": token, "progress": number})
answer(asked, "late")
while True: read()
"""


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        (DIES, "upstream.connection", "it ended"),
        (GARBAGE, "upstream.connection", "no messages"),
        (LONG, "upstream.connection", "a line of more than"),
        ("old(); say(id=99, result={}); sys.exit(0)", "upstream.connection", "it ended"),  # another's answer
        ("asked = old(); say(id=str(asked['id']), result={}); sys.exit(0)", "upstream.connection", "it ended"),
        ("asked = old(); say(id=True, result={}); sys.exit(0)", "upstream.connection", "it ended"),
        ("old()\nwhile True: read()", "upstream.timeout", "no answer"),
    ],
)
def test_of_a_call_without_an_answer_nobody_knows(tmp_path: Path, body: str, reason: str, detail: str) -> None:
    server = program(tmp_path, body, timeout_s=2)

    async def story(servers: ToolServers) -> None:
        outcome = await call(servers, server)
        assert isinstance(outcome, Failed)
        assert (outcome.reason, outcome.sent) == (reason, True)
        assert detail in outcome.detail

    told(story)


def test_a_flood_ends_its_call_and_no_other(tmp_path: Path) -> None:
    server = program(tmp_path, FLOOD)

    async def story(servers: ToolServers) -> None:
        speaking = (await servers.spoken(server)).speaking
        outcome = await servers.call(server, request(servers, speaking, "x", progress=1))
        assert isinstance(outcome, Failed)
        assert (outcome.reason, outcome.sent) == ("upstream.flooded", True)

    told(story)


def test_a_program_that_says_too_much_to_nobody_is_ended(tmp_path: Path) -> None:
    body = "old()\nfor _ in range(2000): say(method='notifications/message', params={})\nread()"
    server = program(tmp_path, body)

    async def story(servers: ToolServers) -> None:
        outcome = await call(servers, server)
        assert isinstance(outcome, Failed)
        assert outcome.sent
        assert "belong to no call" in outcome.detail

    told(story)


def test_what_comes_late_is_nobody_elses_answer(tmp_path: Path) -> None:
    body = """
first = old()
cancelled = read()
assert cancelled["method"] == "notifications/cancelled" and cancelled["params"]["requestId"] == first["id"]
second = read()
answer(first, "late")
answer(second, "mine")
read()
"""
    server = program(tmp_path, body)

    async def story(servers: ToolServers) -> None:
        speaking = (await servers.spoken(server)).speaking
        first = request(servers, speaking, "x")
        slow = Failed("upstream.timeout", "no answer within 0.2 s", sent=True)
        shorter = type(first)(first.id, first.method, first.params, speaking, deadline_s=0.2)
        assert await servers.call(server, shorter) == slow
        assert text(await servers.call(server, request(servers, speaking, "x"))) == "mine"

    told(story)


def test_a_request_to_a_client_is_answered_that_there_is_none(tmp_path: Path) -> None:
    body = """
asked = old()
say(id="s1", method="sampling/createMessage", params={})
say(id="s2", method="ping")
answer(asked, json.dumps([read(), read()]))
read()
"""
    server = program(tmp_path, body)

    async def story(servers: ToolServers) -> None:
        said = str(text(await call(servers, server)))
        assert '"id": "s1", "error": {"code": -32601' in said
        assert '"id": "s2", "result": {}' in said

    told(story)


def test_a_program_that_ended_is_started_again(tmp_path: Path) -> None:
    once = tmp_path / "once"
    body = f"""
asked = old()
if not os.path.exists({str(once)!r}):
    open({str(once)!r}, "w").close()
    sys.exit(1)
answer(asked, "again")
read()
"""
    server = program(tmp_path, body)

    async def story(servers: ToolServers) -> None:
        assert isinstance(await call(servers, server), Failed)
        async with asyncio.timeout(10):
            while True:
                with suppress(UpstreamFailed):  # not yet
                    assert text(await call(servers, server)) == "again"
                    return
                await asyncio.sleep(0.02)

    told(story)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"executable": "sha256:" + "0" * 64}, "not the declared one"),
        ({"executable": None}, "no digest is declared"),
        ({"command": ("python-that-is-not-there",)}, "is not there"),
        ({"command": ("./server",)}, "is not there"),
        ({"env": {"TOKEN": "NOT_SET"}}, "not set"),
        ({"env": {"TOKEN": "CUSTOMHOUSE_DATABASE"}}, "gateway's own"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_not_as_declared_is_not_started(change: dict[str, object], why: str) -> None:
    fields = {"command": SDK.command, "executable": DIGEST, **change}
    server = Server(**fields)  # pyright: ignore[reportArgumentType] - one field of each row is another

    async def story(servers: ToolServers) -> None:
        with pytest.raises(UpstreamFailed, match=why):
            await call(servers, server)

    told(story, {"CUSTOMHOUSE_DATABASE": "postgres://secret"})


def test_a_program_that_others_may_write_is_not_started(tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_text("#!/bin/sh\nexec cat\n")
    path.chmod(0o777)
    digest = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()

    async def story(servers: ToolServers) -> None:
        with pytest.raises(UpstreamFailed, match="written by others"):
            await call(servers, Server(command=(str(path),), executable=digest))

    told(story)


def test_a_program_does_not_outlive_its_release(tmp_path: Path) -> None:
    server = program(tmp_path, "answer(old(), str(os.getpid()))\nread()\nread()")

    async def story(servers: ToolServers) -> None:
        pid = str(text(await call(servers, server)))
        await servers.retain([server])
        assert Path(f"/proc/{pid}").exists()
        speaking = (await servers.spoken(server)).speaking
        waiting = asyncio.create_task(servers.call(server, request(servers, speaking, "x")))
        for _ in range(5):
            await asyncio.sleep(0)  # until it is written
        await servers.retain([])
        assert not Path(f"/proc/{pid}").exists()
        outcome = await waiting
        assert isinstance(outcome, Failed)
        assert outcome.sent

    told(story)


def test_closing_takes_what_the_program_has_started_along(tmp_path: Path) -> None:
    body = """
import subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
answer(old(), str(child.pid))
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True: time.sleep(1)
"""
    server = program(tmp_path, body)
    pids: list[int] = []

    async def story(servers: ToolServers) -> None:
        outcome = await call(servers, server)
        assert isinstance(outcome, Finished)
        pids.append(int(str(text(outcome))))

    told(story)
    stat = Path(f"/proc/{pids[0]}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"
