# SPDX-License-Identifier: Apache-2.0
"""`customhouse audit`: questions about behaviour, answered from evidence, with what cannot be proven."""

from collections.abc import Iterator

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from customhouse.api.route import ROOT
from customhouse.audit.routing import Destination, Routing
from customhouse.cli.client import client
from customhouse.cli.options import json_option
from customhouse.cli.output import EXIT_REFUSED, emit
from customhouse.domain.label import CLASSIFICATION_NAMES


@click.group()
def audit() -> None:
    """Answer questions about behaviour from evidence."""


@audit.command()
@click.option(
    "--classification", required=True, type=click.Choice(CLASSIFICATION_NAMES), help="The class; higher ones too."
)
@click.option("--since", required=True, metavar="TIME", help="From this day (2026-11-01, UTC) or RFC 3339 time.")
@click.option("--until", metavar="TIME", help="Up to this time; now, if it is left out.")
@click.option("--tenant", help="Look in this tenant's log only.")
@click.option("--assistant", help="Count this assistant's calls only.")
@json_option
@click.pass_context
def routing(
    ctx: click.Context,
    classification: str,
    since: str,
    until: str | None,
    tenant: str | None,
    assistant: str | None,
    *,
    as_json: bool,
) -> None:
    """List every provider that was sent data of a class or higher.

    Made of the records that are written before a call leaves. Exit status 1 when something cannot be proven: calls
    whose record names no class, altered records, declared gaps, evidence that a replica may keep on its own disk.
    """
    asked = {
        "classification": classification,
        "since": since,
        "until": until,
        "tenant": tenant,
        "assistant": assistant,
    }
    found = client(ctx).fetch("GET", f"{ROOT}/audit/routing", Routing, query=asked)
    emit(found, as_json=as_json, render=_drawn)
    if not found.proven:
        ctx.exit(EXIT_REFUSED)


def _drawn(found: Routing) -> RenderableType:
    whose = "every tenant" if found.tenant is None else f"tenant {found.tenant}"
    whose += "" if found.assistant is None else f", assistant {found.assistant}"
    times = f"{found.since[:19]}Z to {found.until[:19]}Z"
    parts: list[RenderableType] = [
        f"{found.classification} data or higher, {times}, {whose}: {found.calls} model calls looked at",
        "",
        _table(found.destinations) if found.destinations else "No provider was sent such data.",
    ]
    if found.unknown:
        parts += ["", "May have been sent such data; the records name no class:", _table(found.unknown)]
    return Group(*parts, *(Text(line, style="yellow") for line in _unproven(found)))


def _table(destinations: tuple[Destination, ...]) -> Table:
    table = Table("Deployment", "Region", "Calls", "Classes", "First", "Last", "Traces", box=None, pad_edge=False)
    for each in destinations:
        classes = ", ".join(f"{name} {count}" for name, count in each.classes.items())
        times = (f"{each.first[:19]}Z", f"{each.last[:19]}Z")
        cells = (each.deployment, each.region or "", str(each.calls), classes, *times, "\n".join(each.traces))
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _unproven(found: Routing) -> Iterator[str]:
    if found.proven:
        return
    yield ""
    yield "Not proven:"
    if found.unknown:
        calls = sum(each.calls for each in found.unknown)
        yield f"  {calls} calls whose record names no class"
    if found.altered:
        yield f"  {found.altered} altered records, in {', '.join(found.altered_traces)}: customhouse fsck"
    for gap in found.gaps:
        count = f"{'at least ' if gap.at_least else ''}{gap.count}"
        yield f"  {count} records are missing, {gap.since[:19]}Z to {gap.until[:19]}Z ({gap.reason})"
    for replica in found.pending:
        yield f"  {replica} may keep evidence that is not in the database: customhouse replicas"
    if found.uncounted:
        yield f"  {found.uncounted} calls to further deployments"
