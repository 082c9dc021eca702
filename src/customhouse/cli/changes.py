# SPDX-License-Identifier: Apache-2.0
"""`customhouse changes`: what waits for a second person, and that person's answer."""

import click
from rich.table import Table

from customhouse.cli.client import client, segment
from customhouse.cli.options import json_option, reason_option
from customhouse.cli.outcome import lines, switched, told
from customhouse.cli.output import emit
from customhouse.rollout.answer import Outcome
from customhouse.rollout.pending import Changes, ChangeView
from customhouse.rollout.review import Answer, Reviewed

_PATH = "/api/v1/changes"


@click.group()
def changes() -> None:
    """List and decide changes that wait for a second person.

    A change that lets a model do more waits here where the environment asks for reviewers. Who asked for it cannot
    decide it, and a local actor cannot.
    """


@changes.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that were decided.")
@json_option
@click.pass_context
def list_(ctx: click.Context, *, everything: bool, as_json: bool) -> None:
    """List the changes that wait, oldest first."""
    query = {"state": "all" if everything else "waiting"}
    emit(client(ctx).fetch("GET", _PATH, Changes, query=query), as_json=as_json, render=_table)


@changes.command()
@click.argument("change")
@json_option
@click.pass_context
def show(ctx: click.Context, change: str, *, as_json: bool) -> None:
    """Show one change: what it would do, who asked, who has answered."""
    emit(client(ctx).fetch("GET", f"{_PATH}/{segment(change)}", ChangeView), as_json=as_json, render=_shown)


@changes.command()
@click.argument("change")
@reason_option
@json_option
@click.pass_context
def approve(ctx: click.Context, change: str, reason: str, *, as_json: bool) -> None:
    """Sign a change off; with the last signature that is needed it takes effect."""
    path = f"{_PATH}/{segment(change)}/approve"
    emit(client(ctx).fetch("POST", path, Reviewed, Answer(reason=reason)), as_json=as_json, render=_answered)


@changes.command()
@click.argument("change")
@reason_option
@json_option
@click.pass_context
def reject(ctx: click.Context, change: str, reason: str, *, as_json: bool) -> None:
    """Reject a change; one rejection ends it."""
    path = f"{_PATH}/{segment(change)}/reject"
    emit(client(ctx).fetch("POST", path, Reviewed, Answer(reason=reason)), as_json=as_json, render=_answered)


def _table(listed: Changes) -> Table | str:
    if not listed.changes:
        return "Nothing waits for a second person."
    table = Table("Change", "State", "What", "Asked by", "Since", "Signed", box=None, pad_edge=False)
    for change in listed.changes:
        signed = sum(review.verdict == "approve" for review in change.reviews)
        since = f"{change.requested_at[:19]}Z"
        table.add_row(
            change.id, change.state, change.summary, change.requested_by, since, f"{signed} of {change.needed}"
        )
    return table


def _shown(change: ChangeView) -> str:
    found = [
        f"{change.id}: {change.summary} ({change.state})",
        f"asked by {change.requested_by} at {change.requested_at[:19]}Z: {change.reason}",
        "It would mean:",
        *lines(change.effects),
    ]
    if change.charter is not None:
        charter = change.charter
        found.append(f"Owner {charter.owner}, deputy {charter.deputy or 'nobody'}. Approvers by group:")
        found.extend(f"  {group}: {', '.join(members)}" for group, members in sorted(charter.groups.items()))
        if not charter.groups:
            found.append("  no groups")
    found.append(f"Needed: {change.needed} other {'person' if change.needed == 1 else 'people'}. Answers:")
    found.extend(f"  {review.verdict} by {review.reviewer}: {review.reason}" for review in change.reviews)
    if not change.reviews:
        found.append("  none yet")
    return "\n".join(found)


def _answered(reviewed: Reviewed) -> str:
    if reviewed.moved is not None:
        return f"{reviewed.change} is approved.\n{told(Outcome(moved=reviewed.moved))}"
    if reviewed.lifted is not None:
        return f"{reviewed.change} is approved.\n{switched(reviewed.lifted)}"
    if reviewed.state == "requested":
        return f"{reviewed.change} has {reviewed.approvals} of {reviewed.needed} signatures; nothing moved yet."
    return f"{reviewed.change} is {reviewed.state}."
