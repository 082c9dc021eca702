# SPDX-License-Identifier: Apache-2.0
"""`customhouse status`: what is in force, since when, by whom."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.console import Group
from rich.table import Table

from customhouse.cli.ahead import Ahead, ahead
from customhouse.cli.client import client
from customhouse.cli.manifest_option import manifest_option
from customhouse.cli.options import json_option
from customhouse.cli.output import emit
from customhouse.domain.failure_mode import WHILE_DOWN
from customhouse.domain.plane import PLANES
from customhouse.registry.status import AssistantInForce, Status


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What the server says is in force, and where the manifest here differs from it."""

    status: Status
    git_ahead: tuple[Ahead, ...]


_MEANING: Final[Mapping[str, str]] = {
    "refusing": "its database takes no evidence, and its turns are refused",
    "spooling": "records wait on its disk; turns of assistants declared `spool` go on, and no others",
    "open": "turns of assistants declared `open` went on without evidence; the gap is declared later",
}
"""What a ledger's state means to whoever reads `status`."""
_UNREACHED: Final[Mapping[str, str]] = {
    "open": "LEFT ALONE",
    "half_open": "TRIED AGAIN",
    "stands": "NOT RENEWED",
    "ended": "ENDED",
    "failing": "NOT TOLD",
}
"""What a breaker's, a credential's or a channel's state is called."""


@click.command()
@manifest_option
@json_option
@click.pass_context
def status(ctx: click.Context, manifest: Path, *, as_json: bool) -> None:
    """Show what is in force in every environment: release, versions, since when, by whom, holds, what waits.

    Where a manifest directory is here, it also says in which planes git, or the files here, are ahead of what runs.
    """
    found = client(ctx).fetch("GET", "/api/v1/status", Status)
    emit(Shown(status=found, git_ahead=ahead(found, manifest)), as_json=as_json, render=_drawn)


def _drawn(shown: Shown) -> Group | str:
    found = shown.status
    if not found.assistants and not found.switches:
        return "Nothing is in force. Begin with: customhouse release ASSISTANT --notes …"
    table = Table("Assistant", "Environment", "In force", *PLANES, "Since", "By", box=None, pad_edge=False)
    for entry in found.assistants:
        planes = (_version(entry, plane) for plane in PLANES)
        table.add_row(entry.assistant, entry.environment, entry.stamp, *planes, f"{entry.since[:19]}Z", entry.by)
    generations = ", ".join(
        f"{entry.name} {entry.generation}" for entry in found.environments if entry.moved_at is not None
    )
    lines = ["", f"Generations: {generations or 'none'}. Replicas that answer turns: {found.replicas}."]
    lines.extend(
        f"EVIDENCE: {each.replica} is {each.state}: {_MEANING.get(each.state, 'look at its log')} "
        "(its /readyz says more; customhouse replicas)"
        for each in found.ledgers
    )
    lines.extend(
        f"{_UNREACHED[each.state]}: {each.subject} on {each.replica}, since {each.since[:19]}Z: {each.reason}"
        + (f" (asked again at {each.until[:19]}Z)" if each.until else " (customhouse doctor)")
        for each in found.unreached
        if each.state in _UNREACHED
    )
    lines.extend(
        f"SWITCHED OFF: {each.scope}, by {each.by} at {each.since[:19]}Z: {each.reason} "
        f"(customhouse switch off {each.scope} --reason …)"
        for each in found.switches
    )
    lines.extend(
        f"NOT SERVED: {entry.assistant} in {entry.environment}: {entry.refused}"
        for entry in found.assistants
        if entry.refused is not None
    )
    lines.extend(
        f"{entry.assistant} in {entry.environment}, while evidence cannot be written: {WHILE_DOWN[mode]}"
        for entry in found.assistants
        if (mode := entry.ledger_failure) is not None and mode != "closed"
    )
    lines.extend(
        f"{'RETIRED' if each.days <= 0 else 'Retires soon'}: {entry.assistant} in {entry.environment}: {each.text}"
        for entry in found.assistants
        for each in entry.retirements
    )
    lines.extend(
        f"{'POSTURE ENDED' if end.days < 0 else 'Ends soon'}: {entry.assistant} in {entry.environment}: {end.text}"
        for entry in found.assistants
        if (end := entry.posture_end) is not None
    )
    lines.extend(
        f"Held: {hold.plane} version {hold.version} of {hold.assistant} in {hold.environment}, "
        f"by {hold.by}: {hold.reason} (customhouse holds lift {hold.seq} --reason …)"
        for hold in found.holds
    )
    lines.extend(
        f"Waits for a second person: {change.id}, {change.assistant} in {change.environment}, "
        f"asked by {change.requested_by} (customhouse changes show {change.id})"
        for change in found.changes
    )
    lines.extend(entry.text for entry in shown.git_ahead)
    return Group(table, "\n".join(lines))


def _version(entry: AssistantInForce, plane: str) -> str:
    found = next((pin for name, pin in entry.planes.items() if name == plane), None)
    return "missing" if found is None else f"{found.version or '?'} (@{found.release})"
