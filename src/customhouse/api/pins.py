# SPDX-License-Identifier: Apache-2.0
"""Endpoints of pins: move them, hold versions, see what is in force and how it came about."""

from typing import Final

import msgspec

from customhouse.api.route import ROOT, Call, Parameter, Route
from customhouse.api.whole_number import MAX_DIGITS, whole_number
from customhouse.domain.errors import InvalidRequest
from customhouse.registry import history_tables
from customhouse.registry.environment import ENVIRONMENTS
from customhouse.registry.status import MAX_HISTORY, Force, History, HoldView, Status, force, history, hold_view, status
from customhouse.rollout.answer import Outcome
from customhouse.rollout.hold import Lifting, lift
from customhouse.rollout.promote import Promotion, promote
from customhouse.rollout.rollback import Rollback, rollback


class Holds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The holds that stand."""

    holds: tuple[HoldView, ...]


async def _promote(call: Call[Promotion]) -> Outcome:
    return await promote(call.control, call.actor, call.trace_id, call.body)


async def _rollback(call: Call[Rollback]) -> Outcome:
    return await rollback(call.control, call.actor, call.trace_id, call.body)


async def _status(call: Call[None]) -> Status:
    return await status(call.control, call.current)


async def _history(call: Call[None]) -> History:
    wanted = call.query.get("environment")
    return await history(
        call.control,
        call.path["assistant"],
        None if wanted is None else environment(wanted),
        before_seq=whole_number(call.query.get("before", "9" * MAX_DIGITS), "before"),
        limit=whole_number(call.query.get("limit", str(MAX_HISTORY)), "limit"),
    )


async def _force(call: Call[None]) -> Force:
    return await force(call.control, environment(call.query["environment"]), call.path["assistant"])


async def _holds(call: Call[None]) -> Holds:
    found = await call.control.database.read(history_tables.all_holds)
    return Holds(holds=tuple(hold_view(hold) for hold in found))


async def _lift(call: Call[Lifting]) -> HoldView:
    seq = whole_number(call.path["seq"], "seq")
    return hold_view(await lift(call.control, call.actor, call.trace_id, seq, call.body))


def environment(name: str) -> str:
    """Return a query's environment. Raises InvalidRequest for one that does not exist."""
    if name not in ENVIRONMENTS:
        raise InvalidRequest(
            f"{name[:64]!r} is no environment; there are {', '.join(ENVIRONMENTS)}.", param="environment"
        )
    return name


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "POST",
        f"{ROOT}/promotions",
        "pins.promote",
        "Put a release into force in an environment.",
        Promotion,
        Outcome,
        _promote,
    ),
    Route(
        "POST",
        f"{ROOT}/rollbacks",
        "pins.rollback",
        "Put earlier versions of one plane or several back into force.",
        Rollback,
        Outcome,
        _rollback,
    ),
    Route("GET", f"{ROOT}/status", "status.read", "Show what is in force everywhere.", None, Status, _status),
    Route(
        "GET",
        f"{ROOT}/history/{{assistant}}",
        "history.read",
        "Show how an assistant's pins moved, newest first.",
        None,
        History,
        _history,
        query=(
            Parameter("environment", "Only the moves in this environment."),
            Parameter("before", "Only entries before this number, to page on."),
            Parameter("limit", f"How many entries, {MAX_HISTORY} at most."),
        ),
    ),
    Route(
        "GET",
        f"{ROOT}/assistants/{{assistant}}/force",
        "documents.read",
        "Show the documents and the charter in force, verified.",
        None,
        Force,
        _force,
        query=(Parameter("environment", "The environment.", required=True),),
    ),
    Route("GET", f"{ROOT}/holds", "status.read", "List the holds that stand.", None, Holds, _holds),
    Route(
        "POST",
        f"{ROOT}/holds/{{seq}}/lift",
        "hold.lift",
        "Lift a hold, so that the version may come back.",
        Lifting,
        HoldView,
        _lift,
    ),
)
"""The endpoints of this file."""
