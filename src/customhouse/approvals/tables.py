# SPDX-License-Identifier: Apache-2.0
"""The SQL of held calls and of the answers to them: the only file that names its queries."""

from collections.abc import Sequence
from typing import Final, cast

import msgspec

from customhouse.approvals.approval import Answer, Approval, Verdict
from customhouse.domain.errors import ApprovalUnknown
from customhouse.ledger.entry import storable
from customhouse.planes.tools.approval import ApprovalState
from customhouse.planes.tools.document import Effect
from customhouse.store.database import Row, Transaction

MAX_LISTED: Final = 200
"""Held calls in a list at most; those that wait longest for an answer come first, so none is hidden for ever."""

_names = msgspec.json.Decoder(tuple[str, ...])


def insert(tx: Transaction, approval: Approval) -> None:
    """Keep a held call that waits for people. The transaction acts for its tenant. Raises DuplicateRow."""
    tx.run(
        "approval_insert",
        tenant=approval.tenant,
        id=approval.id,
        environment=approval.environment,
        assistant=approval.assistant,
        trace_id=approval.trace_id,
        call_id=storable(approval.call_id),
        tool=storable(approval.tool),
        tool_digest=approval.tool_digest,
        effect=approval.effect,
        binding=approval.binding,
        body_digest=approval.body_digest,
        key_id=approval.key_id,
        key_created_by=approval.key_created_by,
        on_behalf_of=approval.on_behalf_of,
        assertion=approval.assertion,
        reasons=_text(approval.reasons),
        approvers=_text(approval.approvers),
        quorum=approval.quorum,
        requested_at_us=approval.requested_at_us,
        expires_at_us=approval.expires_at_us,
        arguments_bytes=approval.arguments_bytes,
    )


def find(tx: Transaction, tenant: str, approval_id: str) -> Approval | None:
    """Return a tenant's held call. The transaction acts for the tenant."""
    row = tx.row("approval_find", tenant=tenant, id=storable(approval_id))
    return None if row is None else _approval(row)


def get(tx: Transaction, approval_id: str) -> Approval | None:
    """Return a held call, whosever it is: for people's verbs alone, and refused to the gateway's role."""
    row = tx.row("approval_get", id=storable(approval_id))
    return None if row is None else _approval(row)


def known(tx: Transaction, approval_id: str) -> Approval:
    """Return a held call, whosever it is. For people's verbs alone. Raises ApprovalUnknown."""
    approval = get(tx, approval_id)
    if approval is None:
        raise ApprovalUnknown(
            f"there is no held call {approval_id[:64]!r}; `customhouse approvals list` shows those that wait."
        )
    return approval


def waiting(tx: Transaction, now_us: int) -> tuple[Approval, ...]:
    """Return the held calls that wait for people, the one that ends first first; 200 at most."""
    return tuple(_approval(row) for row in tx.rows("approvals_waiting", now_us=now_us, limit=MAX_LISTED))


def newest(tx: Transaction) -> tuple[Approval, ...]:
    """Return the newest held calls, whatever became of them; 200 at most."""
    return tuple(_approval(row) for row in tx.rows("approvals_newest", limit=MAX_LISTED))


def overdue(tx: Transaction, now_us: int, limit: int) -> tuple[Approval, ...]:
    """Return some held calls whose time is over and that nothing has ended."""
    return tuple(_approval(row) for row in tx.rows("approvals_overdue", now_us=now_us, limit=limit))


def move(tx: Transaction, approval: Approval, state: ApprovalState, decided_at_us: int | None) -> bool:
    """Take a held call to its next state by compare-and-set; return whether it was in the state that we know.

    The transaction acts for its tenant. Of two at once one waits for the other, and then gets False.
    """
    moved = tx.run(
        "approval_move",
        tenant=approval.tenant,
        id=approval.id,
        expected_state=approval.state,
        state=state,
        decided_at_us=decided_at_us,
    )
    return moved == 1


def insert_answer(tx: Transaction, approval: Approval, answer: Answer) -> None:
    """Keep a person's answer; raises DuplicateRow when this person answered before."""
    tx.run(
        "approval_answer_insert",
        tenant=approval.tenant,
        approval=approval.id,
        approver=answer.approver,
        verdict=answer.verdict,
        reason=answer.reason,
        now_us=answer.at_us,
    )


def answers(tx: Transaction, approval: Approval) -> tuple[Answer, ...]:
    """Return the answers to a held call, in order. The transaction acts for its tenant."""
    return _answers(tx.rows("approval_answers", tenant=approval.tenant, approval=approval.id))


def answers_of_each(tx: Transaction, approvals: Sequence[Approval]) -> list[tuple[Answer, ...]]:
    """Return the answers to each of several held calls, of whichever tenants; one round trip."""
    asked = [{"tenant": each.tenant, "approval": each.id} for each in approvals]
    return [_answers(rows) for rows in tx.rows_of_each("approval_answers", asked)]


def _answers(rows: Sequence[Row]) -> tuple[Answer, ...]:
    return tuple(Answer(*cast("tuple[str, Verdict, str, int]", row)) for row in rows)


def _text(names: tuple[str, ...]) -> str:
    return msgspec.json.encode(names).decode()


def _approval(row: Row) -> Approval:
    tenant, approval_id, environment, assistant, trace_id, call_id, tool, tool_digest, *rest = cast(
        "tuple[str, ...]", row[:14]
    )
    effect, binding, body_digest, key_id, key_created_by, on_behalf_of = rest
    assertion, reasons, approvers = cast("tuple[str, str, str]", row[14:17])
    quorum, requested_at_us, expires_at_us, arguments_bytes = cast("tuple[int, int, int, int]", row[17:21])
    state, decided_at_us, notified_at_us = cast("tuple[ApprovalState, int | None, int | None]", row[21:])
    return Approval(
        tenant=tenant,
        id=approval_id,
        environment=environment,
        assistant=assistant,
        trace_id=trace_id,
        call_id=call_id,
        tool=tool,
        tool_digest=tool_digest,
        effect=cast("Effect", effect),
        binding=binding,
        body_digest=body_digest,
        key_id=key_id,
        key_created_by=key_created_by,
        on_behalf_of=cast("str | None", on_behalf_of),
        assertion=assertion,
        reasons=_names.decode(reasons),
        approvers=_names.decode(approvers),
        quorum=quorum,
        requested_at_us=requested_at_us,
        expires_at_us=expires_at_us,
        arguments_bytes=arguments_bytes,
        state=state,
        decided_at_us=decided_at_us,
        notified_at_us=notified_at_us,
    )
