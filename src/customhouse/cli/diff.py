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
from customhouse.cli.options import json_option
from customhouse.cli.output import emit, visible
from customhouse.cli.published_documents import release
from customhouse.domain.errors import ManifestInvalid
from customhouse.manifest.compile import Compiled, compile_assistant, compile_policy
from customhouse.manifest.load import load
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.plan import Difference, difference, policy_difference
from customhouse.manifest.problem import ManifestErrors
from customhouse.manifest.source import files_at

RELEASE: Final = re.compile(r"(?P<assistant>[A-Za-z0-9][A-Za-z0-9_.\-]{0,63})@(?P<number>[0-9]{1,9})")


@click.command()
@click.option(
    "--from", "origin", default="HEAD", show_default=True, metavar="REF|ASSISTANT@N", help="A git ref or a release."
)
@manifest_option
@json_option
@click.pass_context
def diff(ctx: click.Context, *, origin: str, manifest: Path, as_json: bool) -> None:
    """Show what would change, in capabilities.

    Compares the manifest's files with a git ref, or with a release.
    """
    now = load(manifest)
    named = RELEASE.fullmatch(origin)
    if named:
        name = named["assistant"]
        after = compile_assistant(now, name)
        before = Compiled(release(client(ctx), name, int(named["number"])), after.charter)
        found = (difference(name, before, after),)
    else:
        with files_at(manifest, origin) as directory, _earlier(origin):
            then = load(directory)
        found = tuple(differences(then, now, origin))
    if as_json:
        emit({"assistants": found}, as_json=True, render=str)
        return
    for line in lines(found):
        click.echo(visible(line))


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
