# SPDX-License-Identifier: Apache-2.0
"""Exact text on a page: what `approvals/exact.py` marks, in a box of its own, with its glyph where it has one. Pure.

Rules:
- A letter, number, sign or punctuation that is not ASCII shows its glyph beside its code point, alone in its own
  direction: `«ü U+00FC»`. So Müller can be read, and a Cyrillic letter is none of ours, whatever it looks like. What
  combines, hides, or draws nothing shows its code point alone.
- Everything is escaped. It can be read back, from a copy of the page too: `plain` gives the text exactly.

Story: a model proposes a refund to `acme`, U+202E and `tset.`, which a browser would show as `acme.test`. Dana sees
`acme«U+202E»tset.` and denies it.
"""

import re
import unicodedata
from typing import Final

from markupsafe import Markup, escape

from customhouse.approvals.exact import ODD

_MARK: Final = re.compile("«(?:. )?U\\+([0-9A-F]{4,6})»", re.DOTALL)
_SHOWN: Final = frozenset(
    {"Lu", "Ll", "Lt", "Lo", "Nd", "Nl", "No", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Pc", "Sc", "Sm", "So"}
)
"""Categories that draw something of their own: no mark that combines, no control, nothing private or unassigned."""
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""In those categories and drawn as nothing (Default_Ignorable_Code_Point, and the empty Braille pattern)."""


def page_text(text: str) -> Markup:
    """Return text for a page: escaped, with its marks. Total; cost about 2 µs for each mark."""
    return Markup(ODD.sub(_box, str(escape(text))))  # noqa: S704 - escaped here, and what is added is ours


def plain(shown: str) -> str:
    """Return the text that was given to `page_text`, from what is read on the page; likewise for `exact.visible`."""
    return _MARK.sub(lambda found: chr(int(found[1], 16)), shown)


def _box(found: re.Match[str]) -> str:
    character = found[0]
    drawn = character > "~" and unicodedata.category(character) in _SHOWN and character not in _BLANK
    glyph = f"<bdi>{character}</bdi> " if drawn else ""
    return f'<span class="mark">«{glyph}U+{ord(character):04X}»</span>'
