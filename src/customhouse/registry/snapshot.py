# SPDX-License-Identifier: Apache-2.0
"""What is in force for one assistant in one environment at one instant. A turn reads exactly one snapshot.

Invariant: a snapshot never changes. A move of pins makes another one, with another generation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from customhouse.domain.digest import Digest, digest
from customhouse.domain.plane import PLANES, Plane
from customhouse.registry.charter import Charter
from customhouse.registry.documents import Documents


class PinnedVersion(NamedTuple):
    """A version in force: its digest, its number among the assistant's versions of this plane, the release it is of."""

    digest: Digest
    number: int
    release_number: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Five verified documents and the charter, with the receipt stamp that every answer carries."""

    environment: str
    assistant: str
    documents: Documents
    versions: Mapping[Plane, PinnedVersion]
    stamp: str
    digest: Digest
    generation: int
    charter: Charter
    charter_number: int
    release_number: int


def snapshot_digest(digests: Mapping[Plane, Digest]) -> Digest:
    """Return the digest of what is in force; `switches` is empty until switches exist."""
    return digest({"planes": {plane.value: digests[plane] for plane in PLANES}, "switches": []})
