# SPDX-License-Identifier: Apache-2.0
"""`customhouse approvals`: held tool calls, their exact arguments, and a person's answer.

Rule: nobody says yes unseen. `approve` prints what it is about before it asks; what cannot be shown is not approved.
"""

import os

import click
import msgspec
from click.shell_completion import CompletionItem
from rich.table import Table

from customhouse.approvals.arguments import Arguments
from customhouse.approvals.decide import Answered, Said
from customhouse.approvals.exact import described, laid_out, visible
from customhouse.approvals.listing import Approvals, ApprovalView
from customhouse.cli.client import Refused, client, segment
from customhouse.cli.options import json_option, reason_option
from customhouse.cli.output import emit, refuse
from customhouse.domain.decision import REASONS

_PATH = "/api/v1/approvals"


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A held call with its exact arguments; `refused` says why they were not opened."""

    approval: ApprovalView
    arguments: Arguments | None = None
    refused: str | None = None


def _waiting(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the ids of what waits at a server; one that does not answer completes nothing, and says nothing."""
    if not os.environ.get("CUSTOMHOUSE_URL"):
        return []
    try:
        found = client(ctx).fetch("GET", _PATH, Approvals)
    except click.ClickException:
        return []
    return [
        CompletionItem(each.id, help=visible(f"{each.tool} for {each.assistant}"))
        for each in found.approvals
        if each.id.startswith(incomplete)
    ]


_approval_argument = click.argument("approval", shell_complete=_waiting)


@click.group()
def approvals() -> None:
    """List and answer tool calls that wait for a person.

    The rule that holds a call says who may approve it: not who asked, neither the creator of the key nor the person
    behind the request, and never a local actor. An approval is good for that call alone, once, until its time is over.
    """


@approvals.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that were decided, the newest first.")
@json_option
@click.pass_context
def list_(ctx: click.Context, *, everything: bool, as_json: bool) -> None:
    """List the held calls that wait, what ends first first."""
    query = {"state": "all" if everything else "waiting"}
    emit(client(ctx).fetch("GET", _PATH, Approvals, query=query), as_json=as_json, render=_table)


@approvals.command()
@_approval_argument
@json_option
@click.pass_context
def show(ctx: click.Context, approval: str, *, as_json: bool) -> None:
    """Show one held call: who asked, why it waits, who may answer, and its exact arguments.

    Whoever opens the arguments is recorded. Whatever is not printable ASCII is shown as its code point: «U+202E».
    """
    shown = _shown(ctx, approval)
    if as_json:
        emit(shown, as_json=True, render=str)
    else:
        click.echo(_told(shown))


@approvals.command()
@_approval_argument
@reason_option
@click.option("--yes", is_flag=True, help="Do not ask; print what is approved all the same.")
@json_option
@click.pass_context
def approve(ctx: click.Context, approval: str, reason: str, *, yes: bool, as_json: bool) -> None:
    """Approve a held call, after showing it: that call with those arguments, once."""
    shown = _shown(ctx, approval)
    view = shown.approval
    click.echo(_told(shown), err=True)
    if view.you is None and view.state == "requested":  # otherwise the server says what is wrong, and records it
        if shown.arguments is None or shown.arguments.text is None:
            refuse(f"what cannot be shown is not approved here: {shown.refused or 'its arguments are gone'}")
        if not yes:
            click.confirm(f"Approve this call of {visible(view.tool)} with these arguments?", abort=True, err=True)
    _answer(ctx, approval, "approve", reason, as_json=as_json)


@approvals.command()
@_approval_argument
@reason_option
@json_option
@click.pass_context
def deny(ctx: click.Context, approval: str, reason: str, *, as_json: bool) -> None:
    """Deny a held call; one denial ends it."""
    _answer(ctx, approval, "deny", reason, as_json=as_json)


@approvals.command()
@_approval_argument
@reason_option
@json_option
@click.pass_context
def revoke(ctx: click.Context, approval: str, reason: str, *, as_json: bool) -> None:
    """Take your own approval back, as long as the call has not been released."""
    _answer(ctx, approval, "revoke", reason, as_json=as_json)


def _answer(ctx: click.Context, approval: str, verb: str, reason: str, *, as_json: bool) -> None:
    path = f"{_PATH}/{segment(approval)}/{verb}"
    emit(client(ctx).fetch("POST", path, Answered, Said(reason=reason)), as_json=as_json, render=_answered)


def _shown(ctx: click.Context, approval: str) -> Shown:
    path = f"{_PATH}/{segment(approval)}"
    view = client(ctx).fetch("GET", path, ApprovalView)
    try:
        return Shown(approval=view, arguments=client(ctx).fetch("GET", f"{path}/arguments", Arguments))
    except Refused as error:
        return Shown(approval=view, refused=error.message)


def _table(listed: Approvals) -> Table | str:
    if not listed.approvals:
        return "Nothing waits for a person."
    table = Table("Approval", "State", "Tool", "Assistant", "Until", "Approved", "You", box=None, pad_edge=False)
    for each in listed.approvals:
        table.add_row(
            each.id,
            each.state,
            visible(each.tool),
            f"{each.assistant} ({each.environment}, {each.tenant})",
            f"{each.expires_at[:19]}Z",
            f"{each.approvals} of {each.quorum}",
            "may answer" if each.you is None and each.state == "requested" else "",
        )
    return table


def _told(shown: Shown) -> str:
    view = shown.approval
    behind = f", for {visible(view.on_behalf_of)} ({view.assertion})" if view.on_behalf_of else ""
    found = [
        f"{view.id}: {view.state}, {view.approvals} of {view.quorum} approved, until {view.expires_at[:19]}Z",
        f"Tool       {visible(view.tool)} ({view.effect})",
        f"Assistant  {view.assistant} in {view.environment}, tenant {view.tenant}",
        f"Asked by   key {view.key_id}, created by {view.key_created_by}{behind}, at {view.requested_at[:19]}Z",
        *(f"Held       {REASONS.get(reason, reason)}" for reason in view.reasons),
        f"Trace      {view.trace_id} (customhouse trace {view.trace_id})",
        "Who may answer:",
        *(f"  {each.name}{_why(each.objection)}" for each in view.approvers),
        *(() if view.approvers else ("  nobody: the rule names no one who is there",)),
        *(("Answers:",) if view.answers else ()),
        *(
            f"  {each.verdict} by {each.approver}: {visible(each.reason)}{_why(each.objection)}"
            for each in view.answers
        ),
        "",
        *_arguments(shown),
    ]
    return "\n".join(found)


def _arguments(shown: Shown) -> tuple[str, ...]:
    if shown.arguments is None:
        return (f"Arguments, {shown.approval.arguments_bytes:,} bytes, not opened: {shown.refused}",)
    if shown.arguments.text is None:
        return (f"Arguments, {shown.approval.arguments_bytes:,} bytes, are not there any more",)
    return (f"Arguments, {described(shown.arguments.text)}:", laid_out(shown.arguments.text))


def _why(objection: str | None) -> str:
    return "" if objection is None else f" (does not count: {REASONS[objection]})"


def _answered(answered: Answered) -> str:
    match answered.state:
        case "requested":
            return f"{answered.approval} has {answered.approvals} of {answered.quorum} approvals; it still waits."
        case "approved":
            return f"{answered.approval} is approved: the client's next request releases the call, once."
        case _:
            return f"{answered.approval} is {answered.state}; the call is not released."
