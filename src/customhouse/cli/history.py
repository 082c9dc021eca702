# SPDX-License-Identifier: Apache-2.0
"""`customhouse history`: how an assistant's pins moved."""

import click
from rich.table import Table

from customhouse.cli.client import client, segment
from customhouse.cli.options import ENVIRONMENTS, json_option
from customhouse.cli.output import emit, refuse
from customhouse.manifest.problem import nearest
from customhouse.registry.status import MAX_HISTORY, History, HistoryEntry, Status


@click.command()
@click.argument("assistant")
@click.option("--environment", "-e", type=click.Choice(ENVIRONMENTS), help="Only this environment.")
@click.option("--before", type=click.IntRange(min=1), help="Only entries before this number, to page on.")
@click.option("--limit", type=click.IntRange(1, MAX_HISTORY), default=20, show_default=True, help="How many entries.")
@json_option
@click.pass_context
def history(
    ctx: click.Context, assistant: str, environment: str | None, before: int | None, limit: int, *, as_json: bool
) -> None:
    """Show how ASSISTANT's pins moved, newest first: what, from where to where, by whom, signed off by whom, why."""
    query = {
        "environment": environment,
        "before": None if before is None else str(before),
        "limit": str(limit),
    }
    found = client(ctx).fetch("GET", f"/api/v1/history/{segment(assistant)}", History, query=query)
    if not found.entries and before is None:
        status = client(ctx).fetch("GET", "/api/v1/status", Status)
        names = {one.assistant for one in status.assistants}
        if assistant not in names:
            near = nearest(assistant, sorted(names))
            refuse(f"nothing of {assistant} was ever in force{f'; did you mean {near}?' if near else ''}")
    emit(found, as_json=as_json, render=_table)


def _table(found: History) -> Table | str:
    if not found.entries:
        return f"Nothing of {found.assistant} was ever in force."
    table = Table("#", "When", "Environment", "In force", "What", "By", "Why", box=None, pad_edge=False)
    for entry in found.entries:
        when = f"{entry.at[:19]}Z"
        table.add_row(str(entry.seq), when, entry.environment, entry.stamp, _what(entry), _who(entry), entry.reason)
    return table


def _what(entry: HistoryEntry) -> str:
    return f"{_moves(entry)}{_retired(entry)}"


def _retired(entry: HistoryEntry) -> str:
    """Return what is left of its model version as the target of a rollback, where something has retired."""
    if entry.retired is None:
        return ""
    listed = "; ".join(each.text for each in entry.retired.retired)
    return f" (NO TARGET: {listed})" if entry.retired.all else f" ({listed})"


def _moves(entry: HistoryEntry) -> str:
    if entry.before is None:
        return "first promotion"
    verb = "rolled back" if entry.kind == "rolled_back" else "promoted"
    moves = (
        f"{plane} {entry.before[plane].version}→{entry.after[plane].version}"
        for plane in entry.planes
        if plane in entry.before
    )
    return f"{verb}: {', '.join(moves) or 'no document differs'}"


def _who(entry: HistoryEntry) -> str:
    return entry.by if not entry.reviewers else f"{entry.by}, signed off by {', '.join(entry.reviewers)}"
