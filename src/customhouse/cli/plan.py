# SPDX-License-Identifier: Apache-2.0
"""`customhouse plan`: what a release would change against what is in force. Exit 1 when it would be refused."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from customhouse.cli.client import Client, client, segment
from customhouse.cli.diff import lines
from customhouse.cli.manifest_option import manifest_option
from customhouse.cli.options import environment_option, json_option
from customhouse.cli.output import EXIT_REFUSED, emit, visible
from customhouse.cli.published_documents import in_force
from customhouse.domain.errors import NotFound
from customhouse.manifest.compile import Compiled, compile_assistant
from customhouse.manifest.load import load
from customhouse.manifest.plan import Difference, Plan, difference
from customhouse.manifest.plan import plan as plan_release
from customhouse.registry.status import HoldView


@click.command()
@click.argument("assistants", nargs=-1)
@environment_option
@manifest_option
@json_option
@click.pass_context
def plan(ctx: click.Context, *, assistants: tuple[str, ...], environment: str, manifest: Path, as_json: bool) -> None:
    """Show what a release of ASSISTANTS (default: all) would change in an environment.

    Compares the manifest's files with what is in force there.
    """
    now = load(manifest)
    names = assistants or tuple(sorted(now.declared.assistants))
    if not names:
        raise NotFound(f"{manifest} declares no assistants; a policy alone cannot be released")
    found: list[Plan] = []
    for name in names:
        after = compile_assistant(now, name)
        running = in_force(client(ctx), name, environment)
        change = difference(name, running.compiled if running else None, after)
        holds = _holds(client(ctx), change, after, environment) if running else ()
        found.append(
            plan_release(
                change,
                after,
                environment=environment,
                reviewers=now.reviewers[environment],
                today=datetime.now(UTC).date(),
                holds=holds,
            )
        )
    if as_json:
        emit({"assistants": found}, as_json=True, render=str)
    else:
        for line in _lines(found):
            click.echo(visible(line))
    if any(planned.conflicts or planned.holds for planned in found):
        ctx.exit(EXIT_REFUSED)


def _lines(found: list[Plan]) -> Iterator[str]:
    for planned in found:
        if planned.difference.empty:
            yield f"{planned.difference.assistant}: {planned.environment} runs exactly this"
        else:
            yield from lines((planned.difference,))
        if planned.needs_review:
            yield f"  {planned.environment} asks for {planned.reviewers} other person(s): the release will wait"
        yield from (f"  conflict: {conflict.text}" for conflict in planned.conflicts)
        yield from (f"  held: {sentence}" for sentence in planned.holds)


class _Held(msgspec.Struct, frozen=True, kw_only=True):
    """What else the API says of an assistant in force."""

    holds: tuple[HoldView, ...]


def _holds(api: Client, change: Difference, after: Compiled, environment: str) -> tuple[str, ...]:
    """Return the holds that would refuse the release: it would put a version back that was rolled back here."""
    digests = after.documents.digests()
    path = f"/api/v1/assistants/{segment(change.assistant)}/force"
    found = api.fetch("GET", path, _Held, query={"environment": environment}).holds
    return tuple(
        f"{hold.plane} version {hold.version} was rolled back in {environment} by {hold.by} ({hold.reason}), so the "
        f"release would be refused; lift it with `customhouse holds lift {hold.seq} --reason …`"
        for hold in found
        if hold.plane in change.planes and hold.digest == digests[hold.plane]
    )
