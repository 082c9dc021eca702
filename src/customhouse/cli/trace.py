# SPDX-License-Identifier: Apache-2.0
"""`customhouse trace`: where an answer came from, as a tree that a person can read."""

from typing import Final

import click
import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from customhouse.api.route import ROOT
from customhouse.cli.client import client, segment
from customhouse.cli.options import json_option
from customhouse.cli.output import emit, say
from customhouse.domain.decision import REASONS
from customhouse.domain.plane import PLANES
from customhouse.ledger.listing import TraceList
from customhouse.ledger.record import Record
from customhouse.ledger.trace import Payload, Trace

_SHOWN_PAYLOAD: Final = 2000
_ORDER: Final = ("identity", "render", "record", "model", "permit", "evidence", "total")
_TOLD: Final = frozenset({"numbers", "substituted", "fingerprint_changed"})
"""Details that are told elsewhere, in words."""
_COLOURS: Final = {"allow": "green", "deny": "red", "hold": "yellow"}
_ENDINGS: Final = {"answered": "green", "fallback": "yellow", "failed": "red", "client_left": "yellow"}


class _Pinned(msgspec.Struct):
    """A version in force, as `pin.moved` records it."""

    version: int
    release: int


@click.command()
@click.argument("name", required=False, metavar="[ID]")
@click.option("--last", is_flag=True, help="The newest turn.")
@click.option("--release", metavar="STAMP", help="List the newest traces of a release (`support@3+prompt@2`).")
@click.option("--key", metavar="ID", help="List the newest traces of a data-plane key.")
@click.option("--person", metavar="WHO", help="List the newest traces asked for, or done by, a person.")
@click.option("--tenant", help="Look in this tenant's log only.")
@click.option("--payloads", is_flag=True, help="Open requests and answers too; that you did is recorded.")
@json_option
@click.pass_context
def trace(
    ctx: click.Context,
    *,
    name: str | None,
    last: bool,
    release: str | None,
    key: str | None,
    person: str | None,
    tenant: str | None,
    payloads: bool,
    as_json: bool,
) -> None:
    """Show where an answer came from.

    ID is a trace id, the id of a response, a tool call, a decision, a change or a key, or a release (`support@3`).
    """
    by = {"release": release, "key": key, "person": person}
    if sum(each is not None for each in (name, last or None, *by.values())) != 1:
        raise click.UsageError("give one of ID, --last, --release, --key and --person")
    if name is None and not last:
        if payloads:
            raise click.UsageError("--payloads opens one trace: give its ID")
        listed = client(ctx).fetch("GET", f"{ROOT}/traces", TraceList, query={**by, "tenant": tenant})
        emit(listed, as_json=as_json, render=_table)
        return
    path = f"{ROOT}/traces/last" if name is None else f"{ROOT}/traces/{segment(name)}"
    query = {"tenant": tenant, "payloads": "1" if payloads else None}
    found = client(ctx).fetch("GET", path, Trace, query=query)
    emit(found, as_json=as_json, render=picture)
    for other in found.others:
        say(f"also known under this id: trace {other}")


def _table(found: TraceList) -> RenderableType:
    if not found.traces:
        return "No trace is known by that name."
    table = Table("When", "Trace", "Tenant", "Assistant", "In force", "Began with", "Ended", box=None, pad_edge=False)
    for each in found.traces:
        parts = (each.trace_id, each.tenant, each.assistant or "", each.release or "", each.kind, each.outcome or "")
        table.add_row(f"{each.at[:19]}Z", *(Text(part) for part in parts))
    return table


def picture(found: Trace) -> RenderableType:
    """Draw a trace: what was in force, then each step under the one that caused it."""
    first = found.steps[0].record
    tree = Tree(Text.assemble(("trace ", "dim"), (found.trace_id, "bold"), ("  tenant ", "dim"), found.tenant))
    _in_force(tree, first)
    places: dict[str, Tree] = {}
    for step in found.steps:
        record = step.record
        above = next((places[parent] for parent in record.parents if parent in places), tree)
        places[record.id] = above.add(_line(record))
        for text in _details(record):
            places[record.id].add(text)
        if record.kind == "model.called" and record.span_id:
            places[record.span_id] = places[record.id]
    verdict = ("records match their hashes", "green") if found.intact else ("RECORDS WERE ALTERED", "bold red")
    parts: list[RenderableType] = [
        tree,
        Text.assemble(("evidence: ", "dim"), verdict, ("; " + _positions(found), "dim")),
    ]
    parts += [
        Group(Text(f"\n{payload.kind}", style="bold"), Text((payload.text or _gone(payload))[:_SHOWN_PAYLOAD]))
        for payload in found.payloads
    ]
    return Group(*parts)


def _gone(payload: Payload) -> str:
    if payload.text is not None:
        return payload.text
    if payload.expired is not None:
        return f"expired under retention: payloads before {payload.expired} were taken away"
    return "not there, though a record names it: customhouse fsck looks closer"


def _in_force(tree: Tree, record: Record) -> None:
    subject = record.principal
    if record.release is not None:
        place = Text.assemble(("in force  ", "dim"), (record.release, "bold cyan"))
        place.append_text(Text.assemble(("  generation ", "dim"), str(record.generation)))
        if subject is not None:
            place.append_text(Text.assemble(("  environment ", "dim"), subject.environment or ""))
        _versions(tree.add(place), record)
    if subject is not None and subject.key is not None:
        by = f"{subject.assertion} by {subject.issuer}" if subject.issuer else subject.assertion
        behalf = f" on behalf of {subject.on_behalf_of} ({by})" if subject.on_behalf_of else ""
        tree.add(Text.assemble(("asked by  ", "dim"), subject.key, behalf))
    if record.labels:
        tree.add(Text(record.labels, style="dim"))


def _versions(force: Tree, record: Record) -> None:
    force.add(Text.assemble(("snapshot ", "dim"), record.snapshot or ""))
    numbers = (record.detail or {}).get("numbers")
    known = msgspec.convert(numbers, dict[str, int]) if numbers is not None else {}
    for plane in PLANES:
        if record.versions and plane in record.versions:
            number = f"version {known[plane]}" if plane in known else ""
            force.add(Text.assemble((f"{plane.value:<10}", "dim"), f"{number:<12}", (record.versions[plane], "dim")))


def _line(record: Record) -> Text:
    line = Text.assemble((f"{record.at[11:23]} ", "dim"), (record.kind, "bold"))
    if record.model is not None:
        line.append(f"  {record.model.deployment}", style="cyan")
        line.append(f" ({record.model.requested}, attempt {record.model.attempt})", style="dim")
    if record.tool is not None:
        line.append(f"  {record.tool.name}", style="cyan")
        line.append(f" ({record.tool.effect or 'unknown to the policy'})", style="dim")
    if record.decision is not None:
        outcome = record.decision.outcome
        line.append(f"  {outcome}", style=_COLOURS.get(outcome, ""))
    if record.outcome is not None:
        line.append(f"  {record.outcome}", style=_ENDINGS.get(record.outcome, ""))
    if record.principal is not None and record.principal.actor is not None:
        line.append(f"  by {record.principal.actor}")
    if record.late:
        line.append("  late", style="yellow")
    return line


def _details(record: Record) -> list[Text]:
    found: list[tuple[str, str]] = []
    if record.decision is not None:
        found += [
            ("because", f"{reason}: {REASONS.get(reason, '')}".rstrip(": ")) for reason in record.decision.reasons
        ]
    if record.model is not None:
        found += _model_details(record)
    if record.usage is not None:
        found.append(("tokens", ", ".join(f"{name} {count}" for name, count in record.usage.items())))
    if record.timing_us is not None:
        steps = sorted(record.timing_us.items(), key=lambda step: _ORDER.index(step[0]) if step[0] in _ORDER else 99)
        found.append(("ms", ", ".join(f"{name} {micros / 1000:.1f}" for name, micros in steps)))
    found += [(name, _text(value)) for name, value in (record.detail or {}).items() if name not in _TOLD]
    return [Text.assemble((f"{name}: ", "dim"), value) for name, value in found]


def _text(value: object) -> str:
    """Return a detail as one line: lists with commas, pinned versions by number, anything deeper as JSON."""
    if isinstance(value, str):
        return value
    try:
        return ", ".join(msgspec.convert(value, list[str]))
    except msgspec.ValidationError:
        pass
    try:
        pinned = msgspec.convert(value, dict[str, _Pinned])
    except msgspec.ValidationError:
        return msgspec.json.encode(value).decode()
    return ", ".join(f"{plane} version {pin.version} (@{pin.release})" for plane, pin in pinned.items())


def _model_details(record: Record) -> list[tuple[str, str]]:
    model = record.model
    if model is None:
        return []
    pairs = [
        ("weights", model.weights if record.kind == "model.called" else None),
        ("region", model.region if record.kind == "model.called" else None),
        ("answered as", model.answered),
        ("fingerprint", model.fingerprint),
        ("provider's id", model.upstream_id),
        ("tools offered, as a set", record.tools_offered),
    ]
    detail = record.detail or {}
    if "substituted" in detail:
        pairs.append(("SUBSTITUTED", f"asked for {model.requested}, and {model.answered} answered"))
    if "fingerprint_changed" in detail:
        pairs.append(("fingerprint changed", f"the answer before had {_text(detail['fingerprint_changed'])}"))
    return [(name, value) for name, value in pairs if value]


def _positions(found: Trace) -> str:
    places = [step.position for step in found.steps if step.position is not None]
    waiting = len(found.steps) - len(places)
    parts = [f"positions {places[0]} to {places[-1]} of the log of {found.tenant}"] if places else []
    if waiting:
        parts.append(f"{waiting} of {len(found.steps)} records durable and not sequenced yet")
    return ", ".join(parts)
