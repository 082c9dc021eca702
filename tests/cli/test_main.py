# SPDX-License-Identifier: Apache-2.0
"""The table of verbs: complete, lazy, and helpful when something is misspelt."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from customhouse import __version__, cli
from customhouse.cli.main import SUMMARIES, Verbs, customhouse
from customhouse.domain.errors import NothingToDo

NO_VERBS = {"__init__", "main", "client", "options", "output"}


@pytest.mark.parametrize("verb", list(SUMMARIES))
def test_every_verb_of_the_table_is_a_command(verb: str) -> None:
    command = getattr(import_module(f"customhouse.cli.{verb}"), verb)
    assert isinstance(command, click.Command)
    assert command.name == verb
    assert command.help, "its help says what it does"


def test_every_command_file_is_in_the_table() -> None:
    folder = Path(cli.__path__[0])
    for path in sorted(folder.glob("*.py")):
        name = path.stem
        if name in NO_VERBS:
            continue
        found = getattr(import_module(f"customhouse.cli.{name}"), name, None)
        assert isinstance(found, click.Command) is (name in SUMMARIES), name


def test_help_names_every_verb_and_imports_none() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from customhouse.cli.main import customhouse; "
        "result = CliRunner().invoke(customhouse, ['--help']); print(result.output); "
        "heavy = {'rich', 'apsw', 'starlette', 'cryptography', 'aiohttp', 'uvicorn', 'jinja2'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for verb, summary in SUMMARIES.items():
        assert f"  {verb} " in done.stdout
        assert summary in done.stdout


def test_an_unknown_verb_is_a_usage_error_that_names_the_nearest() -> None:
    result = CliRunner().invoke(customhouse, ["rolback"])
    assert result.exit_code == 2
    assert "rollback" in result.stderr


def test_the_version_is_the_package_s() -> None:
    assert CliRunner().invoke(customhouse, ["--version"]).output == f"customhouse, version {__version__}\n"


def test_a_refusal_from_below_is_a_sentence_and_exit_status_1() -> None:
    @click.command()
    def refusing() -> None:
        raise NothingToDo("It is so\x1b[2J already.")

    class One(Verbs):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            del ctx, cmd_name
            return refusing

    result = CliRunner().invoke(One("one"), ["status"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "Error: It is so␛[2J already. (pins.nothing_to_do)\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str) -> None:
    result = CliRunner().invoke(customhouse, ["completion", shell])
    assert result.exit_code == 0
    assert "_CUSTOMHOUSE_COMPLETE" in result.stdout


def test_the_shell_can_complete_a_verb() -> None:
    code = "from customhouse.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "_CUSTOMHOUSE_COMPLETE": "bash_complete",
            "COMP_WORDS": "customhouse peo",
            "COMP_CWORD": "1",
            "PATH": "/bin",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "plain,people", done.stderr
