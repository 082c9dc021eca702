# SPDX-License-Identifier: Apache-2.0
"""An expression (CEL) as it is written: parsed within bounds, and what it names. Pure.

What each plane lets an expression look at is the plane's; how long and how deep one may be is the same for all.
"""

import re
from collections.abc import Iterable
from typing import Final

import cel

MAX_CHARACTERS: Final = 1000
MAX_NESTING: Final = 32
"""The engine's parser recurses; a longer or deeper expression is refused before it is parsed."""

_LITERAL: Final = re.compile(r'"(?:\\.|[^"\\])*"|' + r"'(?:\\.|[^'\\])*'")
_PREFIXED: Final = re.compile(r"\b[rRbB]{1,2}\s*['\"]|'''|\"\"\"")


def parsed(expression: str) -> cel.Program:
    """Parse any expression within the bounds. Raises ValueError."""
    if len(expression) > MAX_CHARACTERS:
        raise ValueError(f"it has more than {MAX_CHARACTERS} characters")
    deepest = depth = 0
    for character in expression:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING:
        raise ValueError(f"it is nested deeper than {MAX_NESTING}")
    try:
        return cel.compile(expression)
    except ValueError as error:
        raise ValueError(first_line(error)) from error


def known(kind: str, found: Iterable[str], expected: frozenset[str]) -> None:
    """Raise ValueError naming the first of `found` that is not expected."""
    unknown = sorted(set(found) - expected)
    if unknown:
        gap = "" if kind.endswith(".") else " "
        raise ValueError(f"the unknown {kind}{gap}{unknown[0]}; known are {', '.join(sorted(expected))}")


def first_line(error: Exception) -> str:
    """Return the engine's complaint as one short line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = lines[0] if lines else type(error).__name__
    syntax = told.partition("ERROR: <input>:")[2].partition(" expecting ")[0]
    return f"at {syntax}" if syntax else told.partition(". ")[0]


def masked(expression: str) -> str:
    """Return the expression with the inside of each text blanked, every other character where it was.

    Raises ValueError for the forms of text that would make this guess wrong: raw, byte and triple-quoted ones, and
    comments.
    """
    blanked = _LITERAL.sub(lambda found: found[0][0] + " " * (len(found[0]) - 2) + found[0][-1], expression)
    if _PREFIXED.search(blanked):
        raise ValueError("it has a raw, byte or triple-quoted text; write a plain one")
    if "//" in blanked:
        raise ValueError("it has a comment")
    return blanked
