# SPDX-License-Identifier: Apache-2.0
"""Promote: the same digests, another environment. All five planes come from one release."""

import msgspec

from customhouse.domain.plane import PLANES
from customhouse.domain.principal import Actor
from customhouse.registry import tables
from customhouse.registry.control import Control
from customhouse.registry.environment import EnvironmentName
from customhouse.rollout.answer import Outcome
from customhouse.rollout.captain import require_captain
from customhouse.rollout.move import Intent, submit
from customhouse.rollout.submission import AssistantName, Generation, ReleaseNumber, Text
from customhouse.store.database import Transaction


class Promotion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which release goes where."""

    assistant: AssistantName
    number: ReleaseNumber
    environment: EnvironmentName
    reason: Text | None = None
    expected_generation: Generation | None = None


async def promote(control: Control, actor: Actor, trace_id: str, promotion: Promotion) -> Outcome:
    """Put a release into force. Raises NotTheCaptain and what `move.submit` raises."""

    def work(tx: Transaction) -> Outcome:
        found = tables.charter(tx, promotion.assistant)
        require_captain(actor, promotion.assistant, None if found is None else found.charter)
        intent = Intent(
            kind="promoted",
            environment=promotion.environment,
            assistant=promotion.assistant,
            number=promotion.number,
            planes=PLANES,
            reason=promotion.reason or f"promote {promotion.assistant}@{promotion.number}",
            expected_generation=promotion.expected_generation,
        )
        return submit(tx, control, actor, trace_id, intent)

    return await control.database.transact(work)
