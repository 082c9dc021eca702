# SPDX-License-Identifier: Apache-2.0
"""How the command line reaches the control API: over HTTP, or with the same API run inside this process.

Rules:
- One path: a command says method, path and body, and cannot tell which way they go.
- A server is named by CUSTOMHOUSE_URL and CUSTOMHOUSE_KEY together. `--local`, or neither variable and a home directory
  here, opens the store itself; then the actor is `local:<uid>`.
- A key never travels in clear text: plain http is accepted to a loopback address only. No redirect is followed.
"""

import asyncio
import http.client
import ipaddress
import os
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Final, NamedTuple, Protocol, TypeVar
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

import click
import msgspec
from starlette.types import ASGIApp, Message, Scope

from customhouse import __version__
from customhouse.cli.options import options
from customhouse.cli.output import say, visible
from customhouse.settings import Settings, load

T = TypeVar("T")

TIMEOUT_S: Final = 30.0
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""More than any answer of the control API; a wrong server cannot fill the memory."""
_META: Final = "customhouse.client"


class Reply(NamedTuple):
    """An HTTP answer."""

    status: int
    body: bytes


class Transport(Protocol):
    """One way to the control API."""

    def send(self, method: str, target: str, body: bytes | None) -> Reply:
        """Send one request; `target` is path and query."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class Refused(click.ClickException):
    """The control API refused: its sentence, code and trace id for the person, exit status 1."""

    def __init__(self, status: int, code: str, detail: str, trace_id: str | None) -> None:
        self.status = status
        self.code = code
        self.trace_id = trace_id
        trace = f", trace {trace_id}" if trace_id else ""
        super().__init__(visible(f"{detail} ({code}{trace})"))


class Client:
    """The control API as commands use it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def call(
        self, method: str, path: str, body: object | None = None, *, query: Mapping[str, str | None] | None = None
    ) -> object:
        """Send one request and return the decoded answer as plain data; raises Refused for every 4xx and 5xx.

        `path` begins with /api/v1; put names into it through `segment`. A query value None is left out.
        """
        return msgspec.json.decode(self._send(method, path, body, query) or b"null")

    def fetch(
        self,
        method: str,
        path: str,
        answer: type[T],
        body: object | None = None,
        *,
        query: Mapping[str, str | None] | None = None,
    ) -> T:
        """Like `call`, with the answer decoded as `answer`."""
        return msgspec.json.decode(self._send(method, path, body, query), type=answer)

    def close(self) -> None:
        """Close the transport."""
        self._transport.close()

    def _send(self, method: str, path: str, body: object | None, query: Mapping[str, str | None] | None) -> bytes:
        pairs = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{path}?{urlencode(pairs)}" if pairs else path
        reply = self._transport.send(method, target, None if body is None else msgspec.json.encode(body))
        if reply.status >= http.HTTPStatus.BAD_REQUEST:
            raise _refused(reply)
        return reply.body


def segment(value: object) -> str:
    """Return `value` as one path segment, percent-encoded."""
    return quote(str(value), safe="")


def client(ctx: click.Context) -> Client:
    """Return the client of this command line, made at the first use and closed when the command ends."""
    root = ctx.find_root()
    known = root.meta.get(_META)
    if isinstance(known, Client):
        return known
    made = Client(_transport(ctx))
    root.meta[_META] = made
    root.call_on_close(made.close)
    return made


def settings(ctx: click.Context) -> Settings:
    """Return the settings from the environment, with what stood before the command."""
    home = options(ctx).home
    return load(os.environ, home=None if home is None else str(home))


def _transport(ctx: click.Context) -> Transport:
    chosen = options(ctx)
    url, key = os.environ.get("CUSTOMHOUSE_URL"), os.environ.get("CUSTOMHOUSE_KEY")
    if chosen.local:
        return Local(settings(ctx))
    if url and key:
        return Remote(url, key)
    if url or key:
        missing = "CUSTOMHOUSE_KEY" if url else "CUSTOMHOUSE_URL"
        raise click.UsageError(f"{missing} is not set: a server needs both variables, the store here needs --local.")
    found = settings(ctx)
    if not found.home_path.is_dir():
        message = (
            f"no server is named and there is no {found.home} here: set CUSTOMHOUSE_URL and CUSTOMHOUSE_KEY, "
            "or use --local to make a store here."
        )
        raise click.UsageError(message)
    say(f"using the local store {found.home} (a server: set CUSTOMHOUSE_URL and CUSTOMHOUSE_KEY)")
    return Local(found)


class Remote:
    """A server, through http.client."""

    def __init__(self, url: str, key: str) -> None:
        self._url = _checked(url)
        self._headers = {
            "authorization": f"Bearer {key.strip()}",
            "accept": "application/json",
            "user-agent": f"customhouse/{__version__}",
        }

    def send(self, method: str, target: str, body: bytes | None) -> Reply:
        """Send one request on a connection of its own."""
        headers = dict(self._headers) if body is None else {**self._headers, "content-type": "application/json"}
        connection = self._connection()
        try:
            connection.request(method, self._url.path.rstrip("/") + target, body, headers)
            answer = connection.getresponse()
            content = answer.read(MAX_ANSWER_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            message = f"{self._url.scheme}://{self._url.netloc} does not answer: {error or type(error).__name__}"
            raise click.ClickException(f"{message}. Is the server running? CUSTOMHOUSE_URL names it.") from error
        finally:
            connection.close()
        if len(content) > MAX_ANSWER_BYTES:
            raise click.ClickException(f"the answer is larger than {MAX_ANSWER_BYTES} bytes: is this a Customhouse?")
        return Reply(answer.status, content)

    def close(self) -> None:
        """Nothing is held between requests."""

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)


class Local:
    """The API run inside this process, on an event loop of its own, opened at the first request."""

    def __init__(self, chosen: Settings) -> None:
        self._settings = chosen
        self._runner = asyncio.Runner()
        self._stack: AsyncExitStack | None = None
        self._app: ASGIApp | None = None

    def send(self, method: str, target: str, body: bytes | None) -> Reply:
        """Run one request through the ASGI application."""
        return self._runner.run(self._send(method, target, body))

    def close(self) -> None:
        """Close the application, then the loop."""
        if self._stack is not None:
            self._runner.run(self._stack.aclose())
        self._runner.close()

    async def _send(self, method: str, target: str, body: bytes | None) -> Reply:
        if self._app is None:
            # Everything a server is made of is imported only by who opens a store.
            from customhouse.app import build_local  # noqa: PLC0415

            self._stack = AsyncExitStack()
            self._app = await self._stack.enter_async_context(build_local(self._settings))
        return await _in_process(self._app, method, target, body)


async def _in_process(app: ASGIApp, method: str, target: str, body: bytes | None) -> Reply:
    """Run one request through an ASGI application as a server would, from 127.0.0.1."""
    path, _, query = target.partition("?")
    headers = [(b"host", b"127.0.0.1")]
    if body is not None:
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "root_path": "",
        "query_string": query.encode("ascii"),
        "headers": headers,
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
    }
    incoming: list[Message] = [{"type": "http.request", "body": body or b"", "more_body": False}]
    status, chunks = 0, list[bytes]()

    async def receive() -> Message:  # noqa: RUF029 - the ASGI protocol
        return incoming.pop() if incoming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:  # noqa: RUF029 - the ASGI protocol
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            chunks.append(message.get("body", b""))

    await app(scope, receive, send)
    return Reply(status, b"".join(chunks))


class _Problem(msgspec.Struct):
    """What a command needs of an RFC 9457 answer; everything may be absent when something else answered."""

    code: str = "http.error"
    detail: str = ""
    title: str = ""
    trace_id: str | None = None


def _refused(reply: Reply) -> Refused:
    try:
        problem = msgspec.json.decode(reply.body, type=_Problem)
    except msgspec.MsgspecError:
        problem = _Problem(detail=f"HTTP status {reply.status} without an explanation: is this a Customhouse?")
    return Refused(reply.status, problem.code, problem.detail or problem.title, problem.trace_id)


def _checked(url: str) -> SplitResult:
    """Return the server's address; raises UsageError unless a key may be sent there."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise click.UsageError(f"CUSTOMHOUSE_URL {url!r} is no URL: {error}.") from error
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment or parts.username:
        raise click.UsageError(f"CUSTOMHOUSE_URL must look like https://customhouse.example, not {url!r}.")
    if parts.scheme == "http" and not _is_loopback(host):
        message = f"a key is not sent in clear text: use https for {host}, or a tunnel to a loopback address."
        raise click.UsageError(message)
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
