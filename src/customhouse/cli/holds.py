# SPDX-License-Identifier: Apache-2.0
"""`customhouse holds`: versions that were rolled back and may not come back until somebody says so."""

import click
from rich.table import Table

from customhouse.api.pins import Holds
from customhouse.cli.client import client
from customhouse.cli.options import json_option, reason_option
from customhouse.cli.output import emit, say
from customhouse.registry.status import HoldView
from customhouse.rollout.hold import Lifting

_PATH = "/api/v1/holds"


@click.group()
def holds() -> None:
    """List and lift holds on versions that were rolled back."""


@holds.command("list")
@json_option
@click.pass_context
def list_(ctx: click.Context, *, as_json: bool) -> None:
    """List the holds that stand."""
    emit(client(ctx).fetch("GET", _PATH, Holds), as_json=as_json, render=_table)


@holds.command()
@click.argument("seq", type=click.IntRange(min=1))
@reason_option
@click.pass_context
def lift(ctx: click.Context, seq: int, reason: str) -> None:
    """Lift a hold, so that the version may be released or promoted again. It moves nothing."""
    held = client(ctx).fetch("POST", f"{_PATH}/{seq}/lift", HoldView, Lifting(reason=reason))
    say(f"{held.plane} version {held.version} of {held.assistant} may come back to {held.environment}.")


def _table(listed: Holds) -> Table | str:
    if not listed.holds:
        return "Nothing is held."
    table = Table(
        "Hold", "Environment", "Assistant", "Plane", "Version", "By", "Since", "Why", box=None, pad_edge=False
    )
    for hold in listed.holds:
        since = f"{hold.since[:19]}Z"
        version = "?" if hold.version is None else str(hold.version)
        table.add_row(str(hold.seq), hold.environment, hold.assistant, hold.plane, version, hold.by, since, hold.reason)
    return table
