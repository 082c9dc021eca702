# SPDX-License-Identifier: Apache-2.0
"""`customhouse check`: read the manifest, say what it means and what is wrong. Exit 1 when something is wrong."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from customhouse.cli.manifest_option import manifest_option
from customhouse.cli.options import json_option
from customhouse.cli.output import EXIT_REFUSED, emit, visible
from customhouse.manifest.check import Remark, Report
from customhouse.manifest.check import check as check_manifest
from customhouse.manifest.load import load
from customhouse.manifest.problem import ManifestErrors


@click.command()
@manifest_option
@json_option
@click.pass_context
def check(ctx: click.Context, *, manifest: Path, as_json: bool) -> None:
    """Read the manifest and say what it declares and what is wrong.

    Errors stop a release. Warnings say what will surprise, notes what is declared and not enforced yet.
    """
    report = _report(manifest)
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
