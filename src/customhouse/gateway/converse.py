# SPDX-License-Identifier: Apache-2.0
"""Step 7: asking the selected deployments in order until one answers, then the declared fallback answer.

Rules kept: a call's `model.called` record is durable before its first byte leaves, with the outcome of the call before
it; what is switched off at that moment, when the record is written, is not asked; after the first byte has gone to the
client no other model may continue its sentence.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from customhouse.dialects.provider import Collector
from customhouse.domain.answer import Answer
from customhouse.domain.errors import BudgetExceeded, CustomhouseError, Inexpressible, LedgerUnavailable, UpstreamFailed
from customhouse.domain.failure_mode import FailureMode
from customhouse.domain.message import Text
from customhouse.domain.request import Request
from customhouse.gateway.account import Account
from customhouse.gateway.evidence import Evidence
from customhouse.gateway.in_force import InForce
from customhouse.gateway.offer import Offering
from customhouse.gateway.provider_tools import refuse_ungranted
from customhouse.gateway.reply import Reply
from customhouse.gateway.spend import Spending, sooner
from customhouse.ledger.append import Ledger
from customhouse.ledger.entry import Entry
from customhouse.planes.model.call import Upstreams
from customhouse.planes.model.document import Deployment
from customhouse.planes.model.embedding import require_vectors
from customhouse.planes.model.select import Selection
from customhouse.planes.model.spoken import spoken
from customhouse.planes.model.substitution import Noticed, Seen
from customhouse.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Ask:
    """What to ask: the request as it was decided, what became of its tools, and who may be asked, in order."""

    request: Request
    tools: Offering
    selection: Selection
    fallback: str
    answer_bytes: int
    in_force: InForce
    workflow: str = ""
    path: str = ""
    body: bytes = b""


class LeftAlone(NamedTuple):
    """A deployment of the route whose breaker is open, and what asking it would have come to."""

    label: str
    failure: UpstreamFailed


class OpenCall(NamedTuple):
    """A call whose `model.called` is on its way to the ledger, and whose outcome is not. `sent` once it is durable."""

    span_id: str
    deployment: Deployment
    attempt: int
    collector: Collector | None
    sent: bool = False


@dataclass(slots=True)
class Progress:
    """How far a turn's evidence has come: what waits to be written, and which call is open.

    `mode` says where its records go while the database does not take them.
    """

    evidence: Evidence
    ledger: Ledger
    orphans: set[str]
    account: Account
    pending: list[Entry] = field(default_factory=list[Entry])
    began: bool = False
    said: str | None = None
    written: bool = False
    ended: bool = False
    span_id: str | None = None
    call: OpenCall | None = None
    fell_back: bool = False
    reasons: tuple[str, ...] = ()
    mode: FailureMode = "closed"
    spending: Spending | None = None

    def begin(self, accepted: Entry) -> None:
        """Take the turn's first record; it is written together with the first call."""
        self.pending.append(accepted)
        self.began = True

    async def commit(self, entries: Sequence[Entry]) -> None:
        """Write what waits and `entries` in one transaction. Raises LedgerUnavailable.

        A turn that is cancelled here has handed them over all the same: they count as written.
        """
        waiting = [*self.pending, *entries]
        self.pending.clear()
        self.written = True
        self.account.records.extend(entry.record for entry in waiting)
        await self.ledger.append(waiting, self.mode)

    async def commit_with(self, entries: Sequence[Entry], work: Callable[[Transaction], None]) -> None:
        """Write what waits and `entries` in one transaction with `work`. Raises LedgerUnavailable, and as `work`.

        When it raises, what waited still waits. No spool takes this.
        """
        waiting = [*self.pending, *entries]
        await self.ledger.append_with(waiting, work)
        self.pending.clear()
        self.written = True
        self.account.records.extend(entry.record for entry in waiting)


async def converse(ask: Ask, progress: Progress, upstreams: Upstreams, reply: Reply) -> Answer:
    """Return the first usable answer, or the fallback answer. Raises UpstreamFailed where a sentence would be wrong."""
    failure: UpstreamFailed | None = None
    untold: Inexpressible | None = None
    exceeded: BudgetExceeded | None = None
    refused: list[str] = []
    alone: list[LeftAlone] = []
    for attempt, deployment in enumerate(ask.selection.deployments, start=1):
        if not _may_ask(ask, upstreams, deployment, refused, alone):
            continue
        try:
            body = _body(ask.request, deployment)
        except Inexpressible as error:
            untold = untold or error
            refused.append("route.inexpressible")
            continue
        over = None if progress.spending is None else await progress.spending.reserve(deployment, ask.request, body)
        if over is not None:
            exceeded = sooner(exceeded, over)
            refused.append(over.code)
            continue
        try:
            answer = await _attempt(ask, progress, upstreams, reply, deployment, attempt, body, alone)
        except UpstreamFailed as error:
            fail(progress, error)
            failure = error
            if reply.began:
                raise
        else:
            progress.call = None
            tenant = ask.in_force.principal.tenant
            noticed = upstreams.circuits.noticed(deployment, tenant, Seen(answer.model, answer.fingerprint))
            answered = _answered(progress, deployment, attempt, answer, noticed)
            progress.said = answered.payloads[0].commitment
            progress.pending.append(answered)
            return answer
    # Who is left alone now might have been told it: then nothing is wrong with the request.
    problem = exceeded or (None if alone else untold)
    if problem is not None and failure is None:
        raise problem
    reasons = tuple(dict.fromkeys((*(reason for _, reason in ask.selection.excluded), *refused)))
    progress.reasons = tuple(dict.fromkeys((*reasons, failure.reason))) if failure else reasons
    if ask.request.needs_form:
        raise failure or _nobody(alone, reasons)
    progress.fell_back = True
    progress.said = None
    progress.span_id = None
    reply.deployment(None, "fallback")
    return Answer(model="fallback", content=(Text(ask.fallback),), stop="stop")


def _may_ask(
    ask: Ask, upstreams: Upstreams, deployment: Deployment, refused: list[str], alone: list[LeftAlone]
) -> bool:
    """Whether a deployment of the route may be asked now; why not is added to `refused`, its breaker to `alone`."""
    off = ask.in_force.refuses(deployment)
    if off is not None:
        refused.append(off)
        return False
    failed = upstreams.circuits.refusal(deployment)
    if failed is not None:
        refused.append(failed.reason)
        alone.append(LeftAlone(deployment.label, failed))
        return False
    return True


def _nobody(alone: Sequence[LeftAlone], reasons: Sequence[str]) -> UpstreamFailed:
    """Return the failure of a turn that asked nobody: of who is asked again first, where somebody was left alone."""
    soonest = min((each.failure for each in alone), key=lambda each: each.retry_after_s or 0, default=None)
    return soonest or UpstreamFailed(
        "no deployment may answer a turn of this class", reason=reasons[0] if reasons else "route.no_entry"
    )


def _body(request: Request, deployment: Deployment) -> bytes:
    """Return what would be sent to a deployment, in its provider's dialect. Raises Inexpressible."""
    asked = replace(request, model=deployment.model)
    if request.texts:
        if request.dimensions not in {None, deployment.dimensions}:
            raise Inexpressible(f"the released model gives {deployment.dimensions} dimensions", param="dimensions")
        asked = replace(asked, dimensions=deployment.dimensions)
    return spoken(deployment).body(asked, deployment.features)


async def _attempt(
    ask: Ask,
    progress: Progress,
    upstreams: Upstreams,
    reply: Reply,
    deployment: Deployment,
    attempt: int,
    body: bytes,
    alone: Sequence[LeftAlone],
) -> Answer:
    granted = frozenset(offer.tool for offer in ask.tools.provider)
    collector = spoken(deployment).collector(ask.answer_bytes, granted) if ask.request.streamed else None
    await leave(ask, progress, reply, deployment, attempt, collector, alone)
    if collector is None:
        answer = await upstreams.answer(deployment, body)
        if ask.request.texts:
            require_vectors(deployment, answer, len(ask.request.texts))
        refuse_ungranted(granted, answer)
        reply.require(answer)
    else:
        # It runs once the call has left and its answer is awaited.
        asyncio.get_running_loop().call_soon(reply.prepare)
        await upstreams.stream(deployment, body, collector, reply.deltas)
        answer = collector.answer()
    if ask.request.must_call and not answer.tool_calls:
        raise UpstreamFailed(
            "the model answered without the tool call that was required", reason="upstream.tool_choice_ignored"
        )
    return answer


async def leave(
    ask: Ask,
    progress: Progress,
    reply: Reply,
    deployment: Deployment,
    attempt: int,
    collector: Collector | None,
    alone: Sequence[LeftAlone] = (),
) -> None:
    """Make a call's record durable and look once more whether it may leave. Raises UpstreamFailed when it may not."""
    span_id = progress.evidence.clock.uuid7()
    progress.span_id = span_id
    progress.call = OpenCall(span_id, deployment, attempt, collector)
    level, texts = ask.selection.classification, len(ask.request.texts)
    passed_over = tuple(each.label for each in alone)
    called = progress.evidence.model_called(
        span_id, deployment, attempt, ask.tools, level, left_alone=passed_over, texts=texts
    )
    await progress.commit([called])
    # However long that took, nothing leaves for what has been switched off meanwhile.
    off = ask.in_force.refuses(deployment)
    if off is not None:
        raise UpstreamFailed("what was about to be asked has been switched off", reason=off)
    progress.call = OpenCall(span_id, deployment, attempt, collector, sent=True)
    reply.deployment(deployment.label, deployment.model)
    reply.mark("record")


def _answered(progress: Progress, deployment: Deployment, attempt: int, answer: Answer, noticed: Noticed) -> Entry:
    """Return the record of a whole answer, whose cost is known now."""
    if progress.spending is not None:
        progress.spending.ended(answer.usage, sent=True)
    span_id = progress.span_id or progress.evidence.accepted
    return progress.evidence.model_answered(span_id, deployment, attempt, answer, outcome="complete", noticed=noticed)


def fail(progress: Progress, error: UpstreamFailed) -> None:
    """Take down that the open call gave nothing."""
    call = progress.call
    if call is not None:
        settle(progress, _partial(call), sent=call.sent, reason=error.reason)
        progress.pending.append(_failed(progress.evidence, call, error.reason))
        progress.call = None


def settle(progress: Progress, answer: Answer | None, *, sent: bool, reason: str | None = None) -> None:
    """Settle a call that gave no answer, or none yet. What is counted before an answer's end is not the whole count.

    A failure that no provider charges for, after it began to answer, has cost what was answered until then.
    """
    if progress.spending is not None:
        usage = None if answer is None or answer.stop is None else answer.usage
        progress.spending.ended(usage, sent=sent, reason=reason if answer is None else None)


async def settle_unfinished(progress: Progress, reply: Reply, problem: CustomhouseError | None) -> None:
    """Record how a turn ended that did not complete; `problem` is None when the client left.

    A ledger that cannot write leaves the open call behind, to be settled as `model.unknown` when it can again.
    """
    call, reason = progress.call, None if problem is None else problem.code
    if call is not None:
        settle(progress, _partial(call), sent=call.sent, reason=reason)
    if isinstance(problem, LedgerUnavailable):
        if progress.span_id is not None:
            progress.orphans.add(progress.span_id)
        return
    if progress.ended:
        return
    evidence = progress.evidence
    if problem is not None and not progress.written:
        entries = [evidence.request_refused(problem)]
        progress.pending.clear()
    elif not progress.began:
        return
    else:
        entries = _closing(progress, problem)
        outcome = "client_left" if problem is None else "failed"
        reasons = () if problem is None else (problem.code,)
        entries.append(evidence.response_completed(None, outcome=outcome, timing_us=reply.timing_us(), reasons=reasons))
    # Shielded: a client that leaves twice must not tear its own last record.
    await asyncio.shield(progress.commit(entries))


def _closing(progress: Progress, problem: CustomhouseError | None) -> list[Entry]:
    call, evidence = progress.call, progress.evidence
    if call is None:
        return []
    progress.call = None
    if problem is None and not call.sent:
        return [_failed(evidence, call, "client.left")]
    if problem is None:
        partial = call.collector.answer() if call.collector else Answer()
        return [evidence.model_answered(call.span_id, call.deployment, call.attempt, partial, outcome="partial")]
    return [_failed(evidence, call, problem.code)]


def _failed(evidence: Evidence, call: OpenCall, reason: str) -> Entry:
    return evidence.model_failed(call.span_id, call.deployment, call.attempt, reason, _partial(call))


def _partial(call: OpenCall) -> Answer | None:
    """Return what came of a stream so far."""
    return call.collector.answer() if call.collector and call.collector.started else None
