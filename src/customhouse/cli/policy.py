# SPDX-License-Identifier: Apache-2.0
"""`customhouse policy test`: the cases kept beside the policies, decided as in the gateway. Exit 1 on a failure."""

from collections.abc import Iterator
from pathlib import Path

import click

from customhouse.cli.manifest_option import manifest_option
from customhouse.cli.options import json_option
from customhouse.cli.output import EXIT_REFUSED, emit, visible
from customhouse.manifest.cases import CasesReport, ran, without_cases
from customhouse.manifest.load import load
from customhouse.manifest.manifest import Manifest


@click.group()
def policy() -> None:
    """Run the cases kept beside the policies."""


@policy.command()
@manifest_option
@json_option
@click.pass_context
def test(ctx: click.Context, *, manifest: Path, as_json: bool) -> None:
    """Run every case under `policy_cases` in the manifest.

    Each is decided by the function that decides calls in the gateway. Rules that no case makes false are named.
    """
    loaded = load(manifest)
    report = ran(loaded)
    if as_json:
        emit(report, as_json=True, render=str)
    else:
        for line in _lines(loaded, report):
            click.echo(visible(line))
    if report.failed:
        ctx.exit(EXIT_REFUSED)


def _lines(manifest: Manifest, report: CasesReport) -> Iterator[str]:
    for case in report.failed:
        yield f"{case.place}: failed: {case.case}: {case.assistant} calls {case.tool}"
        yield f"  found {case.found}, expected {case.expected}"
    for rule in report.untried:
        yield f"{rule.place}: untried: no case of {rule.assistant} makes this false: {rule.rule} ({rule.tool})"
    for name in without_cases(manifest):
        yield f"{manifest.place('assistant_policies', name, 'rules')}: untried: {name} has rules and no case"
    yield f"{len(report.cases) - len(report.failed)} passed, {len(report.failed)} failed"
