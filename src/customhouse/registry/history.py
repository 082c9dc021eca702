# SPDX-License-Identifier: Apache-2.0
"""One entry of an assistant's history: which pins moved from where to where, who moved them, who signed it off, why."""

import msgspec

from customhouse.domain.digest import Digest
from customhouse.domain.plane import PLANES, Plane
from customhouse.registry.pins import Pins


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One version in use at that moment."""

    digest: Digest
    version: int
    release: int


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What happened. `planes` are those whose version differs; `reviewers` signed it off, through `change`."""

    planes: tuple[Plane, ...]
    before: dict[Plane, Point] | None
    after: dict[Plane, Point]
    stamp_before: str | None
    stamp: str
    reason: str
    requested_by: str
    reviewers: tuple[str, ...]
    change: str | None
    loosened: bool


def points(pins: Pins, numbers: dict[Plane, int]) -> dict[Plane, Point]:
    """Return `pins` with the version numbers beside them."""
    return {
        plane: Point(
            digest=pins.planes[plane].digest, version=numbers[plane], release=pins.planes[plane].release_number
        )
        for plane in PLANES
    }
