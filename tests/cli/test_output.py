# SPDX-License-Identifier: Apache-2.0
"""What reaches a terminal or a pipe: values on stdout, words on stderr, no control characters in either."""

import json

import click
import pytest
from click.testing import CliRunner
from rich.table import Table

from customhouse.cli.output import emit, refuse, say, visible


@click.command()
@click.option("--json", "as_json", is_flag=True)
def shown(*, as_json: bool) -> None:
    def render(value: dict[str, str]) -> Table:
        table = Table("name", "said")
        for name, said in value.items():
            table.add_row(name, said)
        return table

    say("working")
    emit({"a": "[red]x[/red] \x1b[31m:smile:", "b": "y" * 120}, as_json=as_json, render=render)


def test_json_is_exact() -> None:
    result = CliRunner().invoke(shown, ["--json"])
    assert json.loads(result.stdout) == {"a": "[red]x[/red] \x1b[31m:smile:", "b": "y" * 120}
    assert "\x1b" not in result.stdout, "JSON escapes it"
    assert result.stderr == "working\n"


def test_text_is_shown_as_it_is_and_controls_nothing() -> None:
    result = CliRunner().invoke(shown)
    assert "[red]x[/red] ␛[31m:smile:" in result.stdout
    assert "\x1b" not in result.stdout
    assert "y" * 120 in result.stdout, "a pipe gets whole values"


def test_a_refusal_is_exit_status_1_on_stderr() -> None:
    @click.command()
    def command() -> None:
        refuse("no\x07")

    result = CliRunner().invoke(command)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "Error: no␇\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ü 漢 🙂\n\t", "plain ü 漢 🙂\n\t"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("a\rb", "a␍b"),
        ("\x9b31m", "�31m"),
        ("user\u202egnp.exe", "user�gnp.exe"),
    ],
)
def test_visible(text: str, expected: str) -> None:
    assert visible(text) == expected
