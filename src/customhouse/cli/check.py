# SPDX-License-Identifier: Apache-2.0
"""`customhouse check`: read the manifest, say what it means and what is wrong. Exit 1 when something is wrong.

Rule: it works without a server and without a store. Where a store is here, it notes besides what runs otherwise.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from customhouse.cli.ahead import ahead
from customhouse.cli.client import Client, settings
from customhouse.cli.manifest_option import manifest_option
from customhouse.cli.options import json_option
from customhouse.cli.output import EXIT_REFUSED, emit, visible
from customhouse.cli.transport import Local
from customhouse.domain.errors import CustomhouseError
from customhouse.manifest.check import Remark, Report
from customhouse.manifest.check import check as check_manifest
from customhouse.manifest.load import load
from customhouse.manifest.problem import ManifestErrors
from customhouse.registry.status import Status


@click.command()
@manifest_option
@json_option
@click.pass_context
def check(ctx: click.Context, *, manifest: Path, as_json: bool) -> None:
    """Read the manifest and say what it declares and what is wrong.

    Errors stop a release. Warnings say what will surprise, notes what is declared and not enforced yet, and, where a
    store is here, in which planes the manifest is ahead of what is in force.
    """
    report = _report(manifest)
    if not report.errors:
        report = msgspec.structs.replace(report, notes=(*report.notes, *_ahead(ctx, manifest)))
    if as_json:
        emit(report, as_json=True, render=str)
    else:
        for line in _lines(report):
            click.echo(visible(line))
    if report.errors:
        ctx.exit(EXIT_REFUSED)


def _report(manifest: Path) -> Report:
    try:
        return check_manifest(load(manifest), today=datetime.now(UTC).date())
    except ManifestErrors as errors:
        found = tuple(Remark(place=str(problem.place), text=problem.text) for problem in errors.problems)
        return Report(errors=found, warnings=(), notes=(), readings=())


def _ahead(ctx: click.Context, manifest: Path) -> tuple[Remark, ...]:
    """Return where the manifest differs from what the store here has in force; nothing when none can be asked."""
    chosen = settings(ctx)
    if os.environ.get("CUSTOMHOUSE_URL") or not chosen.database_path.is_file():
        return ()
    local = Client(Local(chosen))
    try:
        status = local.fetch("GET", "/api/v1/status", Status)
    except (CustomhouseError, click.ClickException):
        return ()
    finally:
        local.close()
    return tuple(Remark(place=f"{manifest}/", text=entry.text) for entry in ahead(status, manifest))


def _lines(report: Report) -> Iterator[str]:
    for reading in report.readings:
        yield f"{reading.assistant}{' (policy only)' if reading.policy_only else ''}"
        for sentence in reading.sentences:
            yield f"  {sentence.removeprefix(reading.assistant + ' ')}"
        yield ""
    for word, remarks in (("note", report.notes), ("warning", report.warnings), ("error", report.errors)):
        for remark in remarks:
            yield f"{remark.place}: {word}: {remark.text}"
    counts = ((len(report.errors), "error"), (len(report.warnings), "warning"), (len(report.notes), "note"))
    yield ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)
