# SPDX-License-Identifier: Apache-2.0
"""`customhouse diff`: what the edits of a manifest change, in capabilities, not in lines."""

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from customhouse.cli.client import client
from customhouse.cli.manifest_option import manifest_option
from customhouse.cli.nearest_assistant import naming
from customhouse.cli.options import Environment, environment_option, json_option
from customhouse.cli.output import emit, visible
from customhouse.cli.published_documents import in_force, release
from customhouse.cli.replayed import MAX_CALLS, replay, told
from customhouse.domain.errors import ManifestInvalid, NotInForce
from customhouse.manifest.compile import Compiled, compile_assistant, compile_policy
from customhouse.manifest.load import load
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.plan import Difference, difference, policy_difference
from customhouse.manifest.problem import ManifestErrors
from customhouse.manifest.source import files_at

RELEASE: Final = re.compile(r"(?P<assistant>[A-Za-z0-9][A-Za-z0-9_.\-]{0,63})@(?P<number>[0-9]{1,9})")


@click.command()
@click.argument("assistant", required=False)
@click.option(
    "--from",
    "origin",
    metavar="REF|ASSISTANT@N",
    help="A git ref or a release; HEAD, and with --replay what is in force, if it is left out.",
)
@click.option(
    "--replay",
    "calls",
    type=click.IntRange(1, MAX_CALLS),
    metavar="N",
    help="Decide the last N recorded tool calls again under both versions.",
)
@environment_option
@click.option("--tenant", help="With --replay: look in this tenant's log only.")
@manifest_option
@json_option
@click.pass_context
def diff(
    ctx: click.Context,
    assistant: str | None,
    origin: str | None,
    calls: int | None,
    environment: Environment,
    tenant: str | None,
    *,
    manifest: Path,
    as_json: bool,
) -> None:
    """Show what would change, in capabilities; of one ASSISTANT or of each.

    Compares the manifest's files with a git ref, or with a release. With --replay N it also says which of the last N
    recorded tool calls of the assistant in the environment would be decided differently, and of which nothing can be
    said. Whoever asks for that has payloads opened: a record says so.
    """
    now = load(manifest)
    if calls is not None:
        name = assistant or _only(now)
        before = _before(ctx, manifest, name, origin, environment)
        after = compile_assistant(now, name)
        found = replay(client(ctx), name, environment, before.documents.tools, after.documents.tools, calls, tenant)
        change = difference(name, before, after)
        if as_json:
            emit({"assistants": () if change.empty else (change,), "replay": found}, as_json=True, render=str)
            return
        for line in (*lines(() if change.empty else (change,)), "", *told(found)):
            click.echo(visible(line))
        return
    found_each = _differing(ctx, manifest, now, origin or "HEAD")
    differing = tuple(each for each in found_each if assistant in {None, each.assistant})
    if as_json:
        emit({"assistants": differing}, as_json=True, render=str)
        return
    for line in lines(differing):
        click.echo(visible(line))


def _differing(ctx: click.Context, manifest: Path, now: Manifest, origin: str) -> Iterator[Difference]:
    named = RELEASE.fullmatch(origin)
    if named:
        name = named["assistant"]
        after = compile_assistant(now, name)
        before = Compiled(release(client(ctx), name, int(named["number"])), after.charter)
        yield difference(name, before, after)
        return
    with files_at(manifest, origin) as directory, _earlier(origin):
        then = load(directory)
    yield from differences(then, now, origin)


def _only(manifest: Manifest) -> str:
    """Return the one assistant that the manifest declares."""
    names = sorted(manifest.declared.assistants)
    if len(names) != 1:
        raise click.UsageError(f"--replay is about one assistant; name one of {', '.join(names) or 'none declared'}")
    return names[0]


def _before(ctx: click.Context, manifest: Path, name: str, origin: str | None, environment: Environment) -> Compiled:
    """Return the version that the manifest is compared with, for recorded calls."""
    if origin is None:
        with naming(client(ctx), name):
            found = in_force(client(ctx), name, environment)
        if found is None:
            raise NotInForce(f"nothing of {name} is in force in {environment}; name a release or a commit with --from")
        return found.compiled
    named = RELEASE.fullmatch(origin)
    if named and named["assistant"] != name:
        raise click.UsageError(f"--from names {named['assistant']}, and --replay is about {name}")
    if named:
        documents = release(client(ctx), name, int(named["number"]))
        return Compiled(documents, compile_assistant(load(manifest), name).charter)
    with files_at(manifest, origin) as directory, _earlier(origin):
        return compile_assistant(load(directory), name)


def differences(before: Manifest, after: Manifest, origin: str) -> Iterator[Difference]:
    """Give the difference of each assistant that changes since `origin`; one without charter, by its policy alone."""
    old = {*before.declared.assistants, *before.declared.assistant_policies}
    new = {*after.declared.assistants, *after.declared.assistant_policies}
    for name in sorted(old | new):
        if name not in new:
            yield Difference(assistant=name, planes=(), capabilities=(), charter=(), loosens=False, gone=True)
            continue
        if name in after.declared.assistants:
            wanted = compile_assistant(after, name)
            with _earlier(origin):
                known = compile_assistant(before, name) if name in before.declared.assistants else None
            change = difference(name, known, wanted)
        else:
            policy = compile_policy(before, name) if name in old else None
            change = policy_difference(name, policy, compile_policy(after, name))
        if not change.empty:
            yield change


@contextmanager
def _earlier(origin: str) -> Generator[None]:
    """Say of a problem that it is not in the files here."""
    try:
        yield
    except ManifestErrors as errors:
        message = f"the manifest at {origin} has problems itself; name another commit with --from:\n{errors.detail}"
        raise ManifestInvalid(message) from errors


def lines(found: tuple[Difference, ...]) -> Iterator[str]:
    """Give differences as text for people."""
    if not found:
        yield "no change"
    for change in found:
        if change.gone:
            yield f"{change.assistant}: no longer declared (what is in force stays in force)"
            continue
        planes = ", ".join(change.planes) or "no plane"
        yield f"{change.assistant}{' (new)' if change.first else ''}: {planes} changed"
        if change.planes and not change.capabilities:
            yield "  ~ no capability changes"
        yield from (f"  {capability.text}" for capability in change.capabilities)
        yield from (f"  {sentence} [charter]" for sentence in change.charter)
        if change.loosens:
            yield "  it loosens: where reviewers are asked for, a second person signs it off"
