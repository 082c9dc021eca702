# SPDX-License-Identifier: Apache-2.0
"""What `customhouse up` prepares before anything serves: releases in dev, the dev-only key, the local model's weights.

Rules:
- Everything goes through the control API, as any other change does, with the actor `local:<uid>` and evidence.
- Nothing that exists is touched: an assistant that is in force in dev stays as it is, whatever the manifest says now,
  and the models that are started are those it names.
- The sample's support assistant gets two releases, because it really has had two wordings: so there is something to
  roll back to from the first minute. A manifest that was changed gets one.
- The key is bound to one assistant in dev, and its file is readable by its owner alone.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from customhouse.access.keys import CreatedKey, Keys, NewKey
from customhouse.cli.client import Client
from customhouse.cli.published_documents import in_force
from customhouse.manifest.compile import Compiled, compile_assistant
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.source import git_commit
from customhouse.planes.model.document import ModelKind, Weights
from customhouse.registry.environment import ENVIRONMENTS
from customhouse.registry.status import Status
from customhouse.rollout.submission import Published, Submission, SubmittedDocuments

ENVIRONMENT: Final = "dev"
FAVOURITE: Final = "customer_support_bot"
"""The sample's assistant that the dev key is for; another manifest's first assistant otherwise."""
KEY_NOTE: Final = "dev-only key made by customhouse up"
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})

SECOND_WORDING: Final = "You help customers of the {{ shop }} shop. Be brief and polite."
"""The sample's prompt as it is delivered."""
FIRST_WORDING: Final = "You are the support assistant of {{ shop }}. Answer in one short sentence."
"""The sample's prompt as it was first written."""
FIRST_NOTES: Final = "First wording of the prompt."
SECOND_NOTES: Final = "New wording: asked where an order is, the small model had answered with condolences."
"""What was seen, six times of six: "I'm sorry for your loss."."""

Say = Callable[[str], None]


class LocalModel(NamedTuple):
    """A deployment on this machine whose weights are known, and an assistant that uses it."""

    assistant: str
    alias: str
    port: int
    weights: Weights
    kind: ModelKind
    tokenizer: Weights | None


def compile_all(manifest: Manifest) -> dict[str, Compiled]:
    """Return what each assistant's release would carry; raises ManifestErrors."""
    return {name: compile_assistant(manifest, name) for name in manifest.declared.assistants}


def running(client: Client) -> dict[str, Compiled]:
    """Return what each assistant in force in dev carries; one that is refused there, because it fails, is left out."""
    status = client.fetch("GET", "/api/v1/status", Status)
    names = [one.assistant for one in status.assistants if one.environment == ENVIRONMENT and one.refused is None]
    found = {name: in_force(client, name, ENVIRONMENT) for name in names}
    return {name: one.compiled for name, one in found.items() if one is not None}


def differing(wanted: dict[str, Compiled], served: dict[str, Compiled]) -> tuple[str, ...]:
    """Return the assistants whose manifest says something else than what is in force."""
    return tuple(
        name
        for name, one in wanted.items()
        if name in served and served[name].documents.digests() != one.documents.digests()
    )


def local_models(compiled: dict[str, Compiled]) -> tuple[LocalModel, ...]:
    """Return the deployments that `up` starts: on a loopback address, with weights named. One for each port."""
    found: dict[int, LocalModel] = {}
    for name, one in compiled.items():
        for deployment in one.documents.model.deployments.values():
            address = urlsplit(deployment.base_url)
            if deployment.weights is not None and address.hostname in LOOPBACK and address.port is not None:
                model = LocalModel(
                    name,
                    deployment.model,
                    address.port,
                    deployment.weights,
                    deployment.kind,
                    deployment.tokenizer,
                )
                found.setdefault(address.port, model)
    return tuple(found.values())


def publish_missing(client: Client, manifest: Manifest, compiled: dict[str, Compiled], say: Say) -> None:
    """Release to dev every assistant that is not in force there."""
    status = client.fetch("GET", "/api/v1/status", Status)
    present = {one.assistant for one in status.assistants if one.environment == ENVIRONMENT}
    head = git_commit(manifest.directory) if compiled.keys() - present else None
    for name, wanted in compiled.items():
        if name not in present:
            for planned in _history(wanted, head):
                submission = _submission(name, planned, manifest)
                published = client.fetch("POST", "/api/v1/releases", Published, submission)
                say(f"released {published.release.statement.name} to {ENVIRONMENT}: {planned.notes}")


def dev_key(client: Client, home: Path, assistant: str, say: Say) -> Path:
    """Return the file of the dev-only key, made when there is none that stands."""
    path = home / "dev-key"
    standing = [key for key in client.fetch("GET", "/api/v1/keys", Keys).keys if _stands(key.note, key.revoked_at)]
    if not (standing and path.exists()):
        wanted = NewKey(assistant=assistant, environment=ENVIRONMENT, note=KEY_NOTE)
        _write_secret(path, client.fetch("POST", "/api/v1/keys", CreatedKey, wanted).token)
        say(f"made a key for {assistant} in {ENVIRONMENT}, kept in {path}")
    return path


def release_in_force(client: Client, assistant: str) -> str:
    """Return the release that a promotion brings back after a rollback, such as `support@2`."""
    status = client.fetch("GET", "/api/v1/status", Status)
    numbers = [one.release for one in status.assistants if (one.assistant, one.environment) == (assistant, ENVIRONMENT)]
    return f"{assistant}@{max(numbers, default=1)}"


def favourite(compiled: dict[str, Compiled]) -> str:
    """Return the assistant that the dev key and the three things to try are about."""
    return FAVOURITE if FAVOURITE in compiled else next(iter(compiled))


class _Planned(NamedTuple):
    """A release to publish. `commit` names only what git really holds."""

    notes: str
    compiled: Compiled
    commit: str | None


def _history(wanted: Compiled, head: str | None) -> tuple[_Planned, ...]:
    prompt = wanted.documents.prompt
    if prompt.template.strip() != SECOND_WORDING:
        return (_Planned("First release, published by customhouse up.", wanted, head),)
    wording = msgspec.structs.replace(prompt, template=FIRST_WORDING)
    first = wanted._replace(documents=replace(wanted.documents, prompt=wording))
    return (
        _Planned(FIRST_NOTES, first, None),
        _Planned(SECOND_NOTES, wanted, head),
    )


def _submission(assistant: str, planned: _Planned, manifest: Manifest) -> Submission:
    documents = planned.compiled.documents
    return Submission(
        assistant=assistant,
        documents=SubmittedDocuments(
            model=documents.model,
            prompt=documents.prompt,
            tools=documents.tools,
            retrieval=documents.retrieval,
            safety=documents.safety,
        ),
        charter=planned.compiled.charter,
        notes=planned.notes,
        git_commit=planned.commit,
        environment=ENVIRONMENT,
        reviewers={name: manifest.reviewers[name] for name in ENVIRONMENTS},
    )


def _stands(note: str, revoked_at: str | None) -> bool:
    return note == KEY_NOTE and revoked_at is None


def _write_secret(path: Path, token: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
    draft.replace(path)
