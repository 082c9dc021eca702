# SPDX-License-Identifier: Apache-2.0
"""Connections to upstreams, kept open between calls, and requests as bytes.

Rules kept: a header's value holds no line break, whoever wrote it; TLS is verified against the system's authorities; no
proxy is taken from the environment. A connection is used again only after an answer that came to its end.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Literal, NamedTuple
from urllib.parse import quote, urlsplit

from customhouse import __version__
from customhouse.outgoing.connection import Connection

MAX_IDLE: Final = 256
"""Connections that wait for their next call, to all providers together."""
KEEP_S: Final = 30.0
"""How long one waits: below the minute after which load balancers forget connections."""
MAX_TARGETS: Final = 1000
"""Addresses whose requests' heads are kept ready."""
_VALUE: Final = re.compile(r"[\x20-\x7e]*")
_PORTS: Final = {"http": 80, "https": 443}
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
_ACCEPT: Final = "application/json, text/event-stream"


class Unsendable(Exception):
    """The address or a header's value cannot stand in a request; nothing was sent."""


class Unreachable(Exception):
    """No connection could be made; nothing was sent."""


class Slow(Exception):
    """No connection could be made in time; nothing was sent."""


class Target(NamedTuple):
    """Where requests to one URL go, and how they begin."""

    host: str
    port: int
    tls: bool
    begin: bytes


class Form(NamedTuple):
    """What a request is, where it is no POST of JSON. Its heads are not kept ready."""

    method: Method
    accept: str = _ACCEPT
    content: str | None = None


class Pool:
    """Connections by where they lead. Used from one event loop."""

    def __init__(self, connect_s: float, keep_s: float = KEEP_S) -> None:
        """Bound how long connecting may take, the name's look-up and TLS included, and how long a connection waits."""
        self._keep_s = keep_s
        self._connect_s = connect_s
        self._idle: dict[tuple[str, int, bool], list[tuple[Connection, asyncio.TimerHandle]]] = {}
        self._count = 0
        self._open: set[Connection] = set()
        self._all_gone = asyncio.Event()
        self._targets: dict[str, Target] = {}
        self._tls = ssl.create_default_context()

    def exchange(self, url: str, headers: Mapping[str, str], body: bytes, form: "Form | None" = None) -> "Exchange":
        """Return one request that is ready to be sent; `form` None is a POST of JSON. Raises Unsendable."""
        target = self._target(url) if form is None else _target(url, form)
        return Exchange(self, target, _request(target, headers, len(body)), body)

    async def lend(self, target: Target) -> Connection:
        """Return a connection for one exchange, an idle one if there is one. Raises Unreachable, Slow."""
        return self._reused(target) or await self._connected(target)

    def take_back(self, target: Target, connection: Connection) -> None:
        """Keep a connection for the next exchange, once its answer has come to its end; else it closes."""
        if connection.headed and not connection.ended:
            connection.leave(lambda: self._keep(target, connection))
        else:
            self._keep(target, connection)

    async def close(self) -> None:
        """Close every connection."""
        for waiting in self._idle.values():
            for _, timer in waiting:
                timer.cancel()
        self._idle.clear()
        self._count = 0
        for connection in tuple(self._open):
            connection.close()
        if self._open:
            await self._all_gone.wait()

    def _gone(self, connection: Connection) -> None:
        self._open.discard(connection)
        if self._open:
            self._all_gone.clear()
        else:
            self._all_gone.set()

    def _reused(self, target: Target) -> Connection | None:
        waiting = self._idle.get(target[:3])
        while waiting:
            connection, timer = waiting.pop()
            self._count -= 1
            timer.cancel()
            if connection.reusable:
                return connection
            connection.close()
        return None

    def _keep(self, target: Target, connection: Connection) -> None:
        if self._count >= MAX_IDLE or not connection.reusable:
            connection.close()
            return
        connection.wait_idle()
        waiting = self._idle.setdefault(target[:3], [])
        timer = asyncio.get_running_loop().call_later(self._keep_s, self._expire, target, connection)
        waiting.append((connection, timer))
        self._count += 1

    def _expire(self, target: Target, connection: Connection) -> None:
        waiting = self._idle.get(target[:3], [])
        kept = [each for each in waiting if each[0] is not connection]
        self._count -= len(waiting) - len(kept)
        if kept:
            self._idle[target[:3]] = kept
        else:
            self._idle.pop(target[:3], None)
        connection.close()

    async def _connected(self, target: Target) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(self._gone),
                    target.host,
                    target.port,
                    ssl=self._tls if target.tls else None,
                    server_hostname=target.host if target.tls else None,
                )
        except TimeoutError as error:
            raise Slow from error
        except OSError as error:  # TLS's errors are such too
            raise Unreachable from error
        self._open.add(connection)
        self._all_gone.clear()
        return connection

    def _target(self, url: str) -> Target:
        target = self._targets.get(url)
        if target is None:
            while len(self._targets) >= MAX_TARGETS:
                del self._targets[next(iter(self._targets))]
            target = self._targets[url] = _target(url)
        return target


class Exchange:
    """One request and the connection that hears its answer: entered, it is sent.

    Leaving with an error closes the connection. A class, since every chunk's way leads through here: as a generator it
    costs three times as much to enter and to leave.
    """

    __slots__ = ("_body", "_connection", "_pool", "_request", "_target")

    def __init__(self, pool: Pool, target: Target, request: bytes, body: bytes) -> None:
        """Keep what will be sent."""
        self._pool = pool
        self._target = target
        self._request = request
        self._body = body
        self._connection: Connection | None = None

    async def __aenter__(self) -> Connection:
        """Send the request. Raises Unreachable, Slow, ConnectionBroke."""
        connection = self._connection = await self._pool.lend(self._target)
        connection.send(self._request, self._body)
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the connection back, or close it."""
        connection = self._connection
        if connection is None:
            return
        if error is None:
            self._pool.take_back(self._target, connection)
        else:
            connection.close()


_POST: Final = Form("POST", content="application/json")


def _target(url: str, form: Form = _POST) -> Target:
    """Return where a URL leads. Raises Unsendable for one that is no plain http(s) address."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
        host = parts.hostname or ""
        host = host if ":" in host else host.encode("idna").decode("ascii")
    except ValueError as error:
        raise Unsendable from error
    if not port or not host or parts.username or parts.password or parts.fragment:
        raise Unsendable
    named = f"[{host}]" if ":" in host else host
    authority = named if port == _PORTS[parts.scheme] else f"{named}:{port}"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=-._~")
    query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=-._~?") if parts.query else ""
    lines = (
        f"{form.method} {path}{query} HTTP/1.1",
        f"Host: {authority}",
        f"User-Agent: customhouse/{__version__}",
        f"Accept: {form.accept}",
        "Accept-Encoding: identity",
        *(() if form.content is None else (f"Content-Type: {form.content}",)),
    )
    return Target(host, port, parts.scheme == "https", ("\r\n".join(lines) + "\r\n").encode("ascii"))


def _request(target: Target, headers: Mapping[str, str], size: int) -> bytes:
    lines = [f"Content-Length: {size}"]
    for name, value in headers.items():
        if _VALUE.fullmatch(value) is None:
            raise Unsendable
        lines.append(f"{name}: {value}")
    return target.begin + ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
