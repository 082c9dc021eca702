# SPDX-License-Identifier: Apache-2.0
"""Arguments in lines and parts: the same bytes, bounded parts, nothing left out."""

import json
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.console.layout import MAX_INDENT, PART_CHARACTERS, Line, parts

VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def joined(text: str) -> str:
    return "".join(line.text for part in parts(text) for line in part)


@given(st.text())
def test_any_text_is_whole(text: str) -> None:
    assert joined(text) == text


@given(VALUES)
def test_json_is_whole_and_indented_by_its_own_brackets(value: object) -> None:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    assert joined(text) == text
    assert [line for part in parts(text) for line in part][-1].depth == 0
    indented = "\n".join("  " * line.depth + line.text for part in parts(text) for line in part)
    assert json.loads(indented) == value, "what we add is space outside of strings"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("{}", [(0, "{}")]),
        ('{"a":1}', [(0, "{"), (1, '"a":1'), (0, "}")]),
        (
            '{"a":[1,{}],"b":"x,{[\\"]}"}',
            [(0, "{"), (1, '"a":['), (2, "1,"), (2, "{}"), (1, "],"), (1, '"b":"x,{[\\"]}"'), (0, "}")],
        ),
    ],
)
def test_lines(text: str, lines: list[tuple[int, str]]) -> None:
    assert [line for part in parts(text) for line in part] == [Line(*line) for line in lines]


@pytest.mark.parametrize(
    "text",
    [
        '{"note":"' + "x" * 1_000_000 + '"}',
        '{"note":"' + "\\n" * 10_000 + '"}',
        "[" + ",".join(["1"] * 20_000) + "]",
        "[" * 20_000 + "]" * 20_000,
        '{"a":"' + "y" * PART_CHARACTERS,
    ],
    ids=["a megabyte in one string", "line ends", "many values", "brackets", "unfinished"],
)
def test_what_is_large_comes_in_bounded_parts(text: str) -> None:
    made = parts(text)
    assert joined(text) == text
    sizes = [sum(len(line.text) for line in part) for part in made]
    assert sizes[:-1] == [PART_CHARACTERS] * (len(made) - 1)
    assert 0 < sizes[-1] <= PART_CHARACTERS
    assert max(line.depth for part in made for line in part) <= MAX_INDENT
