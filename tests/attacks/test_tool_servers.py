# SPDX-License-Identifier: Apache-2.0
"""Tool servers that mean harm, and arguments that do: each is a clear end of one call, within bounds, and of no other.

What an answer says is read once, as one server's answer to one request; where a call goes is what was declared.
"""

import asyncio
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mcp_servers.started import started
from tests.planes.tools.test_call import request, text, told
from tests.upstream.server import scripted_upstream
from tests.upstream.wire import Close, Hold, Received, Reply, Send, Step, Wait, as_json, event, event_stream_head, piece

from customhouse.dialects.mcp.revision import HANDSHAKE, MODERN
from customhouse.domain.errors import UpstreamFailed
from customhouse.planes.tools.call import ToolServers
from customhouse.planes.tools.document import HttpCall, Server
from customhouse.planes.tools.hearing import MAX_MESSAGES
from customhouse.planes.tools.outcome import Failed, Finished, Refused, SessionEnded, Speaking
from customhouse.planes.tools.plain_call import plain_call

LIMIT = 100_000
NOW = Speaking(MODERN[-1])
DONE = {"content": [{"type": "text", "text": "done"}]}


def answer(asked: Received, **other: object) -> bytes:
    return as_json({"jsonrpc": "2.0", "id": asked.body["id"], "result": DONE, **other})


def raw(head: str, body: bytes = b"") -> Send:
    return Send(f"HTTP/1.1 {head}\r\n\r\n".encode() + body)


def body_of(content: bytes, head: str = "", declared: int | None = None) -> Send:
    length = len(content) if declared is None else declared
    return raw(f"200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}{head}", content)


def streamed(*messages: object) -> Iterator[Step]:
    yield event_stream_head()
    for each in messages:
        yield piece(event(each))
    yield Send(b"0\r\n\r\n")


def longer(asked: Received) -> Iterator[Step]:
    """Declare more than there is."""
    yield body_of(answer(asked), declared=len(answer(asked)) + 100)
    yield Close()


def shorter(asked: Received) -> Iterator[Step]:
    """Declare less than there is."""
    yield body_of(answer(asked), declared=20)


def two_lengths(asked: Received) -> Iterator[Step]:
    """Declare two lengths."""
    yield body_of(answer(asked), "\r\ncontent-length: 5")


def both_codings(asked: Received) -> Iterator[Step]:
    """Declare a length and chunks."""
    yield body_of(answer(asked), "\r\ntransfer-encoding: chunked")


def slow(asked: Received) -> Iterator[Step]:
    """Send a byte now and then."""
    for byte in body_of(answer(asked)).content:
        yield Send(bytes([byte]))
        yield Wait(0.05)


def large(asked: Received) -> Iterator[Step]:
    """Send more than a result may have."""
    yield body_of(answer(asked, result={"content": [{"type": "text", "text": "x" * LIMIT}]}))


def endless_event(_: Received) -> Iterator[Step]:
    """Begin an event and never end it."""
    yield event_stream_head()
    while True:
        yield piece(b"data: " + b"x" * 10_000)


def endless_comments(_: Received) -> Iterator[Step]:
    """Keep the stream alive with nothing."""
    yield event_stream_head()
    while True:
        yield piece(b": still here\n\n" * 1000)


def flood(asked: Received) -> Iterator[Step]:
    """Send more notifications than are passed on."""
    note: dict[str, object] = {"jsonrpc": "2.0", "method": "notifications/message", "params": {}}
    yield from streamed(*[note] * (MAX_MESSAGES + 1), {"jsonrpc": "2.0", "id": asked.body["id"], "result": DONE})


def compressed(asked: Received) -> Iterator[Step]:
    """Compress the answer."""
    yield body_of(answer(asked), "\r\ncontent-encoding: gzip")


def page(_: Received) -> Iterator[Step]:
    """Answer with a page."""
    yield raw("200 OK\r\ncontent-type: text/html\r\ncontent-length: 4", b"<p/>")


def nothing(_: Received) -> Iterator[Step]:
    """Answer 200 with nothing."""
    yield body_of(b"")


def cut(_: Received) -> Iterator[Step]:
    """End the stream before the answer."""
    yield from streamed({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})


def batch(asked: Received) -> Iterator[Step]:
    """Answer with a batch."""
    yield body_of(b"[" + answer(asked) + b"]")


def twice(asked: Received) -> Iterator[Step]:
    """Name the result twice."""
    yield body_of(answer(asked)[:-1] + b',"result":{}}')


def endless_head(_: Received) -> Iterator[Step]:
    """Send a head without end."""
    yield Send(b"HTTP/1.1 200 OK\r\n")
    while True:
        yield Send(b"x: " + b"y" * 1000 + b"\r\n")


def gone(_: Received) -> Iterator[Step]:
    """Reset the connection."""
    yield Close(reset=True)


def failing(_: Received) -> Iterator[Step]:
    """Answer 500."""
    yield raw("500 No\r\ncontent-length: 0")


def moved(_: Received) -> Iterator[Step]:
    """Answer that it is elsewhere."""
    yield raw("307 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0")


def another(value: str | float | None) -> Reply:
    """Return a reply to another request."""

    def reply(asked: Received) -> Iterator[Step]:
        said = str(asked.body["id"]) if value == "ours" else value
        yield body_of(as_json({"jsonrpc": "2.0", "id": said, "result": DONE}))

    reply.__name__ = f"another_{value}"
    return reply


HOSTILE: list[tuple[Reply, str]] = [
    (longer, "upstream.connection"),
    (shorter, "upstream.protocol"),
    (two_lengths, "upstream.connection"),
    (both_codings, "upstream.connection"),
    (slow, "upstream.timeout"),
    (large, "upstream.too_large"),
    (endless_event, "upstream.too_large"),
    (endless_comments, "upstream.too_large"),
    (flood, "upstream.flooded"),
    (compressed, "upstream.protocol"),
    (page, "upstream.protocol"),
    (nothing, "upstream.cut_stream"),
    (cut, "upstream.cut_stream"),
    (batch, "upstream.protocol"),
    (twice, "upstream.protocol"),
    (endless_head, "upstream.connection"),
    (gone, "upstream.connection"),
    (failing, "upstream.server_error"),
    (moved, "upstream.protocol"),
    (another(999_999), "upstream.protocol"),
    (another("ours"), "upstream.protocol"),
    (another(1.0), "upstream.protocol"),
    (another(None), "upstream.protocol"),
]


@pytest.mark.parametrize(("reply", "reason"), HOSTILE, ids=lambda value: getattr(value, "__name__", ""))
def test_what_a_server_does_wrong_ends_its_call_and_no_other(reply: Reply, reason: str) -> None:
    def good(asked: Received) -> Iterator[Step]:
        yield body_of(answer(asked))

    with scripted_upstream(reply, good) as upstream:
        server = Server(url=f"{upstream.origin}/mcp", timeout_s=2)

        async def story(servers: ToolServers) -> None:
            outcome = await servers.call(server, request(servers, NOW, "x"))
            assert isinstance(outcome, Failed)
            assert (outcome.reason, outcome.sent) == (reason, True)
            assert text(await servers.call(server, request(servers, NOW, "x"))) == "done"

        told(story, message_bytes=LIMIT)
        assert len(upstream.requests) == 2, "nothing is sent twice"


@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
def test_a_redirect_is_not_followed(status: str) -> None:
    with scripted_upstream() as elsewhere:

        def redirect(_: Received) -> Iterator[Step]:
            yield raw(f"{status} Moved\r\nlocation: {elsewhere.origin}/mcp\r\ncontent-length: 0")

        with scripted_upstream(redirect) as upstream:
            mcp, plain = Server(url=f"{upstream.origin}/mcp"), Server(url=upstream.origin, protocol="http")

            async def story(servers: ToolServers) -> None:
                outcomes = (
                    await servers.call(mcp, request(servers, NOW, "x")),
                    await servers.call_http(plain, HttpCall(method="GET", path="/x"), {}),
                )
                assert all(isinstance(each, Failed) and each.sent for each in outcomes)

            told(story)
        assert elsewhere.requests == []


@pytest.mark.parametrize("status", ["401 No", "403 No", "404 No", "429 No"])
def test_what_a_server_refuses_has_not_run(status: str) -> None:
    def refuse(_: Received) -> Iterator[Step]:
        yield raw(f"{status}\r\ncontent-length: 5", b"s3cr!")

    with scripted_upstream(refuse) as upstream:
        server = Server(url=f"{upstream.origin}/mcp")

        async def story(servers: ToolServers) -> None:
            outcome = await servers.call(server, request(servers, NOW, "x"))
            assert isinstance(outcome, Refused)
            assert "s3cr!" not in outcome.failure.message
            ended = await servers.call(server, request(servers, Speaking(HANDSHAKE[-1], "s"), "x"))
            assert isinstance(ended, SessionEnded) is status.startswith("404")

        told(story)


def test_an_answer_that_comes_late_is_nobodys() -> None:
    def held(asked: Received) -> Iterator[Step]:
        yield Hold()
        yield body_of(answer(asked, result={"content": [{"type": "text", "text": "of the first"}]}))

    def good(asked: Received) -> Iterator[Step]:
        yield body_of(answer(asked))

    with scripted_upstream(held, good) as upstream:
        server = Server(url=f"{upstream.origin}/mcp")

        async def story(servers: ToolServers) -> None:
            first = asyncio.create_task(servers.call(server, request(servers, NOW, "x")))
            await asyncio.sleep(0)  # it begins
            await asyncio.to_thread(upstream.wait_for_request)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            upstream.go_on()
            assert text(await servers.call(server, request(servers, NOW, "x"))) == "done"

        told(story)
        assert upstream.connections == 2


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a b", "é", ""], ids=repr)
def test_a_credential_that_would_be_two_headers_is_not_sent(value: str) -> None:
    with scripted_upstream() as upstream:
        server = Server(url=f"{upstream.origin}/mcp", headers={"x-api-key": "TOOL_KEY"})

        async def story(servers: ToolServers) -> None:
            outcome = await servers.call(server, request(servers, NOW, "x"))
            assert isinstance(outcome, Failed)
            assert not outcome.sent

        told(story, {"TOOL_KEY": value})
        assert upstream.requests == []


@pytest.mark.parametrize(
    "name",
    ["Host", "content-length", "Transfer-Encoding", "mcp-session-id", "Mcp-Name", "connection", "a b", "x\r\ny", "x:y"],
)
def test_no_declared_header_takes_the_place_of_ours(name: str) -> None:
    with scripted_upstream() as upstream:
        server = Server(url=f"{upstream.origin}/mcp", headers={name: "TOOL_KEY"})

        async def story(servers: ToolServers) -> None:
            outcome = await servers.call(server, request(servers, NOW, "x"))
            assert isinstance(outcome, Failed)
            assert (outcome.reason, outcome.sent) == ("upstream.misconfigured", False)

        told(story, {"TOOL_KEY": "k"})
        assert upstream.requests == []


@pytest.mark.parametrize("variable", ["CUSTOMHOUSE_DATABASE", "PGPASSWORD", "PATH", "lower"])
def test_a_server_is_not_sent_what_is_the_gateways(variable: str) -> None:
    with scripted_upstream() as upstream:
        server = Server(url=f"{upstream.origin}/mcp", headers={"x-api-key": variable})

        async def story(servers: ToolServers) -> None:
            outcome = await servers.call(server, request(servers, NOW, "x"))
            assert isinstance(outcome, Failed)
            assert (outcome.reason, outcome.sent) == ("upstream.credential_missing", False)

        told(story, {variable: "s3cret"})
        assert upstream.requests == []


def test_a_name_stays_in_its_header() -> None:
    def good(asked: Received) -> Iterator[Step]:
        yield body_of(answer(asked))

    with scripted_upstream(good) as upstream:
        server = Server(url=f"{upstream.origin}/mcp")

        async def story(servers: ToolServers) -> None:
            assert text(await servers.call(server, request(servers, NOW, "x\r\nx-evil: 1"))) == "done"

        told(story)
        (seen,) = upstream.requests
        assert "x-evil" not in seen.headers
        assert seen.headers["mcp-name"].startswith("=?base64?")


ORDER = HttpCall(method="GET", path="/orders/{order_id}/lines")
ELSEWHERE: list[object] = [
    "../admin",
    "..",
    ".",
    "...",
    "",
    None,
    {},
    [],
    "a/b",
    "a\\b",
    "%2e%2e",
    "a%2fb",
    "x\r\nHost: evil.test",
    "\0",
    "\ud800",
]


@pytest.mark.parametrize("order", ELSEWHERE, ids=ascii)
def test_an_argument_leads_nowhere_else(order: object) -> None:
    with scripted_upstream() as upstream:
        server = Server(url=f"{upstream.origin}/v1", protocol="http")

        async def story(servers: ToolServers) -> None:
            outcome = await servers.call_http(
                server, HttpCall(method="GET", path="/orders/{order_id}"), {"order_id": order}
            )
            assert isinstance(outcome, Refused)

        told(story)
        assert upstream.requests == []


@given(order=st.text(max_size=20), query=st.text(max_size=20))
def test_whatever_an_argument_says_it_is_one_part_of_one_segment(order: str, query: str) -> None:
    how = HttpCall(method="GET", path=ORDER.path, query=("q",))
    try:
        made = plain_call("http://tools.test:8080/v1", how, {"order_id": order, "q": query})
    except ValueError:
        return
    parts = urlsplit(made.url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("http", "tools.test:8080", "")
    segments = parts.path.split("/")
    assert [*segments[:3], *segments[4:]] == ["", "v1", "orders", "lines"]
    assert unquote(segments[3]) == order
    assert unquote(parts.query) == f"q={query}"
    assert "&" not in parts.query
    assert made.url.isascii()
    assert made.url.isprintable()


@pytest.mark.parametrize("key", ["a\r\nx-evil: 1", "a b", "", "x" * 256, 1.5, True, [], {}], ids=ascii)
def test_an_idempotency_key_is_one_header_or_the_call_is_not_sent(key: object) -> None:
    with scripted_upstream() as upstream:
        server = Server(url=upstream.origin, protocol="http")
        how = HttpCall(method="POST", path="/refunds")

        async def story(servers: ToolServers) -> None:
            assert isinstance(await servers.call_http(server, how, {}, key), Refused)

        told(story)
        assert upstream.requests == []


PLAIN: list[tuple[str, bytes, str]] = [
    ("500 No\r\ncontent-length: 0", b"", "upstream.server_error"),
    ("200 OK\r\ncontent-type: image/png\r\ncontent-length: 3", b"png", "upstream.protocol"),
    ("200 OK\r\ncontent-type: application/json\r\ncontent-length: 13", b'{"a":1,"a":2}', "upstream.protocol"),
    ("200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2", b"\xff\xfe", "upstream.protocol"),
    (f"200 OK\r\ncontent-type: text/plain\r\ncontent-length: {LIMIT + 1}", b"x" * (LIMIT + 1), "upstream.too_large"),
    ("200 OK\r\ncontent-encoding: gzip\r\ncontent-type: text/plain\r\ncontent-length: 2", b"xx", "upstream.protocol"),
]


@pytest.mark.parametrize(("head", "body", "reason"), PLAIN, ids=range(len(PLAIN)))
def test_what_a_plain_server_does_wrong_ends_the_call(head: str, body: bytes, reason: str) -> None:
    def reply(_: Received) -> Iterator[Step]:
        yield raw(head, body)

    with scripted_upstream(reply) as upstream:
        server = Server(url=upstream.origin, protocol="http")

        async def story(servers: ToolServers) -> None:
            outcome = await servers.call_http(server, HttpCall(method="GET", path="/x"), {})
            assert isinstance(outcome, Failed)
            assert (outcome.reason, outcome.sent) == (reason, True)

        told(story, message_bytes=LIMIT)


def lists(pages: Mapping[str | None, object]) -> Reply:
    """Return a reply that is a server of pages, by cursor; `*` is every other one."""

    def reply(asked: Received) -> Iterator[Step]:
        if asked.body["method"] == "server/discover":
            said: object = {"supportedVersions": list(MODERN), "capabilities": {}}
        else:
            cursor = asked.body["params"].get("cursor")
            said = pages.get(cursor, pages.get("*"))
        yield body_of(as_json({"jsonrpc": "2.0", "id": asked.body["id"], "result": said}))

    return reply


TOOL = {"name": "x", "inputSchema": {"type": "object"}}


@pytest.mark.parametrize(
    "pages",
    [
        {None: {"tools": [TOOL], "nextCursor": "a"}, "a": {"tools": [], "nextCursor": "a"}},
        {
            None: {"tools": [TOOL], "nextCursor": "a"},
            "a": {"tools": [], "nextCursor": "b"},
            "b": {"tools": [], "nextCursor": "a"},
        },
        {None: {"tools": [TOOL] * 10_001}},
        {None: {"tools": "all"}},
        {None: {"tools": ["x"]}},
        {None: {"tools": [], "nextCursor": 1}},
    ],
    ids=["itself", "circle", "many", "text", "texts", "number"],
)
def test_a_list_without_end_is_given_up(pages: Mapping[str | None, object]) -> None:
    with scripted_upstream(lists(pages)) as upstream:

        async def story(servers: ToolServers) -> None:
            with pytest.raises(UpstreamFailed):
                await servers.list_tools(Server(url=f"{upstream.origin}/mcp"))

        told(story)
        assert len(upstream.requests) <= 4


def test_a_thousand_tools_on_ten_pages_are_all_read() -> None:
    with started("hostile", "pages", "0") as url:

        async def story(servers: ToolServers) -> None:
            assert len(await servers.list_tools(Server(url=url))) == 1000

        told(story)


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        ("huge", "upstream.too_large"),
        ("silent", "upstream.timeout"),
        ("flood", "upstream.flooded"),
        ("too_long", "upstream.connection"),
        ("too_short", "upstream.protocol"),
    ],
)
def test_a_hostile_server_ends_its_call(manner: str, reason: str) -> None:
    with started("hostile", manner, "0") as url:
        server = Server(url=url, timeout_s=2)

        async def story(servers: ToolServers) -> None:
            speaking = (await servers.spoken(server)).speaking
            outcome = await servers.call(server, request(servers, speaking, "read_data"))
            assert isinstance(outcome, Failed)
            assert (outcome.reason, outcome.sent) == (reason, True)

        told(story)


def test_a_plain_result_is_as_it_was_spelled() -> None:
    def reply(_: Received) -> Iterator[Step]:
        yield body_of(b'{"amount": 10.00,\n "id": 123456789012345678901234567890}')

    with scripted_upstream(reply) as upstream:
        server = Server(url=f"{upstream.origin}/v1/", protocol="http", headers={"authorization": "TOOL_KEY"})
        how = HttpCall(method="PUT", path="/orders/{id}", query=("dry",), body=("note",))
        arguments: dict[str, object] = {"id": "a b?", "dry": True, "note": "é", "left": 1}

        async def story(servers: ToolServers) -> None:
            outcome = await servers.call_http(server, how, arguments, "key-1")
            assert isinstance(outcome, Finished)
            spelled = bytes(outcome.response.members["structuredContent"])
            assert spelled == b'{"amount": 10.00, "id": 123456789012345678901234567890}'

        told(story, {"TOOL_KEY": "s3cret"})
        (seen,) = upstream.requests
        assert (seen.method, seen.path) == ("PUT", "/v1/orders/a%20b%3F?dry=true")
        assert seen.raw == '{"note":"é"}'.encode()
        assert seen.headers["authorization"] == "Bearer s3cret"
        assert seen.headers["idempotency-key"] == "key-1"
