# SPDX-License-Identifier: Apache-2.0
"""`customhouse posture`: from where models are taken, and what that means. Exit 1 when anything is flagged."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from customhouse.cli.manifest_option import manifest_option
from customhouse.cli.options import json_option
from customhouse.cli.output import EXIT_REFUSED, emit
from customhouse.manifest.load import load
from customhouse.manifest.posture import AssistantPosture, CopilotPosture, Posture
from customhouse.manifest.posture import posture as read


@click.command()
@manifest_option
@json_option
@click.pass_context
def posture(ctx: click.Context, *, manifest: Path, as_json: bool) -> None:
    """Show who takes models from where, and what that means for data, cost, latency and on-call.

    Works on the manifest's files, like `check`. Flags postures that are mixed by accident or end soon, terms and
    copilots past their review, and data limits above what terms stand for.
    """
    found = read(load(manifest), today=datetime.now(UTC).date())
    emit(found, as_json=as_json, render=_drawn)
    if found.flags:
        ctx.exit(EXIT_REFUSED)


def _drawn(found: Posture) -> RenderableType:
    allowed = ", ".join(found.postures_allowed) or "any posture; postures_allowed is not declared"
    parts: list[RenderableType] = [f"{found.organization or 'The organization'} allows: {allowed}"]
    if found.assistants:
        parts += ["", _sources(found.assistants)]
    for assistant in found.assistants:
        parts += ["", *(Text(line) for line in _lines(assistant))]
    if found.copilots:
        parts += ["", "Copilots, which others built and no turn passes:", _copilots(found.copilots)]
    if found.flags:
        parts += ["", *(Text(f"{flag.place}: {flag.text}", style="yellow") for flag in found.flags)]
    return Group(*parts)


def _sources(assistants: tuple[AssistantPosture, ...]) -> Table:
    names = ("Assistant", "Posture", "Takes models from", "Which is", "Region", "Accepts", "Data there", "Cost")
    table = Table(*names, box=None, pad_edge=False)
    for assistant in assistants:
        own = (assistant.assistant, assistant.posture)
        if not assistant.sources:
            table.add_row(*own, "nobody")
        for source in assistant.sources:
            place = (source.posture, source.region or "", source.accepts, source.terms, source.cost)
            table.add_row(*(Text(cell) for cell in (*own, source.deployment, *place)))
            own = ("", "")
    return table


def _lines(assistant: AssistantPosture) -> Iterator[str]:
    until = f" until {assistant.until}" if assistant.until else ""
    because = f", because {assistant.because}" if assistant.because else ""
    yield f"{assistant.assistant}: {assistant.posture}{until}{because}"
    yield from (f"  data      {sentence}" for sentence in assistant.reaches)
    yield from (f"  latency   {source.deployment} {source.latency}" for source in assistant.sources)
    paged = f" ({', '.join(assistant.paged)})" if assistant.paged else ""
    yield f"  on call   {assistant.on_call}{paged}; the captain is {assistant.owner}"
    yield f"  fallback  {assistant.fallback}"


def _copilots(copilots: tuple[CopilotPosture, ...]) -> Table:
    names = ("Copilot", "Vendor", "Posture", "For", "Data up to", "Where", "Data there", "Owner", "Review by")
    table = Table(*names, box=None, pad_edge=False)
    for each in copilots:
        place = (each.data, each.where or "", each.terms, each.owner, each.review)
        table.add_row(*(Text(cell) for cell in (each.copilot, each.vendor, each.posture, each.purpose, *place)))
    return table
