# SPDX-License-Identifier: Apache-2.0
"""`customhouse fsck`: check the whole database, by code that shares nothing with the one that wrote it."""

import asyncio
from typing import TYPE_CHECKING

import click
import msgspec
from rich.console import Group
from rich.text import Text

from customhouse.cli.client import settings
from customhouse.cli.options import json_option
from customhouse.cli.output import EXIT_REFUSED, emit
from customhouse.cli.progress import Progress
from customhouse.domain.clock import SystemClock
from customhouse.ledger import fsck as checks
from customhouse.ledger.fsck import Report
from customhouse.settings import Settings, require_database_url
from customhouse.store.stores import open_auditor

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.command()
@click.option(
    "--database", metavar="URL", help="A PostgreSQL database (postgresql://…); default: that of the settings."
)
@json_option
@click.pass_context
def fsck(ctx: click.Context, *, database: str | None, as_json: bool) -> None:
    """Check the whole database: logs, payloads, ids, open calls, releases, pins, and on PostgreSQL who may do what.

    Nothing is changed, and servers may run meanwhile. Exit status 1 with every finding: where, what, and what to do.
    """
    chosen = settings(ctx)
    if database is not None:
        require_database_url(database)
        chosen = msgspec.structs.replace(chosen, database=database)
    with Progress() as progress:
        report = asyncio.run(_check(chosen, progress))
    emit(report, as_json=as_json, render=_told)
    if not report.sound:
        ctx.exit(EXIT_REFUSED)


async def _check(chosen: Settings, progress: Progress) -> Report:
    async with open_auditor(chosen) as database:
        return await checks.check(
            database,
            SystemClock(),
            keep_days=chosen.payload_retention_days,
            shared=bool(chosen.database),
            tell=progress.step,
        )


def _told(report: Report) -> "RenderableType":
    lines: list[Text] = []
    for finding in report.findings:
        lines.append(Text.assemble((finding.check, "bold red"), f"  {finding.where}: {finding.problem}"))
        lines.append(Text(f"  -> {finding.advice}", "bold"))
    if report.more:
        lines.append(Text(f"and {report.more} more of the kind"))
    rate = report.records / report.seconds if report.seconds else 0
    seen = f"{report.records} records in {report.logs} logs, {rate:.0f} a second"
    waiting = f", {report.staged} staged" if report.staged else ""
    verdict = ("SOUND", "bold green") if report.sound else ("NOT SOUND", "bold red")
    return Group(*lines, Text.assemble(verdict, f": {seen}{waiting}"))
