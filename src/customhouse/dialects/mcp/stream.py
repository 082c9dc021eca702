# SPDX-License-Identifier: Apache-2.0
"""An upstream's answer, which is one JSON body or an event stream of messages: bytes in, messages out.

Rule kept: what an upstream sends is read as strictly as what a client sends, and each message is bounded; what cannot
be read in one way is the upstream's failure. How many messages there may be, and for how long, is the caller's to say.
"""

from typing import Final

from customhouse.dialects.mcp.events import EventReader
from customhouse.dialects.mcp.message import Message, read
from customhouse.dialects.mcp.refused import Refused
from customhouse.domain.errors import UpstreamFailed

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"


class AnswerReader:
    """Reads one answer. Invariant: at most `limit` bytes are held, and half of a message is never given out."""

    __slots__ = ("_body", "_events", "_limit", "_size")

    def __init__(self, content_type: str | None, *, limit: int) -> None:
        """Begin an answer of a content type. Raises UpstreamFailed for one that is neither of the two."""
        media = (content_type or "").partition(";")[0].strip().lower()
        if media not in {JSON, EVENTS}:
            raise UpstreamFailed("the server's answer is neither JSON nor an event stream")
        self._limit = limit
        self._events = EventReader(limit) if media == EVENTS else None
        self._body: list[bytes] = []
        self._size = 0

    def feed(self, content: bytes) -> list[Message]:
        """Take bytes as they came; return the messages that they complete. Raises UpstreamFailed."""
        if self._events is not None:
            return [upstream_message(data, limit=self._limit) for data in self._events.feed(content)]
        self._size += len(content)
        if self._size > self._limit:
            raise UpstreamFailed(f"the server's answer is larger than {self._limit} bytes", reason="upstream.too_large")
        self._body.append(content)
        return []

    def end(self) -> list[Message]:
        """Return what the end of the answer completes: the message of a JSON body. Raises UpstreamFailed."""
        if self._events is not None or not self._size:
            return []
        return [upstream_message(b"".join(self._body), limit=self._limit)]

    @property
    def last_event(self) -> str | None:
        """The id after which a stream that was closed is taken up again."""
        return None if self._events is None else self._events.last_id

    @property
    def retry_ms(self) -> int | None:
        """How long the server asks to wait before that."""
        return None if self._events is None else self._events.retry_ms


def upstream_message(body: bytes, *, limit: int) -> Message:
    """Return a message of an upstream: a body, an event, or a line. Raises UpstreamFailed."""
    try:
        return read(body, limit=limit)
    except Refused as error:
        raise UpstreamFailed(f"the server's message cannot be read: {error.message}") from error
