# SPDX-License-Identifier: Apache-2.0
"""What the verbs of this room answer: pins moved, or a change that waits for a second person."""

import msgspec

from customhouse.domain.capability import Capability
from customhouse.domain.plane import Plane
from customhouse.registry.change import MoveKind
from customhouse.registry.retirement import Retirement


class Moved(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Pins moved. `planes` are those whose version differs now; `holds` stand on what was rolled back.

    `retirements` names what the model version asks that has retired or soon will, when the model plane moved.
    """

    assistant: str
    environment: str
    kind: MoveKind
    planes: tuple[Plane, ...]
    stamp_before: str | None
    stamp: str
    generation: int
    capabilities: tuple[Capability, ...]
    holds: tuple[int, ...]
    retirements: tuple[Retirement, ...] = ()


class Waiting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Nothing moved: a second person signs it off first. `effects` are the loosenings, one sentence each."""

    change: str
    environment: str
    reviewers: int
    effects: tuple[str, ...]


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What became of a move: exactly one of the two."""

    moved: Moved | None = None
    waiting: Waiting | None = None
