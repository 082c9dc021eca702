# SPDX-License-Identifier: Apache-2.0
"""Holding a call as the gateway does: the row, its evidence and the sealed arguments, in one transaction."""

from typing import Any, Final

from tests.ledger.book import CLOCK, record

from customhouse.approvals import tables
from customhouse.approvals.approval import Approval
from customhouse.approvals.arguments import payload_kind
from customhouse.ledger.append import Ledger
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import ToolFacts
from customhouse.store.database import Database, Transaction

BOT: Final = "support"
ARGUMENTS: Final = b'{"amount":"5.00","order_id":"7"}'


async def hold(ledger: Ledger, database: Database, approval: Approval, arguments: bytes = ARGUMENTS) -> None:
    """Keep a held call; `database` is the store as turns use it."""
    key = await ledger.tenant_key(approval.tenant)
    sealed = key.seal(approval.trace_id, payload_kind(approval.id), arguments)
    asked = record(
        "approval.requested",
        approval.tenant,
        approval.trace_id,
        assistant=approval.assistant,
        commitments={"arguments": sealed.commitment},
        tool=ToolFacts(name=approval.tool, call_id=approval.call_id),
    )
    entry = Entry(asked, (sealed,), (approval.id, approval.call_id))

    def work(tx: Transaction) -> None:
        tx.act_for(approval.tenant)
        tables.insert(tx, approval)
        ledger.write(tx, [entry])

    await database.begin(work)


def held(tenant: str = "acme", now_us: int = 1_000_000, arguments: bytes = ARGUMENTS, **fields: Any) -> Approval:  # noqa: ANN401 - the approval's own fields
    """Return a held call: a refund that one of the group refunds may approve within a quarter of an hour."""
    given: dict[str, Any] = {
        "tenant": tenant,
        "id": CLOCK.uuid7(),
        "environment": "dev",
        "assistant": BOT,
        "trace_id": CLOCK.uuid7(),
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
        "expires_at_us": now_us + 900_000_000,
        "arguments_bytes": len(arguments),
    }
    return Approval(**{**given, **fields})
