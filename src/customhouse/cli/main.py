# SPDX-License-Identifier: Apache-2.0
"""The `customhouse` command: one table of verbs, each imported only when it is used.

Rule: `customhouse --help` and shell completion of verbs import no command, so that they answer at once. A test compares
the table with the commands.
"""

import difflib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click

from customhouse import __version__
from customhouse.cli.options import Options
from customhouse.cli.output import visible
from customhouse.domain.errors import CustomhouseError

SECTIONS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "Declare": {
            "init": "Write a sample manifest to start from.",
            "check": "Read the manifest and say what it declares and what is wrong.",
            "schema": "Print the JSON Schema of manifest files, for editors.",
            "diff": "Show what would change, in capabilities.",
            "plan": "Show what a release would publish.",
            "permit": "Ask what the policy says about a tool.",
            "policy": "Run the cases kept beside the policies.",
            "posture": "Show from where models are taken, and what that means.",
        },
        "Release": {
            "release": "Publish five versions, sign them, promote them.",
            "promote": "Put a release into force in another environment.",
            "rollback": "Put earlier versions of one plane or several back into force.",
            "changes": "List and decide changes that wait for a second person.",
            "switch": "Switch something off at once, on every replica; lift it.",
            "holds": "List and lift holds on versions that were rolled back.",
            "releases": "Show what a release carries.",
            "verify": "Verify a release's signature offline.",
        },
        "Answer": {
            "approvals": "List and answer tool calls that wait for a person.",
        },
        "Look": {
            "status": "Show what is in force, since when, by whom.",
            "history": "Show how an assistant's pins moved.",
            "budgets": "Show an assistant's limits, and what of them is used.",
            "replicas": "Show who answers turns, and what each has in force.",
            "trace": "Show where an answer came from.",
            "audit": "Answer questions about behaviour from evidence.",
        },
        "Access": {
            "people": "Add, list and revoke people.",
            "keys": "Create, list and revoke data-plane keys.",
        },
        "Run": {
            "up": "Start everything embedded: store, local model, gateway.",
            "serve": "Start the gateway and the control API.",
            "doctor": "Check this machine and installation, and say what to do.",
            "fsck": "Check the whole database against itself.",
            "backup": "Write the database and the keys into one archive.",
            "restore": "Put a backup back.",
            "migrate": "Move the installation from SQLite to PostgreSQL.",
            "completion": "Print the shell's completion script.",
        },
    }
)
"""Every verb by section, with its one line. `customhouse.cli.VERB` holds a click command named VERB."""

SUMMARIES: Final[Mapping[str, str]] = MappingProxyType(
    {verb: summary for verbs in SECTIONS.values() for verb, summary in verbs.items()}
)


class Verbs(click.Group):
    """A group that knows its verbs by name and imports them one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs, in the order of the table."""
        del ctx
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one verb, or None when there is none of this name."""
        del ctx
        if cmd_name not in SUMMARIES:
            return None
        found = getattr(import_module(f"customhouse.cli.{cmd_name}"), cmd_name)
        return found if isinstance(found, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; one that is misspelt is a usage error that names the nearest."""
        if args and args[0] not in SUMMARIES and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], SUMMARIES, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            ctx.fail(visible(f"there is no verb {args[0]!r}.{hint}"))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table into the help, by section."""
        del ctx
        for section, verbs in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl(list(verbs.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb; a refusal from any room below ends with its sentence and exit status 1."""
        try:
            return super().invoke(ctx)
        except CustomhouseError as error:
            raise click.ClickException(visible(f"{error.detail} ({error.code})")) from error


@click.command(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="CUSTOMHOUSE_URL and CUSTOMHOUSE_KEY name a server; without them the store in ./.customhouse is used.",
)
@click.option("--local", is_flag=True, help="Open the store here instead of asking a server.")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the store and the keys are (default .customhouse, or CUSTOMHOUSE_HOME).",
)
@click.version_option(__version__, prog_name="customhouse")
@click.pass_context
def customhouse(ctx: click.Context, *, local: bool, home: Path | None) -> None:
    """Answer what runs in production, who changed it, and what it may touch."""
    ctx.obj = Options(local=local, home=home)


def main() -> None:
    """Run the command line; the entry point of the package."""
    customhouse(prog_name="customhouse")
