# SPDX-License-Identifier: Apache-2.0
"""Text from outside as a person may trust to see it: printable ASCII as it is, everything else by its code point.

Rules:
- What is not printable ASCII stands as a mark, `«U+202E»`: controls, line ends, bidi, zero-width, every letter that is
  not ASCII. The brackets are not ASCII themselves, so no text can pretend to be a mark.
- A space is itself between two words. At an end, or beside another space, it is marked: a thousand spaces push nothing
  out of sight, and a trailing one is seen.
- It can be read back: `plain` gives the text exactly, so nothing is lost or cut.
- On a page a letter, number, sign or punctuation also shows its glyph, alone in its own direction: `«ü U+00FC»`. So
  Müller can be read, and a Cyrillic letter is none of ours, whatever it looks like.

Story: a model proposes a refund to `acme`, U+202E and `tset.`, which a browser would show as `acme.test`. Dana sees
`acme«U+202E»tset.` and denies it.
"""

import re
import unicodedata
from typing import Final

from markupsafe import Markup, escape

ODD: Final = re.compile(r"[^ -~]|(?<![^ ]) | (?![^ ])")
"""A character that is marked."""
_MARK: Final = re.compile("«(?:. )?U\\+([0-9A-F]{4,6})»", re.DOTALL)
_SHOWN: Final = frozenset(
    {"Lu", "Ll", "Lt", "Lo", "Nd", "Nl", "No", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Pc", "Sc", "Sm", "So"}
)
"""Categories that draw something of their own: no mark that combines, no control, nothing private or unassigned."""
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""In those categories and drawn as nothing (Default_Ignorable_Code_Point, and the empty Braille pattern)."""


def visible(text: str) -> str:
    """Return `text` in printable ASCII and marks. Total; cost about 1 µs for each mark."""
    return ODD.sub(lambda found: f"«{_code_point(found[0])}»", text)


def page_text(text: str) -> Markup:
    """Return the same for a page: escaped, each mark in a box of its own, with its glyph where it has one."""
    return Markup(ODD.sub(_box, str(escape(text))))  # noqa: S704 - escaped here, and what is added is ours


def plain(shown: str) -> str:
    """Return the text that `visible` was given, from what it returned or from the text of `page_text`."""
    return _MARK.sub(lambda found: chr(int(found[1], 16)), shown)


def _box(found: re.Match[str]) -> str:
    character = found[0]
    drawn = character > "~" and unicodedata.category(character) in _SHOWN and character not in _BLANK
    glyph = f"<bdi>{character}</bdi> " if drawn else ""
    return f'<span class="mark">«{glyph}{_code_point(character)}»</span>'


def _code_point(character: str) -> str:
    return f"U+{ord(character):04X}"
