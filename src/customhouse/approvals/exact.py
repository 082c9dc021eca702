# SPDX-License-Identifier: Apache-2.0
"""Exact text as people are shown it: nothing moves, hides, looks like something else, or is cut. Pure.

Rules:
- Every character outside printable ASCII is written as its code point between guillemets: «U+202E». Guillemets are not
  ASCII themselves, so that nobody can write one that only looks so.
- A space is itself between two words. At an end, or beside another space, it is marked too: a thousand spaces push
  nothing out of sight.
- White space is added between the parts of the JSON, never inside a string; nothing is left out.

Story: the model was told to refund an account whose name looks like `acct-acme` and has a Cyrillic letter in it. Ola
reads `acct-«U+0430»cme` and asks what that is.
"""

import itertools
import json
import re
from collections.abc import Iterator
from typing import Final

ODD: Final = re.compile(r"[^ -~]|(?<![^ ]) | (?![^ ])")
"""A character that is marked."""
_INDENT: Final = "  "
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^"{}\[\],:\s]+', re.DOTALL)
"""The parts of JSON but the white space between them, of which canonical JSON has none."""


def visible(text: str) -> str:
    """Return text in which nothing but printable ASCII is left as it is. Total; cost about 1 µs for each mark."""
    return ODD.sub(lambda found: f"«U+{ord(found[0]):04X}»", text)


def laid_out(text: str) -> str:
    """Return canonical JSON made visible, one member or element a line; text that is no JSON is only made visible."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return visible(text)
    return "".join(_parts(text))


def described(text: str) -> str:
    """Return how long a text is, and how much of it is not plain: `17 bytes, 16 characters, 1 of them …`."""
    odd = sum(not " " <= letter <= "~" for letter in text)
    said = f"{len(text.encode()):,} bytes, {len(text):,} characters, "
    if not odd:
        return f"{said}all of them printable ASCII"
    return f"{said}{odd:,} of them outside printable ASCII and shown as «U+…»"


def _parts(text: str) -> Iterator[str]:
    depth = 0
    tokens = _TOKEN.findall(text)
    for token, following in itertools.zip_longest(tokens, tokens[1:], fillvalue=""):
        match token:
            case "{" | "[" if following in {"}", "]"}:
                yield token
            case "{" | "[":
                depth += 1
                yield f"{token}\n{_INDENT * depth}"
            case ",":
                yield f",\n{_INDENT * depth}"
            case ":":
                yield ": "
            case _:
                yield visible(token)
        if following in {"}", "]"} and token not in {"{", "["}:
            depth -= 1
            yield f"\n{_INDENT * depth}"
