# SPDX-License-Identifier: Apache-2.0
"""Opening the exact arguments of a held call for a person. Who does it is evidence before the first byte is shown.

Rules: for whoever may answer the call, and for whoever may read payloads of its assistant (an auditor, its captain, the
holder of the store's files). What is shown is what a record of the trace names: one that was exchanged does not open.
"""

import msgspec

from customhouse.access.roles import allowed
from customhouse.approvals import standing, tables
from customhouse.approvals.approval import Approval
from customhouse.approvals.eligible import objection
from customhouse.domain.errors import IntegrityFailed, NotAnApprover
from customhouse.domain.principal import Actor
from customhouse.ledger import trace
from customhouse.ledger.tables import StoredPayload
from customhouse.registry.charter import Charter
from customhouse.registry.control import Control
from customhouse.store.database import Transaction


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The exact arguments of a held call as canonical JSON, whole, and how many bytes; null once they are gone."""

    approval: str
    tool: str
    bytes: int
    text: str | None


def payload_kind(approval_id: str) -> str:
    """Return the kind of payload that the arguments of a held call are."""
    return f"approval:{approval_id}"


async def arguments(control: Control, actor: Actor, approval_id: str, *, trace_id: str) -> Arguments:
    """Open them. `trace_id` is that of the person's request.

    Raises ApprovalUnknown, NotAnApprover, IntegrityFailed, LedgerUnavailable when it cannot be recorded.
    """

    def work(tx: Transaction) -> tuple[Approval, StoredPayload | None]:
        approval = tables.known(tx, approval_id)
        _require_reader(tx, approval, actor)
        return approval, _payload(tx, approval)

    approval, payload = await control.database.read(work)
    ledger = control.ledger
    read = ledger.event(
        "access.read",
        actor=actor.name,
        trace_id=trace_id,
        detail={"trace_id": approval.trace_id, "approval": approval.id},
        assistant=approval.assistant,
        references=(approval.trace_id, approval.id),
        tenant=approval.tenant,
    )
    await ledger.append([read])
    text: str | None = None
    if payload is not None:
        key = await ledger.tenant_key(approval.tenant)
        opened = key.open(approval.trace_id, payload.kind, payload.commitment, payload.sealed)
        if len(opened) != approval.arguments_bytes:
            raise IntegrityFailed(f"the arguments of {approval.id} are not as long as its row says")
        text = opened.decode()
    return Arguments(approval=approval.id, tool=approval.tool, bytes=approval.arguments_bytes, text=text)


def _require_reader(tx: Transaction, approval: Approval, actor: Actor) -> None:
    charter = standing.charter_of(tx, approval)
    if objection(approval, actor, charter) is None:
        return
    if allowed(actor, "trace.payloads") and (
        actor.kind == "local" or "auditor" in actor.roles or _answers_for_it(actor, charter)
    ):
        return
    raise NotAnApprover(f"{actor.name} may not answer {approval.id}, nor read what {approval.assistant} was told")


def _answers_for_it(actor: Actor, charter: Charter | None) -> bool:
    return charter is not None and actor.name in {charter.owner, charter.deputy}


def _payload(tx: Transaction, approval: Approval) -> StoredPayload | None:
    """Return the sealed arguments, if they are there. Raises IntegrityFailed for some that no record names."""
    kind = payload_kind(approval.id)
    there = [each for each in trace.payloads(tx, approval.tenant, approval.trace_id) if each.kind == kind]
    if not there:
        return None
    found = trace.read(tx, approval.tenant, approval.trace_id)
    named = {name for step in found.steps for name in (step.record.commitments or {}).values()}
    if len(there) > 1 or there[0].commitment not in named:
        raise IntegrityFailed(f"the arguments of {approval.id} are not those that its record names")
    return there[0]
