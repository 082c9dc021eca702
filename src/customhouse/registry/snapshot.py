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
    """Five verified documents and the charter, with the receipt stamp that every answer carries.

    `switches` are the standing scopes that concern this assistant (`switches.narrowing`); the digest covers them.
    """

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
    switches: tuple[str, ...] = ()


def snapshot_digest(digests: Mapping[Plane, Digest], switches: tuple[str, ...] = ()) -> Digest:
    """Return the digest of what is in force: five versions, and the switches that narrow them, sorted."""
    return digest({"planes": {plane.value: digests[plane] for plane in PLANES}, "switches": list(switches)})
