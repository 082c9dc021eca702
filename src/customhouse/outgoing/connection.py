# SPDX-License-Identifier: Apache-2.0
"""One HTTP/1.1 connection to an upstream, one exchange at a time; what comes is parsed by httptools (llhttp).

Rules kept: a head has a bound, a body is taken as fast as it is wanted and no faster, every wait has a deadline. An
exchange that did not come to its end closes the connection, so that no answer is ever read as another's.
Why not an HTTP library: ADR 33 has what one costs on this path, measured.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol, cast

import httptools

MAX_HEAD_BYTES: Final = 64 * 1024
"""Status line and headers of an answer; providers send 1 to 4 KB."""
HIGH_WATER_BYTES: Final = 256 * 1024
"""What may wait here to be taken before the provider is made to wait."""
LINGER_S: Final = 1.0
"""How long the last bytes of an answer that is told to its end may take, so that the connection serves again."""
FIRST_FINAL: Final = 200
"""Answers below it are notes on the way (RFC 9110, 15.2)."""


class ConnectionBroke(Exception):
    """The connection ended, or what came is not HTTP, before the answer was whole."""


class _Unasked(Exception):
    """Another answer begins where none was asked for."""


class _Parser(Protocol):
    def feed_data(self, data: bytes) -> None: ...
    def get_status_code(self) -> int: ...
    def should_keep_alive(self) -> bool: ...


class Connection(asyncio.Protocol):
    """One connection. Invariant: `reusable` only between exchanges, and only where both sides want to go on."""

    def __init__(self, gone: "Callable[[Connection], None]") -> None:
        """Begin unconnected; the event loop connects it. `gone` is told when it has ended."""
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: _Parser | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._pieces: list[bytes] = []
        self._waiting_bytes = 0
        self._head_bytes = 0
        self._paused = False
        self._keep_alive = False
        self._closed = False
        self._failure: Exception | None = None
        self._left: Callable[[], None] | None = None
        self.status = 0
        self.headers: dict[str, str] = {}
        self.headed = False
        self.ended = False

    # What an exchange does

    def send(self, head: bytes, body: bytes) -> None:
        """Begin an exchange: forget the one before and send a request. Raises ConnectionBroke."""
        if self._closed or self._transport is None:
            raise ConnectionBroke("the connection is closed")
        self._transport.write(head + body)  # first: the rest is done while it travels
        self._parser = httptools.HttpResponseParser(self)
        self._pieces, self._waiting_bytes, self._head_bytes = [], 0, 0
        self._keep_alive = self.headed = self.ended = False
        self._left = None

    async def head(self, limit_s: float) -> None:
        """Wait until `status` and `headers` are there. Raises ConnectionBroke, TimeoutError."""
        while not self.headed:
            await self._more(limit_s)

    async def piece(self, limit_s: float) -> bytes:
        """Return what of the body is there, waiting until something is; nothing at its end. Raises as `head`."""
        while not self._pieces:
            if self.ended:
                return b""
            await self._more(limit_s)
        found = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self._waiting_bytes = [], 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return found

    def leave(self, then: Callable[[], None]) -> None:
        """Want no more of an answer; its end, if that comes at once, calls `then`, and else the connection closes."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(LINGER_S, self.close)
        self._left = then
        self._pieces, self._waiting_bytes = [], 0

    @property
    def reusable(self) -> bool:
        """Return whether another exchange may follow."""
        return self.ended and self._keep_alive and not self._closed and not self._pieces

    def wait_idle(self) -> None:
        """Stand between exchanges: nothing is waited for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """End the connection; whoever waits learns it."""
        self._closed = True
        self.wait_idle()
        if self._transport is not None:
            self._transport.abort()

    async def _more(self, limit_s: float) -> None:
        """Wait until something has come. One timer serves every wait: it looks again when it was set too early."""
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise ConnectionBroke("the connection is closed")
        waiter = self._waiter = self._loop.create_future()
        self._deadline = self._loop.time() + limit_s
        if self._timer is None or self._timer.when() > self._deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._late)
        try:
            await waiter
        finally:
            self._waiter = None
        if self._failure is not None and not self._pieces and not self.ended:
            raise self._failure

    def _late(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._late)
            return
        self._failure = TimeoutError()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, why: str, cause: Exception | None = None) -> None:
        if self._failure is None:
            self._failure = ConnectionBroke(why)
            self._failure.__cause__ = cause
        self._wake()
        self.close()

    # What the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport. uvloop's is none of asyncio's classes, and does what they do."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came. Bytes that nobody asked for end the connection."""
        if self._parser is None or self.ended:
            self.close()
            return
        if not self.headed:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            self._fail("the upstream wants to speak another protocol", error)
        except (httptools.HttpParserError, _Unasked) as error:
            if self.ended:  # the answer is whole; what follows it is nobody's
                self.close()
            else:
                self._fail("the upstream does not answer in HTTP/1.1", error)
        if self.headed:
            self._wake()
        elif self._head_bytes > MAX_HEAD_BYTES:
            self._fail(f"the head of the upstream's answer is larger than {MAX_HEAD_BYTES} bytes")
        if self._waiting_bytes > HIGH_WATER_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Let the connection close."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End what runs. A body without a declared length ends with its connection (RFC 9112, 6.3)."""
        self._closed = True
        self._parser = None  # it refers to this connection
        self.wait_idle()
        if exc is None and self.headed and not self.ended and _open_ended(self.headers):
            self.ended = True
        elif not self.ended:
            self._failure = self._failure or ConnectionBroke("the connection to the upstream broke")
            self._failure.__cause__ = self._failure.__cause__ or exc
        self._wake()
        self._gone(self)

    # What the parser tells

    def on_message_begin(self) -> None:
        """Begin a head, after notes on the way too. One after an answer's end was not asked for."""
        if self.ended:
            raise _Unasked
        self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; of one that is sent twice all values, as one list. What trails a body is dropped."""
        if self.headed:
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        """Take the status; a note on the way is passed over."""
        if self._parser is None:
            return
        status = self._parser.get_status_code()
        if status < FIRST_FINAL:
            return
        self.status = status
        self.headed = True

    def on_body(self, body: bytes) -> None:
        """Keep a piece until it is taken."""
        self._waiting_bytes += len(body)
        if self._left is None:
            self._pieces.append(body)
        elif self._waiting_bytes > HIGH_WATER_BYTES:
            self.close()

    def on_message_complete(self) -> None:
        """End the answer."""
        if self._parser is not None and self.headed:
            self._keep_alive = self._parser.should_keep_alive()
            self.ended = True
            if self._left is not None and not self._closed:
                self._left()


def _open_ended(headers: Mapping[str, str]) -> bool:
    return "content-length" not in headers and "transfer-encoding" not in headers
