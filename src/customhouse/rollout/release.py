# SPDX-License-Identifier: Apache-2.0
"""Release: publish five versions, sign them together, and put them into force. One transaction, or nothing at all.

(1) the documents are complete and fit each other, and no model that the route names has retired
(2) the actor answers for the assistant: by the charter in force or, for the first release, by the one submitted
(3) versions: a document that is published already keeps its number
(4) the statement, with the difference in capabilities to the release before, is signed and kept
(5) the terms: charter and reviewers (terms.py)
(6) the move into the environment (move.py), which may wait for a second person
"""

from collections.abc import Mapping

from customhouse.domain.clock import rfc3339
from customhouse.domain.digest import Digest, digest_bytes
from customhouse.domain.errors import InvalidRequest, NothingToDo
from customhouse.domain.plane import PLANES, Plane
from customhouse.domain.principal import Actor
from customhouse.registry import load, tables
from customhouse.registry.capability import compare, loosens
from customhouse.registry.control import Control
from customhouse.registry.documents import Documents
from customhouse.registry.pins import promoted
from customhouse.registry.release import Signed, Statement, envelope, sign
from customhouse.rollout.answer import Outcome
from customhouse.rollout.captain import require_captain
from customhouse.rollout.move import Intent, documents_of, statement_of, submit
from customhouse.rollout.submission import Published, PublishedVersion, Submission
from customhouse.rollout.terms import settle
from customhouse.rollout.usable import require_in_service, require_lasting, require_usable
from customhouse.store.database import Transaction


async def release(control: Control, actor: Actor, trace_id: str, submission: Submission) -> Published:
    """Publish, sign and, if an environment is named, put into force.

    Raises ManifestInvalid, PlanesConflict, ModelRetired, NotTheCaptain, NothingToDo, and what `move.submit` raises.
    """
    documents = submission.documents.together()
    contents = require_usable(documents, submission.charter)
    require_lasting(documents.model, control.clock.now_us())
    require_in_service(documents.model, control.clock.now_us())
    return await control.database.transact(
        lambda tx: _publish(tx, control, actor, trace_id, submission, documents, contents)
    )


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
