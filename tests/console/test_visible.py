# SPDX-License-Identifier: Apache-2.0
"""Text as it may be trusted: reversible, in one direction, with nothing that is not seen."""

import html
import re
import unicodedata
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.approvals.exact import visible
from customhouse.console.visible import page_text, plain

TAG: Final = re.compile(r"</?(?:span|bdi)(?: class=\"mark\")?>")
SNEAKY: Final = st.text(
    st.one_of(
        st.sampled_from(
            "a b<>&\"'«»U+ \t\n\r\x00\x1b\x7f\u00a0\u00ad\u200b\u200d\u202e\u2066\ufeff\u0430\u0301\u3164\u2800"
        ),
        st.characters(),
    )
)


def as_read(page: str) -> str:
    """Return what stands on a page, as it is copied from there."""
    return html.unescape(TAG.sub("", page))


@given(SNEAKY)
def test_it_is_printable_ascii_and_marks_and_can_be_read_back(text: str) -> None:
    shown = visible(text)
    assert all(" " <= character <= "~" or character in "«»" for character in shown)
    assert "  " not in shown
    assert shown == shown.strip()
    assert plain(shown) == text


@given(SNEAKY)
def test_on_a_page_nothing_is_markup_and_it_can_be_read_back(text: str) -> None:
    page = str(page_text(text))
    left = TAG.sub("", page)
    assert "<" not in left
    assert ">" not in left
    assert plain(as_read(page)) == text


@given(SNEAKY)
def test_on_a_page_whatever_is_not_ascii_draws_something_and_stands_alone(text: str) -> None:
    page = str(page_text(text))
    alone = re.findall(r"<bdi>(.)</bdi>", page, re.DOTALL)
    rest = re.sub(r"<bdi>.</bdi>", "", page, flags=re.DOTALL)
    assert all(" " <= character <= "~" or character in "«»" for character in rest)
    for character in alone:
        assert unicodedata.category(character)[0] in "LNPS"
        assert unicodedata.combining(character) == 0


@pytest.mark.parametrize(
    ("text", "shown", "because"),
    [
        ("issue_refund", "issue_refund", "printable ASCII is itself"),
        ("issue_r\u0435fund", "issue_r«U+0435»fund", "a Cyrillic letter in a tool's name"),
        ("acme\u202etset.", "acme«U+202E»tset.", "text that runs backwards"),
        ("\u2066hidden\u2069", "«U+2066»hidden«U+2069»", "an isolate"),
        ("pay\u200bpal", "pay«U+200B»pal", "zero width"),
        ("\x1b[2Jgone", "«U+001B»[2Jgone", "a terminal would clear its screen"),
        ("a\nb", "a«U+000A»b", "a line end"),
        ("\n" * 3, "«U+000A»" * 3, "each line end"),
        ("a  b", "a«U+0020»«U+0020»b", "two spaces"),
        (" a ", "«U+0020»a«U+0020»", "spaces at the ends"),
        ("a b", "a b", "a space between two words"),
        ("«U+202E»", "«U+00AB»U+202E«U+00BB»", "who writes a mark does not make one"),
        ("\U0001f600", "«U+1F600»", "beyond the first plane"),
        ("\ud800", "«U+D800»", "half a pair"),
        ("", "", "nothing"),
    ],
)
def test_what_is_shown(text: str, shown: str, because: str) -> None:
    assert visible(text) == shown, because


@pytest.mark.parametrize(
    ("text", "page", "because"),
    [
        ("ü", '<span class="mark">«<bdi>ü</bdi> U+00FC»</span>', "a letter shows its glyph"),
        ("\u05e9", '<span class="mark">«<bdi>\u05e9</bdi> U+05E9»</span>', "alone in its own direction"),
        ("\u0301", '<span class="mark">«U+0301»</span>', "what combines would sit on its neighbour"),
        ("\u3164", '<span class="mark">«U+3164»</span>', "a letter that draws nothing"),
        ("\u2800", '<span class="mark">«U+2800»</span>', "a sign that draws nothing"),
        ("\ue000", '<span class="mark">«U+E000»</span>', "private: what it draws is anybody's choice"),
        ("\U000e0041", '<span class="mark">«U+E0041»</span>', "a tag character"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;", "markup is text"),
    ],
)
def test_what_stands_on_a_page(text: str, page: str, because: str) -> None:
    assert str(page_text(text)) == page, because
