# SPDX-License-Identifier: Apache-2.0
"""The endpoints of switches: throw, list, lift."""

from typing import Final

import msgspec

from customhouse.api.route import ROOT, Call, Route
from customhouse.api.whole_number import whole_number
from customhouse.registry import switch_tables
from customhouse.registry.reach import nothing_named
from customhouse.registry.status import SwitchView, switch_view
from customhouse.registry.switches import parse
from customhouse.rollout.switch import LiftingSwitch, LiftOutcome, Switched, Throwing, switch_off, switch_on
from customhouse.store.database import Transaction


class StandingSwitches(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The switches that stand, oldest first, and the generation that replicas acknowledge."""

    generation: int
    switches: tuple[SwitchView, ...]


async def _switches(call: Call[None]) -> StandingSwitches:
    def work(tx: Transaction) -> StandingSwitches:
        standing = tuple(switch_view(switch) for switch in switch_tables.standing(tx))
        return StandingSwitches(generation=switch_tables.generation(tx), switches=standing)

    return await call.control.database.read(work)


async def _throw(call: Call[Throwing]) -> Switched:
    thrown = await switch_on(call.control, call.actor, call.trace_id, call.body)
    warning = nothing_named(parse(thrown.switch.scope), call.current.snapshots, call.credentials.tenants)
    return msgspec.structs.replace(thrown, warning=warning)


async def _lift(call: Call[LiftingSwitch]) -> LiftOutcome:
    seq = whole_number(call.path["seq"], "seq")
    return await switch_off(call.control, call.actor, call.trace_id, seq, call.body)


ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", f"{ROOT}/switches", "status.read", "List the switches that stand.", None, StandingSwitches, _switches),
    Route(
        "POST", f"{ROOT}/switches", "switch.set", "Throw a switch: deny a scope at once.", Throwing, Switched, _throw
    ),
    Route(
        "POST",
        f"{ROOT}/switches/{{seq}}/lift",
        "switch.lift",
        "Lift a switch, or ask for it where that needs a second person.",
        LiftingSwitch,
        LiftOutcome,
        _lift,
    ),
)
"""The endpoints of this file."""
