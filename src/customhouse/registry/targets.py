# SPDX-License-Identifier: Apache-2.0
"""Whether a published model version can still be put into force: what it asks may have retired since."""

from datetime import date

import msgspec

from customhouse.domain.digest import Digest
from customhouse.domain.errors import IntegrityFailed
from customhouse.domain.plane import Plane
from customhouse.registry import load, tables
from customhouse.registry.retirement import Retirement, out_of_service, retired
from customhouse.store.database import Transaction


class Ends(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of a model version has retired. `all`: nothing of its route is left, so that it is no target any more."""

    retired: tuple[Retirement, ...]
    all: bool


def ends(tx: Transaction, assistant: str, digest: Digest, today: date) -> Ends | None:
    """Return what of a model version has retired; None when nothing has, or when it cannot be read. One query."""
    try:
        document = load.model(assistant, digest, tables.version_document(tx, assistant, Plane.MODEL, digest))
    except IntegrityFailed:
        return None
    gone = retired(document, today)
    return Ends(retired=gone, all=out_of_service(document, today)) if gone else None
