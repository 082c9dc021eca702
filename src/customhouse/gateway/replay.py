# SPDX-License-Identifier: Apache-2.0
"""Releasing a held call: the client asks the same again and names the approval, and no model is asked.

(1) the held call is the caller's, and nothing has ended it: state, time, and who said yes may still
(2) the request is the same one, or continues the response in which the call was held
(3) the decision is made anew, on what is in force now: it must come to the same, for the same arguments and reasons
(4) its share of the budgets is reserved
(5) one transaction: the approval is used up, the finished answer is kept, and that the call was passed is recorded
(6) once more what is newest is looked at, and the answer leaves

Rules kept: an approval is used once, by one compare-and-set; who asks the same again until its time is over gets the
kept answer, byte for byte. Nothing is burnt before it is kept, nothing leaves before it is kept. A client's own "yes"
only means that it wants to go on. What is newest must be what was approved, before (5) and after it.

An agent sends the header with every request of a run. One in which the released call stands already goes on as any
other does: there is nothing left to release, and the header grants nothing.

Story: Lee's application repeats its request on two replicas at once. One takes the approval and answers; the other
finds it taken, and gives what the first one kept: one call, one ticket. A crash between the two changes nothing: the
application asks once more.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from customhouse.approvals import standing, tables
from customhouse.approvals.approval import Approval
from customhouse.approvals.consume import consume
from customhouse.approvals.evidence import decided
from customhouse.dialects.openai_responses.approval import as_asked
from customhouse.domain.clock import Clock
from customhouse.domain.decision import REASONS, Outcome
from customhouse.domain.errors import (
    ApprovalMismatch,
    ApprovalOverBudget,
    ApprovalPending,
    ApprovalSwitchedOff,
    ApprovalUnknown,
    IntegrityFailed,
    InvalidRequest,
    LedgerUnavailable,
    StoreUnavailable,
)
from customhouse.domain.message import ToolCall
from customhouse.gateway import stored
from customhouse.gateway.converse import Ask, Progress
from customhouse.gateway.held import Kept, body_digest, bound, email, held_kind, own
from customhouse.gateway.in_force import Rechecked
from customhouse.gateway.judge import Bench, Passed
from customhouse.gateway.reply import Ending, Reply, response_bytes
from customhouse.gateway.ticketing import tickets
from customhouse.ledger import tables as ledger_tables
from customhouse.ledger.append import Ledger
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import Record
from customhouse.ledger.record import decode as read_record
from customhouse.ledger.tables import Place, StoredPayload
from customhouse.planes.tools.permit import Batch, permit
from customhouse.store.database import Database, Transaction
from customhouse.ticket import canonical
from customhouse.vault.mint import TicketKeys

HEADER: Final = "customhouse-approval"
_OVER: Final = frozenset({"tool.sum_exceeded", "tool.writes_per_hour", "tool.budget_unavailable"})
_decode = msgspec.json.Decoder(Kept).decode


@dataclass(frozen=True, slots=True)
class Desk:
    """What releasing needs besides the turn's own."""

    database: Database
    ledger: Ledger
    ticket_keys: TicketKeys
    clock: Clock


class _Found(NamedTuple):
    """A held call of the caller's, with what its trace keeps sealed and which commitments its records name.

    `withdrawn` says that it was used up, and then something was switched off before the answer left.
    """

    approval: Approval
    payloads: tuple[StoredPayload, ...]
    named: frozenset[str]
    refused: standing.Refusal | None
    withdrawn: bool


class _Released(msgspec.Struct, frozen=True):
    """The finished answer, and the body_digest of the request that it answers: another one has another form."""

    request: str
    content: str


class TakenError(Exception):
    """Another transaction took the approval, or ended it, in the same moment."""


class NoRoomError(Exception):
    """A budget has no room for the call now: perhaps since the same call is being released elsewhere."""


_decode_released = msgspec.json.Decoder(_Released).decode


def refuse_named(headers: Mapping[str, str]) -> None:
    """Refuse a request that names an approval where none is released. Raises InvalidRequest."""
    if HEADER in headers:
        raise InvalidRequest("no held call is released here: name it where it was held", param=HEADER)


def named(header: str | None, approvals: tuple[str, ...]) -> str | None:
    """Return the one approval that a request names, in its header or in its body. Raises InvalidRequest for two."""
    found = {*approvals, *((header,) if header is not None else ())}
    if len(found) > 1:
        raise InvalidRequest("one approval at a time: each releases one call", param=HEADER)
    return found.pop() if found else None


async def replay(  # the turn's own things, each of which it needs
    desk: Desk, bench: Bench, ask: Ask, progress: Progress, reply: Reply, approval_id: str, narrowed: str | None
) -> bool:
    """Answer with the held call that was approved; return False when the conversation has gone on from there.

    Raises the errors of approvals, and LedgerUnavailable.
    """
    try:
        return await _once(desk, bench, ask, progress, reply, approval_id, narrowed)
    except (TakenError, NoRoomError):
        # Somebody was quicker: what he kept is the answer, or why there is none.
        try:
            return await _once(desk, bench, ask, progress, reply, approval_id, narrowed)
        except TakenError as again:
            raise ApprovalPending from again
        except NoRoomError as full:
            raise ApprovalOverBudget(str(full)) from full


async def _once(
    desk: Desk, bench: Bench, ask: Ask, progress: Progress, reply: Reply, approval_id: str, narrowed: str | None
) -> bool:
    evidence = bench.evidence
    # (1) the caller's own, and nothing stands against it
    found = await _find(desk, bench, approval_id)
    approval = found.approval
    if _went_on(ask, approval):
        return False
    # (2) the same request
    _require_same(ask, found)
    kept = _decode(_opened(bench, found, held_kind(approval.id)))
    call = _call(kept)
    reply.deployment(kept.deployment, kept.model)
    # (3) the decision, on what is in force now
    rechecked = _looked_at(bench, ask, call, narrowed)
    problem = _against(bench, approval, call, rechecked)
    if problem is not None:
        raise problem
    verdict = rechecked.verdict
    if approval.state == "consumed":
        await _again(bench, ask, progress, reply, found, call)
        return True
    # (4) its share of the budgets
    over = await bench.claims.take(approval.id, verdict.claims)
    if over is not None:
        raise NoRoomError(f"{approval.id}: {REASONS[over]}")
    # (5) used up, kept and recorded at once
    passed = Passed(call, approval.id, verdict)
    ending = Ending(kept.answer, (), "", fallback=False, tickets=tickets(desk.ticket_keys, evidence, [passed]))
    content = reply.finished(ending)
    completed = _completed(bench, ask, reply, ending)

    def take(tx: Transaction) -> None:
        tx.act_for(approval.tenant)
        if not consume(tx, approval, desk.clock.now_us()):
            raise TakenError

    progress.ended = True
    try:
        await progress.commit_with(
            (evidence.tool_passed(approval.id, call), _used(desk, bench, ask, approval, content), completed), take
        )
    except TakenError:
        progress.ended = False
        bench.claims.give_back(approval.id)
        raise
    except (LedgerUnavailable, IntegrityFailed):
        # The commit may have landed all the same, and then a repeat is given the call: its share stays reserved.
        progress.ended = False
        raise
    # (6) what was switched off or replaced while that was written does not leave
    newest = _looked_at(bench, ask, call, narrowed)
    problem = _against(bench, approval, call, newest)
    if problem is not None:
        await _withdraw(bench, ask, progress, reply, approval, call, newest, kept, problem)
        raise problem
    await reply.give(content)
    return True


def _completed(bench: Bench, ask: Ask, reply: Reply, ending: Ending, reason: str | None = None) -> Entry:
    """Return the record of how the turn ends. `reason` is why the client is given nothing after all."""
    evidence = bench.evidence
    content = stored.kept(
        evidence.principal, ask.selection.classification, reply.envelope(), ending.answer, reply.receipt(ending)
    )
    return evidence.response_completed(
        response_bytes(ending),
        outcome="answered" if reason is None else "failed",
        timing_us=reply.timing_us(),
        reasons=() if reason is None else (reason,),
        stored=content,
    )


async def _withdraw(
    bench: Bench,
    ask: Ask,
    progress: Progress,
    reply: Reply,
    approval: Approval,
    call: ToolCall,
    newest: Rechecked,
    kept: Kept,
    problem: ApprovalMismatch,
) -> None:
    """Record that the call stays here, and keep for whoever fetches the response an answer without it."""
    evidence = bench.evidence
    looked = newest if newest.decision.outcome is Outcome.DENY else newest.denied("tool.superseded")
    said = tuple(part for part in kept.answer.content if not isinstance(part, ToolCall))
    ending = Ending(replace(kept.answer, content=said, stop="stop"), (), "", fallback=False)
    await progress.commit(
        [
            evidence.tool_decided(evidence.clock.uuid7(), approval.id, call, looked),
            _completed(bench, ask, reply, ending, problem.code),
        ]
    )


async def _find(desk: Desk, bench: Bench, approval_id: str) -> _Found:
    """Step (1). Raises ApprovalUnknown for anybody else's."""
    principal = bench.evidence.principal
    if desk.ledger.down:
        raise LedgerUnavailable

    def work(tx: Transaction) -> _Found:
        tx.act_for(principal.tenant)
        approval = tables.find(tx, principal.tenant, approval_id)
        if approval is None or not own(principal, approval):
            raise ApprovalUnknown(param=HEADER)
        approval = approval.asked_under(email(principal))
        refused = standing.refusal(tx, approval, desk.clock.now_us())
        place = Place(principal.tenant, approval.trace_id)
        records = [read_record(row.canonical) for row in ledger_tables.records_of_traces(tx, [place])[0]]
        payloads = ledger_tables.payloads_of_trace(tx, place.log, place.trace_id)
        return _Found(approval, payloads, _commitments(records), refused, _withdrawn(tx, approval, records))

    try:
        return await desk.database.read(work)
    except StoreUnavailable as error:
        raise LedgerUnavailable from error


def _went_on(ask: Ask, approval: Approval) -> bool:
    """Whether the conversation has the call that was held: then this is what comes after it."""
    parts = (part for message in ask.request.messages for part in message.content)
    return any(isinstance(part, ToolCall) and part.id == approval.call_id for part in parts)


def _commitments(records: list[Record]) -> frozenset[str]:
    return frozenset(each for record in records for each in (record.commitments or {}).values())


def _withdrawn(tx: Transaction, approval: Approval, records: Sequence[Record]) -> bool:
    """Return whether the turn that used the approval up took the call back before it left."""
    used = [each.detail or {} for each in records if each.kind == "approval.decided" and each.outcome == "consumed"]
    places = [Place(approval.tenant, str(each["released_in"])) for each in used]
    later = [read_record(row.canonical) for rows in ledger_tables.records_of_traces(tx, places) for row in rows]
    return any(each.kind == "tool.decided" and approval.id in (each.parents or ()) for each in later)


def _require_same(ask: Ask, found: _Found) -> None:
    """Step (2), and that nothing stands against it.

    A client of responses may go on from the response in which the call was held instead, or from its items: then the
    same request is what came before that answer.
    """
    approval = found.approval
    if found.refused is not None:
        raise standing.ERRORS[found.refused](f"{approval.id}: {standing.ERRORS[found.refused].__doc__}")
    if ask.request.approvals and ask.request.previous is not None:
        if stored.trace_of(ask.request.previous) == approval.trace_id:
            return
    elif body_digest(ask.path, _repeated(ask)) == approval.body_digest:
        return
    raise ApprovalMismatch(f"{approval.id} was asked for by another request: repeat the same one, field by field")


def _repeated(ask: Ask) -> bytes:
    return (as_asked(ask.body) if ask.request.approvals else None) or ask.body


def _looked_at(bench: Bench, ask: Ask, call: ToolCall, narrowed: str | None) -> Rechecked:
    policy = bench.evidence.prepared.policy
    offered = frozenset(offer.name for offer in ask.request.offers)
    verdict = permit(policy, call, bench.facts, offered=offered)
    return bench.in_force.recheck(verdict, call, policy, narrowed, bench.facts, Batch())


def _against(bench: Bench, approval: Approval, call: ToolCall, rechecked: Rechecked) -> ApprovalMismatch | None:
    """Return what stands against releasing the call: a denial, or that something is not what was approved."""
    verdict, newest = rechecked.verdict, rechecked.snapshot
    if verdict.decision.outcome is Outcome.DENY:
        reason = verdict.decision.reasons[0]
        return _refusal(reason)(f"{approval.id}: {REASONS[reason]}")
    arguments = canonical(dict(verdict.arguments or {})).decode()
    now = bound(bench.evidence, call, arguments, verdict.decision.reasons, approval.body_digest)
    versions = {} if newest is None else {plane.value: each.digest for plane, each in newest.versions.items()}
    if versions == dict(bench.evidence.prepared.versions) and hmac.compare_digest(now, approval.binding):
        return None
    return ApprovalMismatch(f"{approval.id} was approved under other versions, reasons or arguments than now")


def _refusal(reason: str) -> type[ApprovalMismatch]:
    """Return the error by which a client can tell what may pass from what will not."""
    if reason.startswith("switch."):
        return ApprovalSwitchedOff
    return ApprovalOverBudget if reason in _OVER else ApprovalMismatch


async def _again(bench: Bench, ask: Ask, progress: Progress, reply: Reply, found: _Found, call: ToolCall) -> None:
    """Give what was kept, once more, to the request that it answers."""
    evidence, approval = bench.evidence, found.approval
    released = _decode_released(_opened(bench, found, _released_kind(approval.id)))
    if not hmac.compare_digest(released.request, body_digest(ask.path, _repeated(ask))):
        raise ApprovalMismatch(f"{approval.id} was released to another request: repeat that one, field by field")
    progress.ended = True
    completed = evidence.response_completed(None, outcome="repeated", timing_us=reply.timing_us())
    # A call that was taken back when it was released, and may leave now, leaves for the first time.
    passed = [evidence.tool_passed(approval.id, call)] if found.withdrawn else []
    await progress.commit([*passed, completed])
    await reply.give(released.content.encode())


def _used(desk: Desk, bench: Bench, ask: Ask, approval: Approval, content: bytes) -> Entry:
    """Return the record that the approval was used up, in the trace that asked for it, with the finished answer."""
    kept = msgspec.json.encode(_Released(body_digest(ask.path, _repeated(ask)), content.decode()))
    released = bench.evidence.key.seal(approval.trace_id, _released_kind(approval.id), kept)
    entry = decided(
        desk.ledger,
        approval,
        "consumed",
        {"released_in": bench.evidence.trace_id},
        actor=approval.key_id,
        trace_id=bench.evidence.trace_id,
    )
    record = replace(entry.record, commitments={"released": released.commitment})
    return Entry(record, (released,), entry.references)


def _released_kind(approval_id: str) -> str:
    return f"released:{approval_id}"


def _opened(bench: Bench, found: _Found, kind: str) -> bytes:
    """Return what is sealed in the trace that asked. Raises ApprovalUnknown when it has ended, IntegrityFailed."""
    there = [each for each in found.payloads if each.kind == kind]
    if not there:
        raise ApprovalUnknown("what was kept of the held call has ended with its retention", param=HEADER)
    if len(there) > 1 or there[0].commitment not in found.named:
        raise IntegrityFailed
    sealed = there[0]
    try:
        return bench.evidence.key.open(found.approval.trace_id, kind, sealed.commitment, sealed.sealed)
    except (StoreUnavailable, ValueError) as error:
        raise IntegrityFailed from error


def _call(kept: Kept) -> ToolCall:
    calls = kept.answer.tool_calls
    if len(calls) != 1:
        raise IntegrityFailed
    return calls[0]
