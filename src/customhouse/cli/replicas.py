# SPDX-License-Identifier: Apache-2.0
"""`customhouse replicas`: who answers turns, and what each has in force."""

import click
from rich.console import Group
from rich.table import Table

from customhouse.cli.client import client
from customhouse.cli.options import json_option
from customhouse.cli.output import emit
from customhouse.registry.replicas import Replicas, ReplicaView


@click.command()
@json_option
@click.pass_context
def replicas(ctx: click.Context, *, as_json: bool) -> None:
    """List the replicas: running or ended, what each has acknowledged, its ledger, and which one sequences."""
    emit(client(ctx).fetch("GET", "/api/v1/replicas", Replicas), as_json=as_json, render=_drawn)


def _drawn(found: Replicas) -> Group | str:
    if not found.replicas:
        return "No replica has reported yet. Start one with: customhouse serve"
    names = tuple(found.newest)
    table = Table("Replica", "State", "Heard of", "Turns", "Ledger", "Sequencer", *names, box=None, pad_edge=False)
    for replica in found.replicas:
        sequencer = "" if replica.sequencer is None else f"epoch {replica.sequencer}"
        cells = (_cell(replica, name, found.newest[name]) for name in names)
        seen = f"{replica.seen_ms_ago / 1000:.1f} s ago"
        table.add_row(replica.name, _state(replica), seen, str(replica.turns), replica.ledger, sequencer, *cells)
    newest = ", ".join(f"{name} {generation}" for name, generation in found.newest.items())
    return Group(table, "", f"Newest generations: {newest}.")


def _state(replica: ReplicaView) -> str:
    return "live" if replica.live else "ended" if replica.ended else "silent: refuses turns"


def _cell(replica: ReplicaView, name: str, newest: int) -> str:
    has = replica.generations.get(name, 0)
    return str(has) if has >= newest else f"{has} (behind)"
