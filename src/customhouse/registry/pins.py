# SPDX-License-Identifier: Apache-2.0
"""Pins: which version of each plane an environment uses, and how they move. Pure.

Rules kept:
- Moving one plane never changes another (invariant 4; property-tested).
- A release number beside a pin says which release the version was taken from; `base` is the release promoted last. The
  receipt stamp names the base, then every plane that comes from another release: `support@41+prompt@38`.
- Without a target, a rollback goes to the newest earlier release that was in force in the same environment, that
  differs in at least one of the named planes, and none of whose differing versions is held there.

Story: Ana releases 40 and 41 to production; only the prompt differs. Ola rolls `prompt` back: the stamp becomes
`support@41+prompt@40` and 41's prompt is held. If Ola asks again, the answer is 39's prompt, never 41's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from customhouse.domain.digest import Digest
from customhouse.domain.plane import PLANES, Plane


class Pin(NamedTuple):
    """One version in use, and the release it was taken from."""

    digest: Digest
    release_number: int


class Carried(NamedTuple):
    """A release as pins see it: its number and the digest it carries for each plane."""

    number: int
    digests: Mapping[Plane, Digest]


@dataclass(frozen=True, slots=True)
class Pins:
    """The five pins of one assistant in one environment."""

    base: int
    planes: Mapping[Plane, Pin]

    def digests(self) -> dict[Plane, Digest]:
        """Return the digest in use for each plane."""
        return {plane: self.planes[plane].digest for plane in PLANES}


Held = frozenset[tuple[Plane, Digest]]
"""Versions that were rolled back in an environment and wait for a person to lift the hold."""


def promoted(release: Carried) -> Pins:
    """Return all five pins taken from one release."""
    return Pins(release.number, {plane: Pin(release.digests[plane], release.number) for plane in PLANES})


def moved(pins: Pins, planes: Iterable[Plane], release: Carried) -> Pins:
    """Return `pins` with only `planes` taken from `release`; a plane whose version is the same keeps its pin."""
    named = frozenset(planes)
    return Pins(
        pins.base,
        {
            plane: Pin(release.digests[plane], release.number)
            if plane in named and pin.digest != release.digests[plane]
            else pin
            for plane, pin in ((plane, pins.planes[plane]) for plane in PLANES)
        },
    )


def changed(before: Pins | None, after: Pins) -> tuple[Plane, ...]:
    """Return the planes whose version differs."""
    return tuple(
        plane for plane in PLANES if before is None or before.planes[plane].digest != after.planes[plane].digest
    )


def stamp(assistant: str, pins: Pins) -> str:
    """Return the receipt stamp: the base release, then each plane that comes from another release."""
    overrides = (
        f"+{plane}@{pins.planes[plane].release_number}"
        for plane in PLANES
        if pins.planes[plane].release_number != pins.base
    )
    return f"{assistant}@{pins.base}" + "".join(overrides)


def refused_by_holds(before: Pins | None, after: Pins, held: Held) -> tuple[Plane, ...]:
    """Return the planes that would come to a held version. A version that is in use already is not put back."""
    return tuple(plane for plane in changed(before, after) if (plane, after.planes[plane].digest) in held)


def earlier(pins: Pins, planes: Iterable[Plane], releases: Iterable[Carried], held: Held) -> Carried | None:
    """Return the release to go back to, or None. `releases` were in force in this environment, newest first."""
    named = tuple(planes)
    limit = min(pins.planes[plane].release_number for plane in named)
    for release in releases:
        if release.number >= limit:
            continue
        after = moved(pins, named, release)
        if changed(pins, after) and not refused_by_holds(pins, after, held):
            return release
    return None


def supersets(planes: Iterable[Plane]) -> tuple[tuple[Plane, ...], ...]:
    """Return every larger set of planes that contains `planes`, smallest first, then in the order of the planes."""
    named = frozenset(planes)
    others = tuple(plane for plane in PLANES if plane not in named)
    return tuple(
        tuple(plane for plane in PLANES if plane in named or plane in extra)
        for size in range(1, len(others) + 1)
        for extra in combinations(others, size)
    )
