# SPDX-License-Identifier: Apache-2.0
"""Endpoints of releases: publish one, read one with its signature and documents."""

from typing import Final

import msgspec

from customhouse.api.route import ROOT, Call, Route
from customhouse.api.whole_number import whole_number
from customhouse.domain.digest import Digest
from customhouse.domain.plane import PLANES, Plane
from customhouse.registry import tables
from customhouse.registry.release import Envelope, envelope
from customhouse.rollout.move import documents_of, release_of
from customhouse.rollout.release import release
from customhouse.rollout.submission import Published, Submission, SubmittedDocuments
from customhouse.store.database import Transaction


class ReleaseShown(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A signed release with what it carries. `release` alone is what the signature covers, with the digests in it."""

    release: Envelope
    digest: Digest
    documents: SubmittedDocuments
    versions: dict[Plane, int | None]


async def _publish(call: Call[Submission]) -> Published:
    return await release(call.control, call.actor, call.trace_id, call.body)


async def _show(call: Call[None]) -> ReleaseShown:
    assistant, number = call.path["assistant"], whole_number(call.path["number"], "number")

    def work(tx: Transaction) -> ReleaseShown:
        signed, statement = release_of(tx, call.control, assistant, number)
        documents = documents_of(tx, assistant, statement.planes)
        return ReleaseShown(
            release=envelope(signed, statement),
            digest=signed.digest,
            documents=SubmittedDocuments(
                model=documents.model,
                prompt=documents.prompt,
                tools=documents.tools,
                retrieval=documents.retrieval,
                safety=documents.safety,
            ),
            versions={plane: tables.version_number(tx, assistant, plane, statement.planes[plane]) for plane in PLANES},
        )

    return await call.control.database.read(work)


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "POST",
        f"{ROOT}/releases",
        "release.publish",
        "Publish five versions as a signed release and, if an environment is named, put it into force.",
        Submission,
        Published,
        _publish,
        status=201,
    ),
    Route(
        "GET",
        f"{ROOT}/releases/{{assistant}}/{{number}}",
        "documents.read",
        "Show a signed release with its documents.",
        None,
        ReleaseShown,
        _show,
    ),
)
"""The endpoints of this file."""
