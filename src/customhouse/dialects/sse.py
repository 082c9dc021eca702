# SPDX-License-Identifier: Apache-2.0
"""Server-sent events, incremental: bytes in, the data of whole events out (WHATWG HTML 9.2.6, the parts that APIs use).

Only `data:` fields matter to the dialects here; comments and other fields are dropped.
"""

import re
from typing import Final

from customhouse.domain.errors import UpstreamFailed

MAX_EVENT_BYTES: Final = 1024 * 1024
"""One event above this is an upstream failure: no model writes a megabyte between two pieces."""
_PLAIN: Final = re.compile(rb"(?>(?:event: [^\r\n]*+\n)?+data: [^\r\n]*+\n\n)*+")
"""Whole events as providers write them: perhaps a name, one line of data, and nothing else."""
_DATA: Final = re.compile(rb"data: ([^\r\n]*+)\n\n")


class EventReader:
    """Collects the bytes of one stream. Invariant: an event is given out once, whole, in order."""

    __slots__ = ("_data", "_data_size", "_line", "_line_size")

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._line: list[bytes] = []
        self._line_size = 0
        self._data: list[bytes] = []
        self._data_size = 0

    def feed(self, content: bytes) -> list[bytes]:
        """Take bytes as they came; return the data of the events they complete. Raises UpstreamFailed.

        Cost: linear in what is fed, however it is cut: a line's pieces are joined once, when it ends.
        """
        events: list[bytes] = []
        if not self._line_size and not self._data and len(content) <= MAX_EVENT_BYTES:
            # A read nearly always begins with an event, and holds whole ones: found at once, not line by line.
            whole = _PLAIN.match(content)
            if whole is not None and whole.end():
                events = _DATA.findall(content, 0, whole.end())
                content = content[whole.end() :]
                if not content:
                    return events
        self._line.append(content)
        self._line_size += len(content)
        if b"\n" in content or b"\r" in content:
            for line in self._lines():
                self._take(line, events)
        if self._line_size + self._data_size > MAX_EVENT_BYTES:
            raise _too_large()
        return events

    def _lines(self) -> list[bytes]:
        """Return the lines that are whole, and keep the rest."""
        buffer = b"".join(self._line)
        if b"\r" in buffer:
            # A lone CR may be half of a CRLF that is still on its way.
            tail = b"\r" if buffer.endswith(b"\r") else b""
            buffer = buffer[: len(buffer) - len(tail)].replace(b"\r\n", b"\n").replace(b"\r", b"\n") + tail
        lines = buffer.split(b"\n")
        rest = lines.pop()
        self._line, self._line_size = [rest], len(rest)
        return lines

    def _take(self, line: bytes, events: list[bytes]) -> None:
        if line.startswith(b"data:"):
            data = line[6:] if line.startswith(b"data: ") else line[5:]
            self._data.append(data)
            self._data_size += len(data) + 1
            if self._data_size > MAX_EVENT_BYTES + 1:
                raise _too_large()
        elif not line and self._data:
            events.append(b"\n".join(self._data))
            self._data, self._data_size = [], 0


def _too_large() -> UpstreamFailed:
    return UpstreamFailed("an event of the upstream's stream is larger than 1 MiB")


def event(data: bytes) -> bytes:
    """Return one event; `data` must hold no line break (compact JSON holds none)."""
    return b"data: " + data + b"\n\n"


def named(name: str, data: bytes) -> bytes:
    """Return one event with a name; `data` must hold no line break."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
