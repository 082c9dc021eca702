# SPDX-License-Identifier: Apache-2.0
"""A held call as the gateway leaves it: the row, its evidence and the sealed arguments, in one transaction."""

from typing import Any, Final

from customhouse.approvals import tables
from customhouse.approvals.approval import Approval
from customhouse.domain.clock import rfc3339
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import ModelFacts, Record, Ruling, Subject, ToolFacts
from customhouse.registry import tables as registry
from customhouse.registry.charter import Charter
from customhouse.registry.control import Control
from customhouse.store.database import Database, Transaction

ARGUMENTS: Final = '{"amount":"5.00","order_id":"A-1007","reason":"arrived broken"}'
CHARTER: Final = Charter(
    owner="dana@acme.test",
    deputy="drew@acme.test",
    on_call="support-oncall",
    fallback="Please call.",
    groups={"refunds": ("ola@acme.test", "ben@acme.test")},
)
MINUTE_US: Final = 60_000_000


async def charter(control: Control) -> None:
    """Put the charter of the support assistant into force: Ola and Ben may approve refunds."""
    await control.database.transact(lambda tx: registry.insert_charter(tx, "support", 1, CHARTER, "dana@acme.test", 1))


async def hold(
    control: Control,
    arguments: str = ARGUMENTS,
    *,
    database: Database | None = None,
    **fields: Any,  # noqa: ANN401 - its own fields
) -> Approval:
    """Hold a call that one of the group refunds may approve within a quarter of an hour.

    `database` is the store as turns use it, where it is another than people's.
    """
    clock = control.clock
    now_us = clock.now_us()
    given: dict[str, Any] = {
        "tenant": "acme",
        "id": clock.uuid7(),
        "environment": "production",
        "assistant": "support",
        "trace_id": clock.uuid7(),
        "call_id": "call_7",
        "tool": "issue_refund",
        "tool_digest": "sha256:" + "1" * 64,
        "effect": "irreversible",
        "binding": "2" * 64,
        "body_digest": "sha256:" + "3" * 64,
        "key_id": "key_7",
        "key_created_by": "dana@acme.test",
        "on_behalf_of": "user:42",
        "assertion": "asserted",
        "reasons": ("tool.needs_approval",),
        "approvers": ("group:refunds",),
        "quorum": 1,
        "requested_at_us": now_us,
        "expires_at_us": now_us + 15 * MINUTE_US,
        "arguments_bytes": len(arguments.encode()),
    }
    approval = Approval(**(given | fields))
    key = await control.ledger.tenant_key(approval.tenant)
    sealed = key.seal(approval.trace_id, f"approval:{approval.id}", arguments.encode())

    def work(tx: Transaction) -> None:
        tx.act_for(approval.tenant)
        tables.insert(tx, approval)
        asked = _record(control, approval, "approval.requested", id=approval.id, commitments={"a": sealed.commitment})
        before = [_record(control, approval, kind) for kind in ("request.accepted", "model.called", "model.answered")]
        proposed = [_record(control, approval, kind) for kind in ("tool.proposed", "tool.decided")]
        entries = [*map(Entry, (*before, *proposed)), Entry(asked, (sealed,), (approval.id,))]
        control.ledger.write(tx, entries)

    await (database or control.database).transact(work)
    return approval


def _record(control: Control, approval: Approval, kind: str, **fields: Any) -> Record:  # noqa: ANN401 - a record's own
    clock = control.clock
    tool = ToolFacts(name=approval.tool, call_id=approval.call_id, effect=approval.effect)
    model = ModelFacts(deployment="small-chat", provider="local", requested="smollm2", attempt=1)
    given: dict[str, Any] = {
        "v": 1,
        "id": clock.uuid7(),
        "tenant": approval.tenant,
        "trace_id": approval.trace_id,
        "kind": kind,
        "at": rfc3339(clock.now_us()),
        "principal": Subject(key=approval.key_id, environment=approval.environment),
        "assistant": approval.assistant,
        "release": "support@41+prompt@38",
        "tool": tool if kind.startswith(("tool.", "approval.")) else None,
        "model": model if kind.startswith("model.") else None,
        "decision": Ruling(outcome="hold", reasons=approval.reasons) if kind == "tool.decided" else None,
    }
    return Record(**(given | fields))
