# SPDX-License-Identifier: Apache-2.0
"""Canonical JSON laid out in lines for reading, and cut into parts that a page can show. Pure; the text is not changed.

Rules:
- The lines joined, part after part, are the text, byte for byte: line ends and indentation are ours and stand outside.
- A part is bounded, and the text has as many parts as it needs; nothing is left out.
- Total: text that is no JSON has lines too.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

PART_CHARACTERS: Final = 16_384
"""In one page: some 200 lines of text, and below 2 MB of page if every character is a mark."""
MAX_INDENT: Final = 16
"""Deeper nesting is indented no further: a hundred thousand brackets must not make a page of spaces."""
_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\],]|[^"{}\[\],]+', re.DOTALL)
_OPENING: Final = frozenset("{[")
_CLOSING: Final = frozenset("}]")
_PAIRS: Final = frozenset({"{}", "[]"})


class Line(NamedTuple):
    """A line of the text: how deep it stands, and what stands in it."""

    depth: int
    text: str


def parts(text: str) -> tuple[tuple[Line, ...], ...]:
    """Return the text in parts of lines, one part at least. Cost: some 0.5 µs a character of nothing but brackets."""
    made: list[tuple[Line, ...]] = []
    lines: list[Line] = []
    room = PART_CHARACTERS
    for depth, line in _lines(text):
        start = 0
        while start < len(line):
            if room == 0:
                made.append(tuple(lines))
                lines, room = [], PART_CHARACTERS
            piece = line[start : start + room]
            lines.append(Line(0 if start else depth, piece))  # what goes on from the part before stands at the edge
            start, room = start + len(piece), room - len(piece)
    return (*made, tuple(lines))


def _lines(text: str) -> Iterator[Line]:
    depth, held = 0, ""
    for found in _TOKEN.finditer(text):
        piece = found[0]
        if piece in _CLOSING:
            if held[-1:] + piece not in _PAIRS:
                if held:
                    yield Line(min(depth, MAX_INDENT), held)
                held, depth = "", max(depth - 1, 0)
            held += piece
        elif held[-1:] in _OPENING:
            yield Line(min(depth, MAX_INDENT), held)
            held, depth = piece, depth + 1
        else:
            held += piece
        if piece == ",":
            yield Line(min(depth, MAX_INDENT), held)
            held = ""
    if held:
        yield Line(min(depth, MAX_INDENT), held)
