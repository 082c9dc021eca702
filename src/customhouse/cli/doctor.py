# SPDX-License-Identifier: Apache-2.0
"""`customhouse doctor`: is this machine and installation well, and what to do where it is not."""

import asyncio
import os
from collections import Counter
from typing import TYPE_CHECKING, Final

import click
import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from customhouse.cli import checkup, checkup_notify
from customhouse.cli.client import client, settings
from customhouse.cli.finding import Finding, State, fail, ok
from customhouse.cli.options import json_option, options
from customhouse.cli.output import EXIT_REFUSED, emit
from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import CustomhouseError
from customhouse.settings import Settings

if TYPE_CHECKING:
    from rich.console import RenderableType

_STYLE: Final[dict[State, str]] = {"ok": "green", "warn": "yellow", "fail": "bold red"}


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Every finding, in the order of the checks."""

    well: bool
    findings: tuple[Finding, ...]


@click.command()
@click.option("--notify", is_flag=True, help="Send a test message over each channel that tells people of approvals.")
@json_option
@click.pass_context
def doctor(ctx: click.Context, *, notify: bool, as_json: bool) -> None:
    """Check disk, clock, port, git, the home directory, its keys and database, the evidence, and what is in force.

    On PostgreSQL also the server: version, roles, row security, rights, clock, connections, records without a place.
    Nothing is changed, and nothing is sent but for --notify. Exit status 1 when a check fails; a warning is no failure.
    """
    chosen = settings(ctx)
    findings = [*checkup.machine(chosen), *checkup.home(chosen)]
    findings += asyncio.run(checkup_notify.told(chosen, SystemClock(), send=notify))
    if chosen.database:
        findings += _shared(chosen)
    if not any(finding.state == "fail" and finding.check != "port" for finding in findings):
        findings += _contents(ctx)
    if not options(ctx).local and os.environ.get("CUSTOMHOUSE_URL"):
        findings.append(_server(ctx))
    diagnosis = Diagnosis(well=all(each.state != "fail" for each in findings), findings=tuple(findings))
    emit(diagnosis, as_json=as_json, render=_drawn)
    if not diagnosis.well:
        ctx.exit(EXIT_REFUSED)


def _shared(chosen: Settings) -> list[Finding]:
    from customhouse.cli import checkup_postgres  # noqa: PLC0415 - only who uses PostgreSQL pays for its driver

    try:
        return asyncio.run(checkup_postgres.server(chosen, SystemClock()))
    except CustomhouseError as error:
        return [fail("postgres", error.detail, "do what it says, then run doctor again")]


def _contents(ctx: click.Context) -> list[Finding]:
    try:
        return asyncio.run(checkup.contents(settings(ctx)))
    except CustomhouseError as error:
        return [fail("release", error.detail, "do what it says, then run doctor again")]


def _server(ctx: click.Context) -> Finding:
    try:
        client(ctx).call("GET", "/api/v1/status")
    except click.ClickException as error:
        return fail("server", error.message, "check CUSTOMHOUSE_URL and CUSTOMHOUSE_KEY")
    return ok("server", f"{os.environ['CUSTOMHOUSE_URL']} answers to your key")


def _drawn(diagnosis: Diagnosis) -> "RenderableType":
    table = Table.grid(padding=(0, 2))
    for finding in diagnosis.findings:
        table.add_row(Text(finding.state, _STYLE[finding.state]), finding.check, finding.found)
        if finding.advice is not None:
            table.add_row("", "", Text(f"-> {finding.advice}", "bold"))
    counts = Counter(finding.state for finding in diagnosis.findings)
    summary = f"{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} failed"
    return Group(table, Text(summary, "bold"))
