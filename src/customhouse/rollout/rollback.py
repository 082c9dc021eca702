# SPDX-License-Identifier: Apache-2.0
"""Roll back: one plane or several go to what an earlier release carried, the others stay exactly as they are.

Rules kept:
- The target was in force in this environment and is earlier than what it replaces: a rollback brings nothing new, so
  on-call may do it at night. One that loosens all the same (the old tools allowed more) waits like any loosening.
- A release whose models have all retired is no target: it is passed over, and refused when it is named.
- What is rolled back is held there, so that the next release does not bring it back by itself.
"""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Final

import msgspec

from customhouse.domain.clock import utc_day
from customhouse.domain.errors import NotEarlier, NothingToDo, NotInForce
from customhouse.domain.plane import PLANES, Plane
from customhouse.domain.principal import Actor
from customhouse.registry import history_tables, load, tables
from customhouse.registry.control import Control
from customhouse.registry.environment import EnvironmentName
from customhouse.registry.pins import Carried, Pins, changed, earlier, moved
from customhouse.registry.targets import ends
from customhouse.rollout.answer import Outcome
from customhouse.rollout.captain import require_captain
from customhouse.rollout.move import Intent, statement_of, submit
from customhouse.rollout.submission import AssistantName, Generation, ReleaseNumber, Text
from customhouse.store.database import Transaction

MAX_PLANES: Final = 5


class Rollback(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which planes go back; `to` is a release number, None the newest earlier one that fits (registry/pins.py)."""

    assistant: AssistantName
    planes: Annotated[tuple[Plane, ...], msgspec.Meta(min_length=1, max_length=MAX_PLANES)]
    environment: EnvironmentName
    reason: Text
    to: ReleaseNumber | None = None
    expected_generation: Generation | None = None


async def rollback(control: Control, actor: Actor, trace_id: str, wanted: Rollback) -> Outcome:
    """Move the named planes back. Raises NotTheCaptain, NotInForce, NotEarlier and what `move.submit` raises."""

    def work(tx: Transaction) -> Outcome:
        found = tables.charter(tx, wanted.assistant)
        require_captain(actor, wanted.assistant, None if found is None else found.charter, or_oncall=True)
        planes = tuple(plane for plane in PLANES if plane in wanted.planes)
        intent = Intent(
            kind="rolled_back",
            environment=wanted.environment,
            assistant=wanted.assistant,
            number=_target(tx, control, wanted, planes),
            planes=planes,
            reason=wanted.reason,
            expected_generation=wanted.expected_generation,
        )
        return submit(tx, control, actor, trace_id, intent)

    return await control.database.transact(work)


def _target(tx: Transaction, control: Control, wanted: Rollback, planes: tuple[Plane, ...]) -> int:
    pins = tables.pins(tx, wanted.environment, wanted.assistant)
    if pins is None:
        raise NotInForce(f"{wanted.assistant} has no release in {wanted.environment}, so there is nothing to roll back")
    if wanted.to is not None:
        _require_earlier(tx, control, wanted, planes, pins)
        return wanted.to
    held = frozenset(
        (hold.plane, hold.digest) for hold in history_tables.holds(tx, wanted.environment, wanted.assistant)
    )
    releases = _releases(tx, control, wanted)
    if Plane.MODEL in planes:
        today = utc_day(control.clock.now_us())
        releases = (each for each in releases if not _out_of_service(tx, wanted.assistant, each, today))
    found = earlier(pins, planes, releases, held)
    if found is None:
        named = ", ".join(planes)
        raise NotEarlier(
            f"no earlier release that was in force in {wanted.environment} has another version of {named} that is not "
            f"held and whose models have not all retired; `customhouse history {wanted.assistant}` lists what was in "
            "force"
        )
    return found.number


def _releases(tx: Transaction, control: Control, wanted: Rollback) -> Iterator[Carried]:
    for number in _promoted(tx, wanted):
        yield load.carried(statement_of(tx, control, wanted.assistant, number))


def _out_of_service(tx: Transaction, assistant: str, release: Carried, today: date) -> bool:
    """Whether every model that the release asks has retired: such a release is no target, and is passed over."""
    found = ends(tx, assistant, release.digests[Plane.MODEL], today)
    return found is not None and found.all  # what cannot be read is refused by the move itself, if it comes to that


def _promoted(tx: Transaction, wanted: Rollback) -> Iterator[int]:
    """Return the numbers of the releases that were in force where the rollback is wanted, newest first."""
    return history_tables.promoted_releases(tx, wanted.environment, wanted.assistant)


def _require_earlier(
    tx: Transaction, control: Control, wanted: Rollback, planes: tuple[Plane, ...], pins: Pins
) -> None:
    number = wanted.to or 0
    target = load.carried(statement_of(tx, control, wanted.assistant, number))
    if number not in _promoted(tx, wanted):
        raise NotEarlier(
            f"{wanted.assistant}@{number} was never in force in {wanted.environment}; "
            f"`customhouse promote {wanted.assistant}@{number} --environment {wanted.environment}` puts it there"
        )
    moving = changed(pins, moved(pins, planes, target))
    if not moving:
        raise NothingToDo(f"{', '.join(planes)} of {wanted.assistant} are what {wanted.assistant}@{number} carries")
    forward = [plane for plane in moving if pins.planes[plane].release_number < number]
    if forward:
        raise NotEarlier(
            f"{', '.join(forward)} would go forward to {wanted.assistant}@{number}, which is no rollback; "
            f"`customhouse promote` goes forward"
        )
