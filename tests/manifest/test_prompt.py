# SPDX-License-Identifier: Apache-2.0
"""Prompt files: front matter, template, and the line of each problem."""

from pathlib import Path

import pytest
from tests.manifest.written import problems, write

from customhouse.manifest.load import load

DECLARED = "expected declared variables (x), if, for over a list"


def test_a_prompt_without_front_matter_is_its_template(tmp_path: Path) -> None:
    prompt = load(write(tmp_path, {"prompts/a.md": "\nYou help.\n\n"})).prompts["prompts/a.md"]
    assert (prompt.template, dict(prompt.head.variables)) == ("You help.", {})


def test_a_rule_in_the_text_is_no_front_matter(tmp_path: Path) -> None:
    prompt = load(write(tmp_path, {"prompts/a.md": "Above\n---\nbelow"})).prompts["prompts/a.md"]
    assert prompt.template == "Above\n---\nbelow"


def test_front_matter(tmp_path: Path) -> None:
    text = (
        "---\r\nvariables:\r\n  n: {type: integer, default: 3}\r\n  b: {type: boolean, default: false}\r\n"
        "  c: {choices: [a, b], default: a}\r\nfeatures: [tools]\r\n---\r\n{% if b %}{{ n }}{% endif %}"
    )
    head = load(write(tmp_path, {"prompts/a.md": text})).prompts["prompts/a.md"].head
    assert [head.variables[name].default for name in ("n", "b", "c")] == [3, False, "a"]
    assert head.features == ("tools",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("---\nvariables: {}\n", "1: found front matter without an end, expected a line '---' after it"),
        (
            "---\ntols: [a]\n---\n",
            "2: found the unknown key 'tols', expected one of description, features, tools, variables; nearest",
        ),
        (
            "---\nfeatures: [tool]\n---\n",
            "2: found 'tool', expected one of audio, json_schema, reasoning, tools, vision; nearest valid name: tools",
        ),
        (
            "---\nvariables: {x: {default: 5}}\n---\n",
            "2: found a default of x of type integer, expected one of type string",
        ),
        (
            "---\nvariables: {x: {type: boolean, default: 'true'}}\n---\n",
            "2: found a default of x of type string, expected one of type boolean",
        ),
        (
            "---\nvariables: {x: {default: abc, max_length: 2}}\n---\n",
            "2: found a default of 3 characters, expected at most max_length, 2",
        ),
        (
            "---\nvariables: {x: {default: c, choices: [a, b]}}\n---\n",
            "2: found a default of x that is no choice, expected one of a, b",
        ),
        (
            "---\nvariables: {x: {type: integer, choices: [a]}}\n---\n",
            "2: found choices for the integer x, expected choices for a string only",
        ),
        (
            "---\nvariables: {X: {}}\n---\n",
            "2: found 'X', expected a variable's name (lower-case letters, digits, '_')",
        ),
        ("---\nvariables:\n  x: {}\n---\n\n\nHello\n{{ y }}", f"8: found the undeclared variable y, {DECLARED}"),
        ("---\nvariables:\n  x: {}\n---\n{{ x.__class__ }}", f"5: found the attribute __class__, {DECLARED}"),
        (
            "---\nvariables:\n  x: {}\n---\na\n{{ x",
            "6: found a template that does not parse (unexpected end of template, expected 'end of print statement'.)",
        ),
    ],
)
def test_problems(tmp_path: Path, text: str, expected: str) -> None:
    (problem,) = problems(tmp_path, {"prompts/a.md": text})
    assert problem.startswith(f"prompts/a.md:{expected}")
