# SPDX-License-Identifier: Apache-2.0
"""Exact text as a person is shown it: nothing moves, hides, looks like something else, or is cut."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.approvals.exact import described, laid_out, visible
from customhouse.domain.digest import canonical

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)

ROWS = (
    ("plain text", "plain text", "as it is"),
    ("a\u202eb", "a«U+202E»b", "an override of direction"),
    ("a\u200bb\ufeff", "a«U+200B»b«U+FEFF»", "without width"),
    ("\u0430cme", "«U+0430»cme", "a Cyrillic letter"),
    ("\x1b[2J\x7f\x00", "«U+001B»[2J«U+007F»«U+0000»", "controls of a terminal"),
    ("Gr\u00fc\u00dfe \U0001f600", "Gr«U+00FC»«U+00DF»e «U+1F600»", "what is honest too"),
    ("«U+202E»", "«U+00AB»U+202E«U+00BB»", "what only looks like ours"),
    ("a\nb\tc", "a«U+000A»b«U+0009»c", "line breaks, which canonical JSON has none of"),
    ("a  b ", "a«U+0020»«U+0020»b«U+0020»", "spaces that push something out of sight"),
    ("e\u0301", "e«U+0301»", "an accent that joins what stands before it"),
)


@pytest.mark.parametrize(("text", "expected", "why"), ROWS, ids=[row[2] for row in ROWS])
def test_what_is_not_plain_is_a_code_point(text: str, expected: str, why: str) -> None:
    assert visible(text) == expected, why


@given(st.text())
def test_it_can_be_read_back(text: str) -> None:
    shown = visible(text)
    assert all(" " <= letter <= "~" or letter in "«»" for letter in shown)
    assert re.sub("«U\\+([0-9A-F]{4,6})»", lambda found: chr(int(found[1], 16)), shown) == text


@given(JSON)
def test_laid_out_is_the_same_json_with_nothing_cut(value: object) -> None:
    text = canonical(value).decode()
    shown = laid_out(text)
    back = re.sub("«U\\+([0-9A-F]{4,6})»", lambda found: chr(int(found[1], 16)), shown)
    assert json.loads(back) == value
    assert canonical(json.loads(back)).decode() == text


def test_each_member_has_a_line_of_its_own() -> None:
    text = '{"a":{},"account":"acct-\u0430","lines":[1,2.50,{"x":"a, b: [c]\\""}],"none":[]}'
    assert laid_out(text).splitlines() == [
        "{",
        '  "a": {},',
        '  "account": "acct-«U+0430»",',
        '  "lines": [',
        "    1,",
        "    2.50,",
        "    {",
        '      "x": "a, b: [c]\\""',
        "    }",
        "  ],",
        '  "none": []',
        "}",
    ]


def test_what_is_no_json_is_shown_all_the_same() -> None:
    assert laid_out('{"a":\u202e') == '{"a":«U+202E»'
    deep = "[" * 100_000
    assert laid_out(deep) == deep


def test_a_megabyte_is_shown_whole() -> None:
    text = json.dumps({"note": "x" * 1_000_000 + "END"}, separators=(",", ":"))
    shown = laid_out(text)
    assert 'xEND"' in shown
    assert shown.count("x") == 1_000_000


def test_how_long_it_is() -> None:
    assert described("{}") == "2 bytes, 2 characters, all of them printable ASCII"
    assert described("Gr\u00fc\u00dfe") == (
        "7 bytes, 5 characters, 2 of them outside printable ASCII and shown as «U+…»"
    )
