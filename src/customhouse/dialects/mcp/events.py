# SPDX-License-Identifier: Apache-2.0
"""Server-sent events that can be taken up again: their data, the last id and the pause before a new try.

`dialects.sse` drops ids and pauses, which no model's API uses, and bounds an event at what a model writes; here one is
a whole tool result, as large as its reader allows.

Source: WHATWG HTML 9.2.6. An event that the end of the stream cuts off is none.
"""

from typing import Final

from customhouse.domain.errors import UpstreamFailed

MAX_ID_CHARACTERS: Final = 1024
MAX_RETRY_MS: Final = 60_000
"""A longer pause than a minute is one of a minute."""
_MARK: Final = b"\xef\xbb\xbf"
_NAMES: Final = frozenset({b"", b"message"})
_MAX_DIGITS: Final = 9


class EventReader:
    """Collects the bytes of one stream. Invariant: an event is given out once, whole, in order."""

    __slots__ = ("_began", "_data", "_kept", "_limit", "_line", "_name", "_size", "last_id", "retry_ms")

    def __init__(self, limit: int) -> None:
        """Begin with nothing read; one event may have `limit` bytes."""
        self._limit = limit
        self._line: list[bytes] = []
        self._size = 0
        self._data: list[bytes] = []
        self._kept = 0
        self._name = b""
        self._began = False
        self.last_id: str | None = None
        self.retry_ms: int | None = None

    def feed(self, content: bytes) -> list[bytes]:
        """Take bytes as they came; return the data of the events that they complete. Raises UpstreamFailed.

        Events of another name than `message`, and those without data, are left out. Cost: linear in what is fed.
        """
        events: list[bytes] = []
        self._line.append(content)
        self._size += len(content)
        if b"\n" in content or b"\r" in content:
            for line in self._lines():
                self._take(line, events)
        if self._size + self._kept > self._limit:
            raise UpstreamFailed(
                f"an event of the server's stream is larger than {self._limit} bytes", reason="upstream.too_large"
            )
        return events

    def _lines(self) -> list[bytes]:
        """Return the lines that are whole, and keep the rest."""
        buffer = b"".join(self._line)
        if not self._began:
            buffer, self._began = buffer.removeprefix(_MARK), True
        # A lone CR at the end may be half of a CRLF that is still on its way.
        tail = b"\r" if buffer.endswith(b"\r") else b""
        whole = buffer[: len(buffer) - len(tail)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = (whole + tail).split(b"\n")
        rest = lines.pop()
        self._line, self._size = [rest], len(rest)
        return lines

    def _take(self, line: bytes, events: list[bytes]) -> None:
        if not line:
            if self._kept > 1 and self._name in _NAMES:
                events.append(b"\n".join(self._data))
            self._data, self._kept, self._name = [], 0, b""
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._kept += len(value) + 1
            if self._kept > self._limit + 1:
                raise UpstreamFailed(
                    f"an event of the server's stream is larger than {self._limit} bytes", reason="upstream.too_large"
                )
        elif field == b"event":
            self._name = value
        elif field == b"id" and b"\0" not in value:
            if len(value) > MAX_ID_CHARACTERS:
                raise UpstreamFailed("the id of an event of the server's stream is too long")
            self.last_id = value.decode("utf-8", "replace") or None
        elif field == b"retry" and value.isdigit():
            self.retry_ms = min(int(value[:_MAX_DIGITS]), MAX_RETRY_MS)


def event(data: bytes, event_id: str | None = None) -> bytes:
    """Return one message as an event; `data` holds no line break, as no message written here does."""
    return b"event: message\n" + _id(event_id) + b"data: " + data + b"\n\n"


def primed(event_id: str, retry_ms: int) -> bytes:
    """Return the event that begins a stream which may be closed and taken up again: an id, a pause, and no data."""
    return _id(event_id) + b"retry: %d\ndata: \n\n" % retry_ms


def _id(event_id: str | None) -> bytes:
    if event_id is None:
        return b""
    if not event_id.isprintable() or len(event_id) > MAX_ID_CHARACTERS:
        raise ValueError("an event's id is one short line")
    return b"id: " + event_id.encode() + b"\n"
