# SPDX-License-Identifier: Apache-2.0
"""Server-sent events, incremental: bytes in, the data of whole events out (WHATWG HTML 9.2.6, the parts that APIs use).

Only `data:` fields matter to the dialects here; comments and other fields are dropped.
"""

from typing import Final

from customhouse.domain.errors import UpstreamFailed

MAX_EVENT_BYTES: Final = 1024 * 1024
"""One event above this is an upstream failure: no model writes a megabyte between two pieces."""


class EventReader:
    """Collects the bytes of one stream. Invariant: an event is given out once, whole, in order."""

    __slots__ = ("_data", "_rest")

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, content: bytes) -> list[bytes]:
        """Take bytes as they came; return the data of the events they complete. Raises UpstreamFailed."""
        buffer = self._rest + content
        if b"\r" in buffer:
            # A lone CR may be half of a CRLF that is still on its way.
            tail = b"\r" if buffer.endswith(b"\r") else b""
            buffer = buffer[: len(buffer) - len(tail)].replace(b"\r\n", b"\n").replace(b"\r", b"\n") + tail
        lines = buffer.split(b"\n")
        self._rest = lines.pop()
        events: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data = []
        unfinished = len(self._rest) + sum(len(line) + 1 for line in self._data)
        if max(unfinished, *map(len, events), 0) > MAX_EVENT_BYTES:
            raise UpstreamFailed("an event of the upstream's stream is larger than 1 MiB")
        return events


def event(data: bytes) -> bytes:
    """Return one event; `data` must hold no line break (compact JSON holds none)."""
    return b"data: " + data + b"\n\n"
