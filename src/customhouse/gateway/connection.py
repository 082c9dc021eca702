# SPDX-License-Identifier: Apache-2.0
"""Bounds on a connection before there is a request: uvicorn's protocol on httptools has none for headers.

Story: Mallory has no key. She sends headers without end, or one half of a request line and then nothing, on many
connections. Without these bounds the first fills the memory and the second the table of open files.
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 64 * 1024
"""Of a request line and headers; browsers and SDKs send a few KB."""
HEAD_TIMEOUT_S: Final = 15
"""For a request's head to arrive, from its first byte or from the connection's."""


class BoundedConnection(HttpToolsProtocol):
    """A client's connection. One whose head is too large or too slow is closed, without an answer."""

    _head_bytes = 0
    _head_open = True
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - as uvicorn's
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; count what did not complete a head."""
        super().data_received(data)
        if self._head_open:
            # Only a head that did not come in one piece costs a timer.
            self._wait_for_head()
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Begin a request's head."""
        super().on_message_begin()
        self._head_open, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """End a request's head."""
        self._head_open = False
        self._stop_waiting()
        super().on_headers_complete()

    def _wait_for_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_TIMEOUT_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        self.transport.abort()
