# SPDX-License-Identifier: Apache-2.0
"""The evidence of what became of a held call: in its tenant's log, in the trace of the turn that asked."""

from dataclasses import replace
from typing import Final

import msgspec

from customhouse.approvals.approval import Approval
from customhouse.ledger.append import Ledger
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import Detail, Ruling, ToolFacts
from customhouse.planes.tools.approval import ApprovalState

EXPIRY: Final = "expiry"
"""Whose act it is when a held call's time is over."""
_OUTCOMES: Final = {"requested": "hold", "approved": "allow", "consumed": "allow"}
"""What each state means for the call; any other is a denial."""


def decided(
    ledger: Ledger, approval: Approval, state: ApprovalState, detail: Detail, *, actor: str, trace_id: str | None = None
) -> Entry:
    """Build the record of an answer, of an end by time, or of a yes that was taken back; `state` is the one after it.

    `trace_id` is that of the person's own request, under which the trace is found too.
    """
    entry = ledger.event(
        "approval.decided",
        actor=actor,
        trace_id=approval.trace_id,
        detail={"approval": approval.id, "environment": approval.environment, "binding": approval.binding, **detail},
        assistant=approval.assistant,
        references=(approval.id, *(() if trace_id is None else (trace_id,))),
        tenant=approval.tenant,
    )
    record = msgspec.structs.replace(
        entry.record,
        parents=(approval.id,),
        decision=Ruling(outcome=_OUTCOMES.get(state, "deny"), reasons=approval.reasons),
        tool=ToolFacts(
            name=approval.tool, call_id=approval.call_id, digest=approval.tool_digest, effect=approval.effect
        ),
        outcome=state,
    )
    return replace(entry, record=record)
