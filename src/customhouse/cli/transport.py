# SPDX-License-Identifier: Apache-2.0
"""The two ways to the control API: a server over HTTP, or the same application run inside this process.

Rules: a key never travels in clear text, so plain http is accepted to a loopback address only; no redirect is followed;
every wait has a deadline and every answer a bound.
"""

import asyncio
import http.client
import ipaddress
import ssl
from contextlib import AsyncExitStack
from typing import Final, NamedTuple, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

import click
from starlette.types import ASGIApp, Message, Scope

from customhouse import __version__
from customhouse.settings import Settings

TIMEOUT_S: Final = 30.0
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""More than any answer of the control API; a wrong server cannot fill the memory."""


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
