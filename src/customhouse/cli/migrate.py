# SPDX-License-Identifier: Apache-2.0
"""`customhouse migrate`: move an installation from SQLite to PostgreSQL, every record or nothing."""

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from customhouse.cli.client import settings
from customhouse.cli.options import json_option
from customhouse.cli.output import emit
from customhouse.cli.progress import Progress
from customhouse.domain.clock import SystemClock
from customhouse.ledger.move import Report, move
from customhouse.settings import Settings, require_database_url

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.command()
@click.option(
    "--from",
    "origin",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="HOME",
    help="The home directory to move (default: --home, CUSTOMHOUSE_HOME, .customhouse).",
)
@click.option("--to", "target", metavar="URL", help="An empty PostgreSQL database (default: CUSTOMHOUSE_DATABASE).")
@json_option
@click.pass_context
def migrate(ctx: click.Context, *, origin: Path | None, target: str | None, as_json: bool) -> None:
    """Move the SQLite database of a home into an empty PostgreSQL database.

    The server must be stopped. Every row is copied in one transaction, read again on both sides and compared, and both
    databases are checked as `fsck` does, before anybody can see the result. When anything is wrong the target stays
    empty. The file is never changed; the home is marked, so that its old copy is not served by accident. Key files stay
    where they are.
    """
    chosen = settings(ctx)
    url = target or chosen.database
    if not url:
        raise click.UsageError("--to URL is missing (or CUSTOMHOUSE_DATABASE): an empty PostgreSQL database.")
    if not url.startswith(("postgresql://", "postgres://")):
        raise click.UsageError("--to must be a postgresql:// URL: this verb moves from SQLite to PostgreSQL.")
    require_database_url(url)
    if origin is not None:
        chosen = msgspec.structs.replace(chosen, home=str(origin))
    with Progress() as progress:
        report = asyncio.run(_moved(chosen, url, progress))
    emit(report, as_json=as_json, render=_told)


async def _moved(chosen: Settings, url: str, progress: Progress) -> Report:
    return await move(chosen, url, SystemClock(), progress.step)


def _told(report: Report) -> "RenderableType":
    table = Table.grid(padding=(0, 2))
    for each in report.tables:
        if each.rows:
            table.add_row(each.name, f"{each.rows:,}", Text(each.sha256_sum[:16], "dim"))
    how = "an earlier run had moved everything; compared again" if report.already else "moved and compared"
    return Group(
        table,
        Text.assemble(
            ("MOVED", "bold green"),
            f": {report.records:,} records in {report.logs} logs, {how}, {report.seconds:.0f} s",
        ),
        Text(
            f"Serve it:  customhouse --home {shlex.quote(report.home)} serve --database {shlex.quote(report.to)}",
            overflow="ignore",
            no_wrap=True,
        ),
        Text(f"Keys:      {report.keys} holds the key files; every replica needs the same ones"),
        Text(f"Old copy:  {report.home}/customhouse.db is as it was; no server opens it any more"),
    )
