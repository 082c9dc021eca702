# SPDX-License-Identifier: Apache-2.0
"""Reading held calls for a page: what waits, one of them with its answers and its trace, and its exact arguments.

Rules:
- Whose arguments somebody may open: of calls that he may answer, and of those whose payloads he may read anyway, which
  is an auditor's everywhere and a captain's own assistants'.
- Opening them is evidence in the log of the tenant whose they are, durable before the first byte is shown.
"""

from dataclasses import dataclass

from customhouse.access.roles import allowed
from customhouse.approvals import eligible, standing, tables
from customhouse.approvals.approval import Answer, Approval
from customhouse.approvals.eligible import Objection
from customhouse.domain.errors import ApprovalUnknown
from customhouse.domain.principal import Actor
from customhouse.ledger import trace
from customhouse.ledger.trace import Trace
from customhouse.registry.control import Control
from customhouse.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Held:
    """One held call as somebody sees it: `named` may answer, `approvers` approved and still may.

    `objection` is why this person may not answer, `opens` whether the arguments are for these eyes.
    """

    approval: Approval
    answers: tuple[Answer, ...]
    named: tuple[str, ...]
    approvers: tuple[str, ...]
    objection: Objection | None
    opens: bool
    trace: Trace


@dataclass(frozen=True, slots=True)
class Lists:
    """Held calls that wait, soonest end first, and the newest of all."""

    waiting: tuple[Approval, ...]
    newest: tuple[Approval, ...]


async def lists(control: Control) -> Lists:
    """Return what waits and what came lately. Two queries."""
    now_us = control.clock.now_us()
    return await control.database.read(lambda tx: Lists(tables.waiting(tx, now_us), tables.newest(tx)))


async def find(control: Control, actor: Actor, approval_id: str) -> Held:
    """Return a held call as `actor` sees it. Raises ApprovalUnknown."""

    def work(tx: Transaction) -> Held:
        approval = tables.get(tx, approval_id)
        if approval is None:
            raise ApprovalUnknown(f"there is no held call {approval_id}; the list shows those that wait.")
        tx.act_for(approval.tenant)
        charter = standing.charter_of(tx, approval)
        objection = standing.objection_to(tx, approval, actor.name, charter)
        captain = charter is not None and actor.name in {charter.owner, charter.deputy}
        return Held(
            approval=approval,
            answers=tables.answers(tx, approval),
            named=tuple(sorted(eligible.named(approval, charter) - eligible.requester(approval))),
            approvers=standing.approvers(tx, approval),
            objection=objection,
            opens=allowed(actor, "approval.arguments") and (objection is None or captain or "auditor" in actor.roles),
            trace=trace.read(tx, approval.tenant, approval.trace_id),
        )

    return await control.database.read(work)


async def open_arguments(control: Control, actor: Actor, held: Held, part: int, *, trace_id: str) -> bytes | None:
    """Return the canonical arguments, None when they are there no more. Records who reads which part.

    The caller has looked at `held.opens`. Raises LedgerUnavailable.
    """
    approval, ledger = held.approval, control.ledger
    read = ledger.event(
        "access.read",
        actor=actor.name,
        trace_id=trace_id,
        detail={"trace_id": approval.trace_id, "approval": approval.id, "part": part},
        assistant=approval.assistant,
        references=(approval.trace_id, approval.id),
        tenant=approval.tenant,
    )
    await ledger.append([read])
    key, kind = await ledger.tenant_key(approval.tenant), f"approval:{approval.id}"
    payloads = await control.database.read(lambda tx: trace.payloads(tx, approval.tenant, approval.trace_id))
    found = next((payload for payload in payloads if payload.kind == kind), None)
    return None if found is None else key.open(approval.trace_id, kind, found.commitment, found.sealed)
