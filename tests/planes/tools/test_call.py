# SPDX-License-Identifier: Apache-2.0
"""Tool servers made with the SDK are called over HTTP in both eras, listed, and told when nobody waits any more."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

import pytest
from tests.mcp_servers.started import started
from tests.planes.tools.sdk_server import sdk_server
from tests.upstream.server import scripted_upstream
from tests.upstream.wire import Close, Received, Send, Step, event, event_stream_head, piece, whole

from customhouse.dialects.mcp.envelope import Envelope, sealed
from customhouse.dialects.mcp.message import Call, Note, result
from customhouse.dialects.mcp.revision import HANDSHAKE, MODERN
from customhouse.domain.clock import SystemClock
from customhouse.outgoing.credential import UpstreamCredentials
from customhouse.planes.tools.call import US, ToolServers
from customhouse.planes.tools.document import Server
from customhouse.planes.tools.hearing import unheard
from customhouse.planes.tools.outcome import Failed, Finished, Outcome, Refused, Request, SessionEnded, Speaking

Story = Callable[[ToolServers], Awaitable[None]]


def told(story: Story, environ: Mapping[str, str] | None = None, message_bytes: int = 1_000_000) -> None:
    async def main() -> None:
        clock = SystemClock()
        credentials = UpstreamCredentials(Path("nowhere"), environ or {}, clock)
        servers = ToolServers(credentials, clock, connect_s=5, message_bytes=message_bytes)
        try:
            await story(servers)
        finally:
            await servers.close()

    asyncio.run(main())


def request(
    servers: ToolServers, speaking: Speaking, name: str, progress: int | None = None, **arguments: object
) -> Request:
    params: dict[str, object] = {"name": name, "arguments": arguments}
    if speaking.revision in MODERN:
        params = sealed(params, US, speaking.revision, {}, Envelope(progress=progress))
    elif progress is not None:
        params["_meta"] = {"progressToken": progress}
    return Request(servers.next_id(), "tools/call", params, speaking)


async def speaking_in(servers: ToolServers, server: Server, era: str) -> Speaking:
    if era in MODERN:
        found = await servers.discovered(server)
        assert found is not None
        return Speaking(found.revision)
    return (await servers.introduced(server, era, {})).speaking


def text(outcome: Outcome) -> object:
    assert isinstance(outcome, Finished), outcome
    (part,) = cast("list[dict[str, object]]", outcome.response.result["content"])
    return part["text"]


@pytest.mark.parametrize("revision", [*HANDSHAKE, *MODERN])
@pytest.mark.parametrize("as_json", [False, True], ids=["stream", "json"])
def test_a_call_is_answered_in_every_revision(revision: str, *, as_json: bool) -> None:
    with sdk_server(json=as_json) as url:
        server = Server(url=url)

        async def story(servers: ToolServers) -> None:
            speaking = await speaking_in(servers, server, revision)
            assert speaking.revision == revision
            assert (speaking.session is None) is (revision in MODERN)
            assert text(await servers.call(server, request(servers, speaking, "add", a=2, b=3))) == "5"
            wrong = await servers.call(server, request(servers, speaking, "fail"))
            assert isinstance(wrong, Finished)
            assert wrong.response.result["isError"] is True
            await servers.end(server, speaking)

        told(story)


@pytest.mark.parametrize("revision", [HANDSHAKE[-1], MODERN[-1]])
def test_what_a_server_says_on_the_way_is_heard_in_order(revision: str) -> None:
    heard: list[object] = []

    async def hear(message: Call | Note) -> None:
        heard.append((message.method, message.params["progressToken"], message.params["progress"]))

    with sdk_server() as url:
        server = Server(url=url)

        async def story(servers: ToolServers) -> None:
            speaking = await speaking_in(servers, server, revision)
            asked = request(servers, speaking, "count", progress=7, to=5)
            assert text(await servers.call(server, asked, hear)) == "counted to 5"

        told(story)
    assert heard == [("notifications/progress", 7, number) for number in range(1, 6)]


@pytest.mark.parametrize("revision", [HANDSHAKE[-1], MODERN[-1]])
def test_a_server_learns_that_nobody_waits_any_more(revision: str) -> None:
    mark = threading.Event()

    with sdk_server(mark) as url:
        server = Server(url=url)

        async def story(servers: ToolServers) -> None:
            speaking = await speaking_in(servers, server, revision)
            call = asyncio.create_task(servers.call(server, request(servers, speaking, "wait")))
            assert text(await servers.call(server, request(servers, speaking, "add", a=1, b=1))) == "2"
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert mark.wait(10)

        told(story)


def test_a_call_that_takes_too_long_is_one_of_which_nobody_knows() -> None:
    with sdk_server() as url:
        server = Server(url=url, timeout_s=1)

        async def story(servers: ToolServers) -> None:
            speaking = await speaking_in(servers, server, MODERN[-1])
            outcome = await servers.call(server, request(servers, speaking, "wait"))
            assert isinstance(outcome, Failed)
            assert (outcome.reason, outcome.sent) == ("upstream.timeout", True)

        told(story)


def test_a_session_that_its_server_does_not_know_is_told_apart() -> None:
    with sdk_server() as url:
        server = Server(url=url)

        async def story(servers: ToolServers) -> None:
            speaking = Speaking(HANDSHAKE[-1], "0123456789abcdef0123456789abcdef")
            outcome = await servers.call(server, request(servers, speaking, "add", a=1, b=1))
            assert outcome == SessionEnded()

        told(story)


def test_an_unknown_tool_is_the_servers_own_refusal() -> None:
    with sdk_server() as url:
        server = Server(url=url)

        async def story(servers: ToolServers) -> None:
            speaking = await speaking_in(servers, server, MODERN[-1])
            outcome = await servers.call(server, request(servers, speaking, "nothing"))
            assert isinstance(outcome, Refused | Finished)
            if isinstance(outcome, Finished):
                assert outcome.response.result["isError"] is True

        told(story)


@pytest.mark.parametrize("stateless", [False, True])
def test_its_tools_are_listed_with_what_is_pinned(*, stateless: bool) -> None:
    with sdk_server(stateless=stateless) as url:

        async def story(servers: ToolServers) -> None:
            found = await servers.list_tools(Server(url=url))
            assert [each["name"] for each in found] == ["add", "count", "wait", "fail"]
            assert all("inputSchema" in each for each in found)

        told(story)


def test_a_stream_that_its_server_closes_is_taken_up_again() -> None:
    def begun(_: Received) -> Iterator[Step]:
        yield event_stream_head()
        yield piece(b"id: e1\nretry: 0\ndata: \n\n")
        yield Send(b"0\r\n\r\n")

    def going_on(_: Received) -> Iterator[Step]:
        yield event_stream_head()
        yield piece(b"id: e2\nretry: 0\n" + event({"jsonrpc": "2.0", "method": "notifications/message", "params": {}}))
        yield Close()

    def ended(_: Received) -> Iterator[Step]:
        yield event_stream_head()
        result = {"content": [{"type": "text", "text": "done"}]}
        yield piece(event({"jsonrpc": "2.0", "id": 1, "result": result}))
        yield Send(b"0\r\n\r\n")

    heard: list[str] = []

    async def hear(message: Call | Note) -> None:
        heard.append(message.method)

    with scripted_upstream(begun, going_on, ended) as upstream:
        server = Server(url=f"{upstream.origin}/mcp")

        async def story(servers: ToolServers) -> None:
            speaking = Speaking(HANDSHAKE[-1], "s1")
            assert text(await servers.call(server, request(servers, speaking, "x"), hear)) == "done"

        told(story)
        assert [each.method for each in upstream.requests] == ["POST", "GET", "GET"], "the call was sent once"
        assert [each.headers.get("last-event-id") for each in upstream.requests] == [None, "e1", "e2"]
        assert {each.headers["mcp-session-id"] for each in upstream.requests} == {"s1"}
        assert heard == ["notifications/message"]


def test_a_server_may_ask_a_client_in_the_middle_of_a_call() -> None:
    with started("everything", "0") as url:
        server = Server(url=url, may_ask=("sampling",))

        async def story(servers: ToolServers) -> None:
            speaking = (await servers.introduced(server, HANDSHAKE[-1], {"sampling": {}})).speaking
            asked: list[str] = []

            async def hear(message: Call | Note) -> None:
                assert isinstance(message, Call)
                asked.append(message.method)
                said = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "42"}}
                assert await servers.tell(server, speaking, result(message.id, said)) is None

            outcome = await servers.call(server, request(servers, speaking, "test_sampling", prompt="6 * 7"), hear)
            assert "42" in str(text(outcome))
            assert asked == ["sampling/createMessage"]

        told(story)


def test_what_a_client_answers_reaches_its_server() -> None:
    def taken(_: Received) -> Iterator[Step]:
        yield Send(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")

    def unknown(_: Received) -> Iterator[Step]:
        yield whole(404, b"")

    with scripted_upstream(taken, unknown) as upstream:
        server = Server(url=f"{upstream.origin}/mcp")

        async def story(servers: ToolServers) -> None:
            speaking = Speaking(HANDSHAKE[-1], "s1")
            assert await servers.tell(server, speaking, result("s~1", {"roots": []})) is None
            assert await servers.tell(server, speaking, result("s~2", {"roots": []})) == SessionEnded()

        told(story)
        assert upstream.requests[0].body == {"jsonrpc": "2.0", "id": "s~1", "result": {"roots": []}}


def test_nobody_there_is_a_call_that_was_not_sent() -> None:
    async def story(servers: ToolServers) -> None:
        server = Server(url="http://127.0.0.1:1/mcp")
        outcome = await servers.call(server, request(servers, Speaking(MODERN[-1]), "add"), unheard)
        assert isinstance(outcome, Failed)
        assert (outcome.reason, outcome.sent) == ("upstream.unreachable", False)

    told(story)
