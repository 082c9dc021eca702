# SPDX-License-Identifier: Apache-2.0
"""`customhouse verify`: verify a release file offline. It opens the file and the public key, and nothing else."""

from pathlib import Path
from typing import Final

import click
import msgspec

from customhouse.cli.options import json_option
from customhouse.cli.output import EXIT_REFUSED, emit
from customhouse.registry.release import Statement
from customhouse.registry.verify import Step, verify_release

NOTHING_TO_COMPARE: Final = "the file holds no documents"
"""How the step begins that had no document to compare with its digest."""
MAX_FILE_BYTES: Final = 16 * 1024 * 1024
"""Five documents of at most 1 MiB each, indented, and the statement."""


class ShownStep(msgspec.Struct, frozen=True, kw_only=True):
    """One check; `skipped` when the file had nothing that it could look at."""

    step: int
    ok: bool
    skipped: bool
    text: str


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict, and the steps that led to it."""

    verified: bool
    steps: tuple[ShownStep, ...]
    statement: Statement | None


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--public-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The release key's public half in PEM, from a source you trust (customhouse keys public).",
)
@json_option
@click.pass_context
def verify(ctx: click.Context, file: Path, public_key: Path, *, as_json: bool) -> None:
    """Verify a release FILE (from `releases export` or `releases show --json`) without any server or database."""
    if max(file.stat().st_size, public_key.stat().st_size) > MAX_FILE_BYTES:
        raise click.ClickException(f"a release file has at most {MAX_FILE_BYTES} bytes")
    verdict = verify_release(file.read_bytes(), public_key.read_text(encoding="utf-8", errors="replace"))
    steps = tuple(_shown(step) for step in verdict.steps)
    verified = Verified(verified=verdict.statement is not None, steps=steps, statement=verdict.statement)
    emit(verified, as_json=as_json, render=_told)
    if not verified.verified:
        ctx.exit(EXIT_REFUSED)


def _shown(step: Step) -> ShownStep:
    skipped = step.passed and step.text.startswith(NOTHING_TO_COMPARE)
    return ShownStep(step=step.number, ok=step.passed, skipped=skipped, text=step.text)


def _told(found: Verified) -> str:
    words = ("FAIL" if not step.ok else "skipped" if step.skipped else "ok  " for step in found.steps)
    lines = [f"({step.step}) {word} {step.text}" for step, word in zip(found.steps, words, strict=True)]
    statement = found.statement
    if statement is None:
        return "\n".join([*lines, "NOT VERIFIED: do not rely on this file."])
    commit = f"commit {statement.git_commit}" if statement.git_commit else "no commit"
    who = f"released by {statement.released_by} at {statement.released_at} from {commit}"
    return "\n".join([*lines, f"VERIFIED: {statement.name}, {who}."])
