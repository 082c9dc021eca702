# SPDX-License-Identifier: Apache-2.0
"""Calls that wait for people (step 8): what is asked of them, and what is kept so that a yes releases just this call.

Rule kept: who is asked, and what a yes is good for, stand in the same transaction as the record that the call was held.
The exact arguments and the rest of the answer are sealed in the trace; no table has any of it.

Story: the model says "I will refund order 7" and proposes issue_refund. Lee reads the sentence, and that the call was
held. Ola reads the exact arguments. What Lee's application gets when it asks again is the same sentence and the same
call, not what a model says the second time.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from customhouse.approvals import tables
from customhouse.approvals.approval import Approval
from customhouse.approvals.arguments import payload_kind
from customhouse.approvals.binding import Bound, digest
from customhouse.domain.answer import Answer
from customhouse.domain.digest import Digest
from customhouse.domain.message import ToolCall
from customhouse.domain.principal import Principal
from customhouse.gateway.evidence import MAX_NAME, Evidence
from customhouse.gateway.judge import Hold
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import Record, Ruling
from customhouse.planes.tools import document as tools
from customhouse.store.database import Transaction
from customhouse.ticket import canonical

_US: Final = 1_000_000


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What releasing a held call needs: the answer with nothing but this call, and who gave it."""

    answer: Answer
    deployment: str
    model: str


class Asked(NamedTuple):
    """What people are asked, ready for the transaction that records that calls were held."""

    approvals: tuple[Approval, ...] = ()
    entries: tuple[Entry, ...] = ()

    def keep(self, tx: Transaction) -> None:
        """Put the rows down. It acts for their tenant."""
        for approval in self.approvals:
            tx.act_for(approval.tenant)
            tables.insert(tx, approval)


def held_kind(approval_id: str) -> str:
    """Return the kind of payload that the kept answer of a held call is."""
    return f"held:{approval_id}"


def own(principal: Principal, approval: Approval) -> bool:
    """Return whether a held call of the caller's tenant is the caller's."""
    return (approval.environment, approval.assistant, approval.key_id, approval.on_behalf_of) == (
        principal.environment,
        principal.assistant,
        principal.key_id,
        principal.on_behalf_of,
    )


def body_digest(path: str, body: bytes) -> str:
    """Return the digest of a request: the same fields with the same values, to the same endpoint."""
    fields = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    return hashlib.sha256(path.encode() + b"\n" + fields).hexdigest()


def bound(evidence: Evidence, call: ToolCall, arguments: str, reasons: tuple[str, ...], request: str) -> str:
    """Return the digest of everything that a yes is good for, as it is now (approvals/binding.py)."""
    principal, prepared = evidence.principal, evidence.prepared
    return digest(
        Bound(
            tenant=principal.tenant,
            environment=principal.environment,
            assistant=principal.assistant,
            versions={plane: Digest(version) for plane, version in prepared.versions.items()},
            tool=call.name,
            tool_digest=prepared.tool_digests.get(call.name, ""),
            arguments=arguments,
            reasons=reasons,
            key_id=principal.key_id,
            on_behalf_of=principal.on_behalf_of,
            assertion=principal.assertion,
            body_digest=request,
            email=email(principal),
        )
    )


def email(principal: Principal) -> str | None:
    """Return the address in the requester's verified token: nobody approves his own call under it."""
    said = principal.claims.get("email")
    return said.strip() if isinstance(said, str) else None


def ask_people(
    evidence: Evidence, answer: Answer, holds: Sequence[Hold], request: str, deployment: str, model: str
) -> Asked:
    """Return what people are asked about held calls of an answer. `request` is its body_digest."""
    asked = [_one(evidence, answer, hold, request, deployment, model) for hold in holds]
    return Asked(tuple(approval for approval, _ in asked), tuple(entry for _, entry in asked))


def _one(
    evidence: Evidence, answer: Answer, hold: Hold, request: str, deployment: str, model: str
) -> tuple[Approval, Entry]:
    call, now_us = hold.call, evidence.clock.now_us()
    arguments = canonical(dict(hold.verdict.arguments or {})).decode()
    grant = evidence.prepared.policy.grant(call.name)
    rule = (grant and grant.approval) or tools.Approval()
    reasons = hold.verdict.decision.reasons
    principal = evidence.principal
    approval = Approval(
        tenant=principal.tenant,
        id=hold.decision_id,
        environment=principal.environment,
        assistant=principal.assistant,
        trace_id=evidence.trace_id,
        call_id=call.id[:MAX_NAME],
        tool=call.name,
        tool_digest=evidence.prepared.tool_digests.get(call.name, ""),
        effect="irreversible" if grant is None else grant.effect,
        binding=bound(evidence, call, arguments, reasons, request),
        body_digest=request,
        key_id=principal.key_id,
        key_created_by=principal.key_created_by,
        on_behalf_of=principal.on_behalf_of,
        assertion=principal.assertion,
        reasons=reasons,
        approvers=rule.approvers,
        quorum=rule.quorum,
        requested_at_us=now_us,
        expires_at_us=now_us + rule.expires_s * _US,
        arguments_bytes=len(arguments.encode()),
    )
    said = tuple(part for part in answer.content if not isinstance(part, ToolCall))
    kept = Kept(
        answer=replace(answer, content=(*said, call), stop="tool_calls", held=()), deployment=deployment, model=model
    )
    return approval, _requested(evidence, approval, call, arguments, kept)


def _requested(evidence: Evidence, approval: Approval, call: ToolCall, arguments: str, kept: Kept) -> Entry:
    shown = evidence.key.seal(evidence.trace_id, payload_kind(approval.id), arguments.encode())
    rest = evidence.key.seal(evidence.trace_id, held_kind(approval.id), msgspec.json.encode(kept))
    record = Record(
        **evidence.facts("approval.requested", evidence.clock.uuid7()),
        parents=(approval.id,),
        tool=evidence.tool(call),
        decision=Ruling(outcome="hold", reasons=approval.reasons),
        commitments={"arguments": shown.commitment, "held": rest.commitment},
        detail={
            "approval": approval.id,
            "approvers": list(approval.approvers),
            "quorum": approval.quorum,
            "expires_s": (approval.expires_at_us - approval.requested_at_us) // _US,
            "binding": approval.binding,
        },
        outcome="requested",
    )
    return Entry(record, (shown, rest), (approval.id,))
