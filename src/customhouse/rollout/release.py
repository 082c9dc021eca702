# SPDX-License-Identifier: Apache-2.0
"""Release: publish five versions, sign them together, and put them into force. One transaction, or nothing at all.

(1) the documents are complete and fit each other
(2) the actor answers for the assistant: by the charter in force or, for the first release, by the one submitted
(3) versions: a document that is published already keeps its number
(4) the statement, with the difference in capabilities to the release before, is signed and kept
(5) the terms: charter and reviewers (terms.py)
(6) the move into the environment (move.py), which may wait for a second person
"""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from customhouse.domain.clock import rfc3339
from customhouse.domain.digest import Digest, digest_bytes
from customhouse.domain.errors import InvalidRequest, ManifestInvalid, NothingToDo
from customhouse.domain.plane import PLANES, Plane
from customhouse.domain.principal import Actor
from customhouse.planes.model.document import Document as ModelDocument
from customhouse.planes.prompt.document import Document as PromptDocument
from customhouse.planes.retrieval.document import Document as RetrievalDocument
from customhouse.planes.safety.document import Document as SafetyDocument
from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.registry import load, tables
from customhouse.registry.capability import compare, loosens
from customhouse.registry.charter import Charter
from customhouse.registry.control import Control
from customhouse.registry.documents import Documents
from customhouse.registry.environment import EnvironmentName
from customhouse.registry.pins import promoted
from customhouse.registry.release import Envelope, Signed, Statement, envelope, sign
from customhouse.rollout.answer import Outcome, Waiting
from customhouse.rollout.captain import require_captain
from customhouse.rollout.fit import require_fit
from customhouse.rollout.move import Intent, documents_of, statement_of, submit
from customhouse.rollout.terms import settle
from customhouse.store.database import Transaction

MAX_DOCUMENT_BYTES: Final = 1024 * 1024
"""One document at most; a prompt of a megabyte is a mistake."""
MAX_NAMED: Final = 20
"""Tools named in one error message."""

AssistantName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
"""A reason: it is kept as evidence, whose records have 8 KB."""
Notes = Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
Commit = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
Reviewers = Annotated[int, msgspec.Meta(ge=0, le=5)]
"""More would let one captain lock an environment for everybody."""


class SubmittedDocuments(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The five documents, as the manifest compiles them."""

    model: ModelDocument
    prompt: PromptDocument
    tools: ToolsDocument
    retrieval: RetrievalDocument
    safety: SafetyDocument


class Submission(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What somebody wants to release. `environment` None publishes without putting it into force."""

    assistant: AssistantName
    documents: SubmittedDocuments
    charter: Charter
    notes: Notes
    git_commit: Commit | None
    environment: EnvironmentName | None
    reviewers: dict[EnvironmentName, Reviewers] | None = None
    expected_generation: int | None = None


class PublishedVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One version of a release. `new` is False when the document did not change."""

    number: int
    digest: Digest
    new: bool


class Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A release as it was published. `outcome` is its move into the environment, `terms` a charter that waits."""

    release: Envelope
    digest: Digest
    versions: dict[Plane, PublishedVersion]
    outcome: Outcome | None = None
    terms: Waiting | None = None


async def release(control: Control, actor: Actor, trace_id: str, submission: Submission) -> Published:
    """Publish, sign and, if an environment is named, put into force.

    Raises ManifestInvalid, PlanesConflict, NotTheCaptain, NothingToDo, and what `move.submit` raises.
    """
    documents = Documents(**{plane.value: getattr(submission.documents, plane) for plane in PLANES})
    contents = _checked(documents)
    return await control.database.transact(
        lambda tx: _publish(tx, control, actor, trace_id, submission, documents, contents)
    )


def _checked(documents: Documents) -> dict[Plane, bytes]:
    """Step (1)."""
    undeclared = sorted(name for name, grant in documents.tools.grants.items() if grant.effect == "undeclared")
    if undeclared:
        listed = ", ".join(undeclared[:MAX_NAMED])
        raise ManifestInvalid(f"no effect is declared for {listed}: name read, write or irreversible under `tools:`")
    require_fit(documents)
    try:
        contents = documents.encoded()
    except ValueError as error:
        raise InvalidRequest(f"a document has no canonical form: {error}") from error
    for plane, content in contents.items():
        if len(content) > MAX_DOCUMENT_BYTES:
            raise ManifestInvalid(f"the {plane} document has {len(content)} bytes, at most {MAX_DOCUMENT_BYTES}")
    return contents


def _publish(
    tx: Transaction,
    control: Control,
    actor: Actor,
    trace_id: str,
    submission: Submission,
    documents: Documents,
    contents: Mapping[Plane, bytes],
) -> Published:
    assistant = submission.assistant
    in_force = tables.charter(tx, assistant)
    require_captain(actor, assistant, submission.charter if in_force is None else in_force.charter)
    digests = {plane: digest_bytes(contents[plane]) for plane in PLANES}
    last = tables.last_release_number(tx, assistant)
    previous = None if last is None else statement_of(tx, control, assistant, last)
    if previous is not None:
        _require_news(tx, submission, digests, previous)
    versions = {
        plane: _version(tx, control, actor, submission, plane, digests[plane], contents[plane]) for plane in PLANES
    }
    statement = Statement(
        v=1,
        assistant=assistant,
        number=(last or 0) + 1,
        planes=digests,
        previous=last,
        capability_diff=compare(previous and documents_of(tx, assistant, previous.planes), documents),
        git_commit=submission.git_commit,
        notes=submission.notes,
        gate_results=(),
        released_by=actor.name,
        released_at=rfc3339(control.clock.now_us()),
    )
    signed = _keep(tx, control, statement)
    _record(tx, control, trace_id, statement, signed, versions)
    reason = f"release {statement.name}"
    terms = settle(tx, control, actor, trace_id, assistant, submission.charter, submission.reviewers or {}, reason)
    outcome: Outcome | None = None
    if submission.environment is not None:
        intent = Intent(
            kind="promoted",
            environment=submission.environment,
            assistant=assistant,
            number=statement.number,
            planes=PLANES,
            reason=reason,
            expected_generation=submission.expected_generation,
        )
        outcome = submit(tx, control, actor, trace_id, intent)
    return Published(
        release=envelope(signed, statement), digest=signed.digest, versions=versions, outcome=outcome, terms=terms
    )


def _require_news(
    tx: Transaction, submission: Submission, digests: Mapping[Plane, Digest], previous: Statement
) -> None:
    """Refuse a release that would say nothing new, so that repeating a command makes no second release."""
    charter = tables.charter(tx, submission.assistant)
    reviewers = submission.reviewers or {}
    same = (
        previous.planes == digests
        and previous.git_commit == submission.git_commit
        and charter is not None
        and charter.charter == submission.charter
        and all(tables.environment(tx, name).reviewers == count for name, count in reviewers.items())
    )
    if not same:
        return
    if submission.environment is None:
        raise NothingToDo(f"nothing changed since {previous.name}")
    if tables.pins(tx, submission.environment, submission.assistant) == promoted(load.carried(previous)):
        raise NothingToDo(f"nothing changed since {previous.name}, which is in force in {submission.environment}")


def _version(
    tx: Transaction,
    control: Control,
    actor: Actor,
    submission: Submission,
    plane: Plane,
    digest: Digest,
    content: bytes,
) -> PublishedVersion:
    """Step (3)."""
    known = tables.version_number(tx, submission.assistant, plane, digest)
    if known is not None:
        return PublishedVersion(number=known, digest=digest, new=False)
    number = tables.insert_version(
        tx,
        submission.assistant,
        plane,
        digest,
        content,
        git_commit=submission.git_commit,
        actor=actor.name,
        now_us=control.clock.now_us(),
    )
    return PublishedVersion(number=number, digest=digest, new=True)


def _keep(tx: Transaction, control: Control, statement: Statement) -> Signed:
    """Step (4)."""
    try:
        signed = sign(statement, control.release_key)
    except ValueError as error:
        raise InvalidRequest(f"the notes have no canonical form: {error}") from error
    tables.insert_release(tx, statement.assistant, statement.number, signed, control.clock.now_us())
    return signed


def _record(
    tx: Transaction,
    control: Control,
    trace_id: str,
    statement: Statement,
    signed: Signed,
    versions: Mapping[Plane, PublishedVersion],
) -> None:
    detail: dict[str, object] = {
        "release": statement.name,
        "digest": signed.digest,
        "key_id": signed.key_id,
        "git_commit": statement.git_commit,
        "previous": statement.previous,
        "versions": {plane.value: f"{version.number} {version.digest}" for plane, version in versions.items()},
        "capability_changes": len(statement.capability_diff),
        "loosens": loosens(statement.capability_diff),
    }
    entry = control.ledger.event(
        "release.published",
        actor=statement.released_by,
        trace_id=trace_id,
        assistant=statement.assistant,
        detail=detail,
        references=(statement.name, signed.digest, *(version.digest for version in versions.values() if version.new)),
    )
    control.ledger.write(tx, [entry])
