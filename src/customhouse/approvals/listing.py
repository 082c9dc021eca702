# SPDX-License-Identifier: Apache-2.0
"""Held calls as people see them: what waits, who may answer, who has, how many are missing. Never the arguments.

Looking changes nothing, not even what is over: it is shown as expired, and written down by whoever acts (decide.py, the
gateway) and by the server's upkeep.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from customhouse.access import tables as access
from customhouse.approvals import tables
from customhouse.approvals.approval import Answer, Approval, Verdict
from customhouse.approvals.eligible import Objection, named, objection
from customhouse.domain.clock import rfc3339
from customhouse.domain.principal import Actor
from customhouse.planes.tools.approval import ApprovalState
from customhouse.planes.tools.document import Effect
from customhouse.registry import tables as registry
from customhouse.registry.charter import Charter
from customhouse.registry.control import Control
from customhouse.store.database import Transaction


class AnswerView(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One person's answer. `objection` says why it does not count any more."""

    approver: str
    verdict: Verdict
    reason: str
    at: str
    objection: Objection | None


class ApproverView(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody whom the rule names, as the charter in force says; `objection` says why he may not answer."""

    name: str
    objection: Objection | None


class ApprovalView(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A held call. `approvals` of `quorum` people have said yes and still may; `you` is why you may not answer.

    `rule` is whom the rule names, as it stands there; nobody means the captain. `approvers` are the people that this
    means now. `arguments_bytes` is the length of the exact arguments, which another verb opens.
    """

    id: str
    state: ApprovalState
    tenant: str
    environment: str
    assistant: str
    tool: str
    tool_digest: str
    effect: Effect
    reasons: tuple[str, ...]
    arguments_bytes: int
    trace_id: str
    call_id: str
    key_id: str
    key_created_by: str
    on_behalf_of: str | None
    assertion: str
    binding: str
    body_digest: str
    rule: tuple[str, ...]
    approvers: tuple[ApproverView, ...]
    quorum: int
    approvals: int
    answers: tuple[AnswerView, ...]
    you: Objection | None
    requested_at: str
    expires_at: str
    decided_at: str | None


class Approvals(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A list of held calls."""

    approvals: tuple[ApprovalView, ...]


async def listing(control: Control, actor: Actor, *, everything: bool) -> Approvals:
    """Return what waits for people, what ends first first, or (everything) the newest; 200 at most.

    Cost: some five queries, however long the list is.
    """

    def work(tx: Transaction) -> Approvals:
        now_us = control.clock.now_us()
        found = tables.newest(tx) if everything else tables.waiting(tx, now_us)
        return Approvals(approvals=_views(tx, found, actor, now_us))

    return await control.database.read(work)


async def show(control: Control, actor: Actor, approval_id: str) -> ApprovalView:
    """Return one held call. Raises ApprovalUnknown."""

    def work(tx: Transaction) -> ApprovalView:
        (view,) = _views(tx, [tables.known(tx, approval_id)], actor, control.clock.now_us())
        return view

    return await control.database.read(work)


@dataclass(frozen=True, slots=True)
class _Now:
    """Who is who at this moment. `people` are those whose keys are good."""

    people: Mapping[str, Actor]
    charters: Mapping[str, Charter]
    actor: Actor
    now_us: int

    def objection(self, approval: Approval, name: str) -> Objection | None:
        """Return why the person of this address may not answer."""
        person = self.people.get(name)
        return "approver.revoked" if person is None else self.of(approval, person)

    def of(self, approval: Approval, actor: Actor) -> Objection | None:
        """Return why `actor` may not answer."""
        return objection(approval, actor, self.charters.get(approval.assistant))


def _views(tx: Transaction, found: Sequence[Approval], actor: Actor, now_us: int) -> tuple[ApprovalView, ...]:
    people = {each.email: Actor(each.email, "person", frozenset(each.roles)) for each in access.active_people(tx)}
    charters = {name: registry.charter(tx, name) for name in dict.fromkeys(each.assistant for each in found)}
    in_force = {name: charted.charter for name, charted in charters.items() if charted is not None}
    now = _Now(people, in_force, actor, now_us)
    answers = tables.answers_of_each(tx, found)
    return tuple(_view(now, approval, given) for approval, given in zip(found, answers, strict=True))


def _view(now: _Now, approval: Approval, answers: Sequence[Answer]) -> ApprovalView:
    given = tuple(
        AnswerView(
            approver=answer.approver,
            verdict=answer.verdict,
            reason=answer.reason,
            at=rfc3339(answer.at_us),
            objection=now.objection(approval, answer.approver),
        )
        for answer in answers
    )
    return ApprovalView(
        id=approval.id,
        state="expired" if approval.overdue(now.now_us) else approval.state,
        tenant=approval.tenant,
        environment=approval.environment,
        assistant=approval.assistant,
        tool=approval.tool,
        tool_digest=approval.tool_digest,
        effect=approval.effect,
        reasons=approval.reasons,
        arguments_bytes=approval.arguments_bytes,
        trace_id=approval.trace_id,
        call_id=approval.call_id,
        key_id=approval.key_id,
        key_created_by=approval.key_created_by,
        on_behalf_of=approval.on_behalf_of,
        assertion=approval.assertion,
        binding=approval.binding,
        body_digest=approval.body_digest,
        rule=approval.approvers,
        approvers=tuple(
            ApproverView(name=name, objection=now.objection(approval, name))
            for name in sorted(named(approval, now.charters.get(approval.assistant)))
        ),
        quorum=approval.quorum,
        approvals=sum(answer.verdict == "approve" and answer.objection is None for answer in given),
        answers=given,
        you=now.of(approval, now.actor),
        requested_at=rfc3339(approval.requested_at_us),
        expires_at=rfc3339(approval.expires_at_us),
        decided_at=None if approval.decided_at_us is None else rfc3339(approval.decided_at_us),
    )
