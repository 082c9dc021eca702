# SPDX-License-Identifier: Apache-2.0
"""`customhouse releases`: what a release carries, and a file of it that verifies offline."""

from pathlib import Path

import click
import msgspec

from customhouse.api.releases import ReleaseShown
from customhouse.cli.client import client, segment
from customhouse.cli.options import json_option
from customhouse.cli.outcome import capabilities
from customhouse.cli.output import emit, say
from customhouse.cli.reference import ReleaseName, ReleaseType
from customhouse.domain.plane import PLANES


@click.group()
def releases() -> None:
    """Show what a release carries, or export it as a file that verifies offline."""


@releases.command()
@click.argument("release", type=ReleaseType(), metavar="ASSISTANT@N")
@json_option
@click.pass_context
def show(ctx: click.Context, release: ReleaseName, *, as_json: bool) -> None:
    """Show a release; --json prints the signed envelope, which `customhouse verify` reads."""
    found = _fetch(ctx, release)
    if as_json:
        emit(found.release, as_json=True, render=str)
        return
    emit(found, as_json=False, render=_shown)


@releases.command()
@click.argument("release", type=ReleaseType(), metavar="ASSISTANT@N")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Where to (default: stdout).")
@click.pass_context
def export(ctx: click.Context, release: ReleaseName, output: Path | None) -> None:
    """Export a release with its five documents, for `customhouse verify FILE --public-key PEM` anywhere."""
    content = msgspec.json.format(msgspec.json.encode(_fetch(ctx, release)), indent=2)
    if output is None:
        click.echo(content)
        return
    output.write_bytes(content + b"\n")
    say(f"{output} verifies with: customhouse verify {output} --public-key … (customhouse keys public prints the key)")


def _fetch(ctx: click.Context, release: ReleaseName) -> ReleaseShown:
    return client(ctx).fetch("GET", f"/api/v1/releases/{segment(release.assistant)}/{release.number}", ReleaseShown)


def _shown(found: ReleaseShown) -> str:
    statement = found.release.statement
    previous = "the first" if statement.previous is None else f"after {statement.assistant}@{statement.previous}"
    return "\n".join(
        [
            f"{statement.name}, {previous}, released by {statement.released_by} at {statement.released_at[:19]}Z",
            f"Notes: {statement.notes}",
            f"Commit: {statement.git_commit or 'none (not from a clean git checkout)'}",
            f"Digest: {found.digest}",
            f"Signed by: {found.release.key_id}",
            "Documents:",
            *(f"  {plane:<10} version {found.versions[plane]}  {statement.planes[plane]}" for plane in PLANES),
            "Against the release before:",
            *(capabilities(statement.capability_diff) or ["  nothing that the assistant may do changes"]),
            f"Gates: {len(statement.gate_results) or 'none were run'}",
        ]
    )
