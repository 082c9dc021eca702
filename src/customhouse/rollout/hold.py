# SPDX-License-Identifier: Apache-2.0
"""Lifting a hold: a person says that a version which was rolled back may come back. It moves nothing by itself."""

import msgspec

from customhouse.domain.errors import HoldUnknown, NothingToDo
from customhouse.domain.principal import Actor
from customhouse.registry import history_tables, tables
from customhouse.registry.control import Control
from customhouse.registry.history_tables import Hold
from customhouse.rollout.captain import require_captain
from customhouse.rollout.submission import Text
from customhouse.store.database import DuplicateRow, Transaction


class Lifting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why a hold is lifted."""

    reason: Text


async def lift(control: Control, actor: Actor, trace_id: str, seq: int, lifting: Lifting) -> Hold:
    """Lift a hold and return it. Raises HoldUnknown, NotTheCaptain, NothingToDo when it was lifted before."""

    def work(tx: Transaction) -> Hold:
        found = history_tables.hold(tx, seq)
        if found is None:
            raise HoldUnknown(f"there is no hold {seq}; `customhouse holds list` shows those that stand")
        charter = tables.charter(tx, found.assistant)
        require_captain(actor, found.assistant, None if charter is None else charter.charter)
        try:
            history_tables.lift_hold(tx, seq, reason=lifting.reason, actor=actor.name, now_us=control.clock.now_us())
        except DuplicateRow as error:
            raise NothingToDo(f"hold {seq} was lifted before") from error
        detail: dict[str, object] = {
            "hold": seq,
            "environment": found.environment,
            "plane": found.plane.value,
            "version": found.digest,
            "held_by": found.held_by,
            "reason": lifting.reason,
        }
        entry = control.ledger.event(
            "hold.lifted",
            actor=actor.name,
            trace_id=trace_id,
            assistant=found.assistant,
            detail=detail,
            references=(found.digest,),
        )
        control.ledger.write(tx, [entry])
        return found

    return await control.database.transact(work)
