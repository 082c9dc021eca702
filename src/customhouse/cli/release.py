# SPDX-License-Identifier: Apache-2.0
"""`customhouse release`: compile the manifest, publish it as a signed release, put it into force."""

from datetime import UTC, datetime
from pathlib import Path

import click

from customhouse.cli.client import client
from customhouse.cli.manifest_option import manifest_option
from customhouse.cli.options import ENVIRONMENTS, json_option
from customhouse.cli.outcome import capabilities, leave_if_waiting, told, waiting
from customhouse.cli.output import emit, say
from customhouse.domain.errors import ManifestInvalid
from customhouse.domain.plane import PLANES
from customhouse.registry.environment import EnvironmentName
from customhouse.rollout.submission import Published, Submission, SubmittedDocuments


@click.command()
@click.argument("assistant")
@click.option("--notes", required=True, help="What changed and why; signed with the release.")
@click.option(
    "--environment",
    "-e",
    type=click.Choice(ENVIRONMENTS),
    default="dev",
    show_default=True,
    help="Where the release comes into force.",
)
@click.option("--publish-only", is_flag=True, help="Publish and sign it; put it into force nowhere.")
@manifest_option
@json_option
@click.pass_context
def release(
    ctx: click.Context,
    assistant: str,
    notes: str,
    environment: EnvironmentName,
    manifest: Path,
    *,
    publish_only: bool,
    as_json: bool,
) -> None:
    """Publish ASSISTANT's five documents as one signed release.

    A document that did not change keeps its version. A release that lets the model do more waits for a second person
    where the environment asks for reviewers; the exit status is 1 until then.
    """
    if not notes.strip():
        raise click.BadParameter("say what changed and why.", ctx, param_hint="--notes")
    submission = _compiled(assistant, notes, None if publish_only else environment, manifest)
    if submission.git_commit is None:
        say(f"{manifest}/ is no clean git checkout: git_commit is null, so staging and production refuse this release")
    published = client(ctx).fetch("POST", "/api/v1/releases", Published, submission)
    emit(published, as_json=as_json, render=_told)
    leave_if_waiting(ctx, published.terms, published.outcome and published.outcome.waiting)


def _compiled(assistant: str, notes: str, environment: EnvironmentName | None, directory: Path) -> Submission:
    from customhouse.manifest.check import check  # noqa: PLC0415 - imports the YAML reader
    from customhouse.manifest.compile import compile_assistant  # noqa: PLC0415 - likewise
    from customhouse.manifest.load import load  # noqa: PLC0415 - likewise
    from customhouse.manifest.source import git_commit  # noqa: PLC0415 - likewise

    manifest = load(directory)
    errors = check(manifest, today=datetime.now(UTC).date()).errors
    if errors:
        raise ManifestInvalid("\n".join(f"{remark.place}: {remark.text}" for remark in errors))
    compiled = compile_assistant(manifest, assistant)
    organization = manifest.declared.organization
    declared = organization is not None and ("organization", "reviewers") in manifest.places
    return Submission(
        assistant=assistant,
        documents=SubmittedDocuments(
            model=compiled.documents.model,
            prompt=compiled.documents.prompt,
            tools=compiled.documents.tools,
            retrieval=compiled.documents.retrieval,
            safety=compiled.documents.safety,
        ),
        charter=compiled.charter,
        notes=notes,
        git_commit=git_commit(directory),
        environment=environment,
        reviewers={name: manifest.reviewers[name] for name in ENVIRONMENTS} if declared else None,
    )


def _told(published: Published) -> str:
    statement = published.release.statement
    found = [f"Released {statement.name}, signed by {published.release.key_id}"]
    for plane in PLANES:
        version = published.versions[plane]
        found.append(f"  {plane:<10} version {version.number}{'' if version.new else ' (unchanged)'}")
    found.append("Against the release before:" if statement.previous else "The first release:")
    found.extend(capabilities(statement.capability_diff) or ["  nothing that the assistant may do changes"])
    if published.terms is not None:
        found.append(waiting(published.terms))
    found.append(
        "In force nowhere yet." if published.outcome is None else told(published.outcome, statement.capability_diff)
    )
    return "\n".join(found)
