# SPDX-License-Identifier: Apache-2.0
"""An event that a stream repeats, each time with another text: encoded once, after that only its text is.

Most events of a stream are such pieces, and all but the text in them is the same. Building and encoding each of them
as a whole would cost about twice as much (docs/benchmarks.md has the cost of a whole stream).
"""

from typing import Final

import msgspec

_encode: Final = msgspec.json.encode
_NOTHING: Final = b'""'


class Pattern:
    """An event, or its end, with a hole in it. Invariant: filled, it is what encoding it whole would have come to."""

    __slots__ = ("_after", "_before")

    def __init__(self, event: bytes) -> None:
        """Take an event whose text is empty; no empty string may stand after the text."""
        self._before, _, self._after = event.rpartition(_NOTHING)

    def filled(self, text: str) -> bytes:
        """Return the event with this text."""
        return b"%b%b%b" % (self._before, _encode(text), self._after)
