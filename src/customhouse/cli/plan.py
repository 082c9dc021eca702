# SPDX-License-Identifier: Apache-2.0
"""`customhouse plan`: what a release would change against what is in force. Exit 1 when it would be refused."""

from collections.abc import Iterator
from pathlib import Path

import click

from customhouse.cli.client import client
from customhouse.cli.diff import lines
from customhouse.cli.manifest_option import manifest_option
from customhouse.cli.options import environment_option, json_option
from customhouse.cli.output import EXIT_REFUSED, emit, visible
from customhouse.cli.published import in_force
from customhouse.domain.errors import NotFound
from customhouse.manifest.compile import compile_assistant
from customhouse.manifest.load import load
from customhouse.manifest.plan import Plan, difference
from customhouse.manifest.plan import plan as plan_release


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
        found.append(plan_release(change, after, environment=environment, reviewers=now.reviewers[environment]))
    if as_json:
        emit(found, as_json=True, render=str)
    else:
        for line in _lines(found):
            click.echo(visible(line))
    if any(planned.conflicts for planned in found):
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
