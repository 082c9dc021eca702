# SPDX-License-Identifier: Apache-2.0
"""YAML to nodes: what is read, what is refused, and that no text costs more than its bound."""

import time
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customhouse.manifest.nodes import MAX_DEPTH, MAX_NODES, Allowance, Mapping, Node, Scalar, Sequence, parse
from customhouse.manifest.problem import ManifestErrors, Problems


def read(text: str, *, first_line: int = 1) -> tuple[Node | None, list[str]]:
    problems = Problems()
    node = parse(text, "f.yaml", problems, Allowance(), first_line=first_line)
    try:
        problems.stop()
    except ManifestErrors as errors:
        return node, [str(problem) for problem in errors.problems]
    return node, []


def test_nodes_know_their_lines_and_quotes() -> None:
    node, problems = read("a: 1\nb:\n  - 'x'\n  - |\n    t\n")
    assert problems == []
    assert node == Mapping(
        (
            (Scalar("a", plain=True, line=1), Scalar("1", plain=True, line=1)),
            (
                Scalar("b", plain=True, line=2),
                Sequence((Scalar("x", plain=False, line=3), Scalar("t\n", plain=False, line=4)), 3),
            ),
        ),
        1,
    )


def test_an_alias_is_what_it_stands_for() -> None:
    node, problems = read("a: &x [1]\nb: *x")
    assert problems == []
    assert isinstance(node, Mapping)
    assert node.entries[0][1] == node.entries[1][1]


def test_lines_count_from_where_the_text_begins() -> None:
    assert read("a: [", first_line=7)[1][0].startswith("f.yaml:7: ")


BOMB: Final = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 40)
)

REFUSED: Final = [
    (
        "billion laughs",
        BOMB,
        "f.yaml:4: found more than 50000 values in all files, aliases counted in full, expected a smaller manifest",
    ),
    ("many values", "a:\n" + "- 1\n" * MAX_NODES, "found more than 50000 values"),
    ("a cycle", "a: &x [*x]", "f.yaml:1: found the alias *x inside its own anchor, expected no cycles"),
    ("a cycle through a mapping", "a: &x {b: {c: *x}}", "found the alias *x inside its own anchor"),
    ("an unknown alias", "a: *b", "f.yaml:1: found the alias *b, expected an anchor &b before it"),
    ("deep flow", "[" * 100_000, f"found nesting deeper than {MAX_DEPTH}, expected a flatter structure"),
    ("deep blocks", "- " * 1000, f"found nesting deeper than {MAX_DEPTH}"),
    ("deep keys", "? " * 1000, f"found nesting deeper than {MAX_DEPTH}"),
    (
        "a tag that runs a program",
        "a: !!python/object/apply:os.system [id]",
        "found the tag 'tag:yaml.org,2002:python/",
    ),
    ("any tag", "a: !!str x", "f.yaml:1: found the tag 'tag:yaml.org,2002:str', expected plain YAML without tags"),
    ("a private tag", "a: !x {b: 1}", "f.yaml:1: found the tag '!x'"),
    ("the same key twice", "a: 1\nb: 2\na: 3", "f.yaml:3: found the key 'a' a second time (first at f.yaml:1)"),
    ("the same key in other words", '{a: 1, "a": 2}', "found the key 'a' a second time"),
    ("a list as key", "? [a]\n: b", "f.yaml:1: found a list or mapping as a key, expected text as a key"),
    ("two documents", "a: 1\n---\nb: 2", "f.yaml:2: found a second document ('---'), expected one document in a file"),
    ("not YAML", "a: 1\nb: [1\nc: 2", "f.yaml:3: found text that is no YAML ("),
    ("a control character", "a: 1\nb: \x01", "f.yaml:2: found a character that YAML does not allow"),
    ("an escape of no character", 'a: "\\UFFFFFFFF"', "found an escape that is no character"),
    ("another YAML", "%YAML 9.9\n---\na: 1", "found text that is no YAML ("),
    ("a tabulator for indentation", "a:\n\tb: 1", "f.yaml:2: found text that is no YAML ("),
]


@pytest.mark.parametrize(("name", "text", "expected"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refused(name: str, text: str, expected: str) -> None:
    started = time.process_time()
    _, problems = read(text)
    assert any(expected in problem for problem in problems), (name, problems)
    assert time.process_time() - started < 5, "bounded: a slow machine has ten times the time that it takes"


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: " + "x" * 1_000_000, id="one long word"),
        pytest.param("a: " + "x y " * 250_000, id="many words"),
        pytest.param("a: '" + "x y " * 250_000 + "'", id="a long quotation"),
        pytest.param("a: |\n" + "  x\n" * 250_000, id="a long block"),
        pytest.param("#" * 1_000_000, id="one comment"),
        pytest.param("# c\n" * 250_000, id="many comments"),
        pytest.param("\n" * 1_000_000, id="nothing at all"),
        pytest.param("a: " + "9" * 1_000_000, id="a huge number"),
        pytest.param("&a" * 500_000, id="one long anchor"),
        pytest.param("a: {" + "x," * 500_000 + "}", id="a wide mapping"),
    ],
)
def test_a_megabyte_of_anything_is_read_or_refused_soon(text: str) -> None:
    started = time.process_time()
    read(text)
    assert time.process_time() - started < 30, "about a second where this was written"


YAMLISH: Final = st.text(alphabet="ab:-[]{},&*!|>'\"#%@`?~ \n\t01\\U\u2028\x00", max_size=60)


@settings(max_examples=400)
@given(YAMLISH)
def test_no_text_raises(text: str) -> None:
    node, problems = read(text)
    assert node is None or not problems or all("second time" in p or "as a key" in p for p in problems)
