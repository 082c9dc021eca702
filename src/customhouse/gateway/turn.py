# SPDX-License-Identifier: Apache-2.0
"""One turn: a client's request from identity to stamp. READ THIS FIRST; ARCHITECTURE.md numbers its steps the same way.

Rules kept: one snapshot a turn; `model.called` durable before the first byte leaves; the rest durable before the answer
is complete; an error in a decision is a denial; what was refused is recorded by the point that refused it.
Steps that do not exist yet are absent: (3) labels, (4) screening, (5) retrieval, (9) execution by the gateway.

Story: Lee asks the support bot for a refund. The bot's key names assistant and environment (1), so the turn sees the
release that Dana promoted (2) whatever Lee writes. The registered prompt goes first (6), the model answers (7) and
proposes issue_refund; the policy holds it (8). Lee reads a sentence instead of a call, and the trace id in his answer
leads to every step (10).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from customhouse.access.credentials import Credentials
from customhouse.access.issuers import Issuers
from customhouse.budget.reserve import Budgets
from customhouse.dialects import link
from customhouse.dialects.client import ClientDialect
from customhouse.domain.clock import Clock
from customhouse.domain.errors import (
    CustomhouseError,
    Forbidden,
    Internal,
    LedgerUnavailable,
    NothingEmbeds,
    UpstreamTimeout,
)
from customhouse.domain.message import Message, Text
from customhouse.domain.principal import Principal
from customhouse.domain.request import Request
from customhouse.gateway import degraded, identity, stored
from customhouse.gateway.body import ClientLeft
from customhouse.gateway.claims import Claims
from customhouse.gateway.converse import Ask, Progress, converse, settle_unfinished
from customhouse.gateway.evidence import Evidence
from customhouse.gateway.held import Asked, ask_people, body_digest
from customhouse.gateway.in_force import InForce, StaleAfter
from customhouse.gateway.judge import Bench, judge, withdraw
from customhouse.gateway.offer import offering
from customhouse.gateway.prepare import Preparations, Prepared
from customhouse.gateway.provider_tools import reported
from customhouse.gateway.recall import Recall
from customhouse.gateway.refused_key import key_refused
from customhouse.gateway.replay import HEADER, Desk, named, replay
from customhouse.gateway.reply import Ending, Reply, response_bytes
from customhouse.gateway.returned import Returns
from customhouse.gateway.spend import spending
from customhouse.gateway.ticketing import tickets
from customhouse.gateway.withdrawal import end_withdrawn
from customhouse.ledger.append import Ledger
from customhouse.planes.model.call import Upstreams
from customhouse.planes.model.parameters import bounded_tokens, settle
from customhouse.planes.model.select import Facts
from customhouse.planes.tools.facts import facts
from customhouse.registry.current import Current
from customhouse.vault.mint import TicketKeys


@dataclass(frozen=True, slots=True)
class Gateway:
    """What turns share. Built once by the composition root.

    `orphans` are the spans of calls whose outcome could not be written; the server settles them as soon as it can.
    """

    current: Current
    credentials: Credentials
    issuers: Issuers
    ledger: Ledger
    recall: Recall
    returns: Returns
    budgets: Budgets
    upstreams: Upstreams
    preparations: Preparations
    clock: Clock
    ticket_keys: TicketKeys
    desk: Desk
    orphans: set[str]
    stale_after: StaleAfter
    turn_timeout_s: float
    answer_bytes: int
    region: str
    public_url: str = ""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it stands on the wire. The body is read after the key was recognised; it may raise ClientLeft."""

    trace_id: str
    path: str
    dialect: ClientDialect
    headers: Mapping[str, str]
    body: Callable[[], Awaitable[bytes]]


Answering = Callable[[Gateway, Incoming, Reply, Progress, InForce], Awaitable[None]]


async def chat(gateway: Gateway, incoming: Incoming, reply: Reply) -> None:
    """Answer one chat request into `reply`. Raises CustomhouseError; what could be recorded then is recorded."""
    await run(gateway, incoming, reply, _answer)


async def run(gateway: Gateway, incoming: Incoming, reply: Reply, answer: Answering) -> None:
    """Do what every turn begins and ends with, and `answer` in between. Raises as `chat`."""
    # (1) identity: a key decides who calls; headers can only narrow it
    principal = await recognised(gateway, incoming.headers, incoming.trace_id)
    reply.mark("identity")
    # (2) snapshot: one for the whole turn, confirmed lately
    in_force = InForce(gateway.current, gateway.stale_after, principal, gateway.preparations)
    snapshot = in_force.snapshot()
    prepared = gateway.preparations.of(snapshot)
    reply.stamp(snapshot)
    tenant_key = await gateway.ledger.tenant_key(principal.tenant)
    evidence = Evidence(incoming.trace_id, gateway.clock.uuid7(), principal, prepared, tenant_key, gateway.clock)
    progress = Progress(
        evidence,
        gateway.ledger,
        gateway.orphans,
        reply.account,
        mode=snapshot.documents.safety.ledger_failure,
        spending=spending(gateway.budgets, gateway.ledger, gateway.clock, snapshot.documents.model.limits, principal),
    )
    try:
        async with asyncio.timeout(gateway.turn_timeout_s):
            await answer(gateway, incoming, reply, progress, in_force)
    except TimeoutError as error:
        timeout = UpstreamTimeout(f"the turn took longer than {gateway.turn_timeout_s:g} s")
        await settle_unfinished(progress, reply, timeout)
        raise timeout from error
    except ClientLeft:
        raise
    except Exception as error:
        problem = error if isinstance(error, CustomhouseError) else Internal()
        await settle_unfinished(progress, reply, problem)
        raise
    except asyncio.CancelledError:
        await settle_unfinished(progress, reply, None)
        raise


async def recognised(gateway: Gateway, headers: Mapping[str, str], trace_id: str) -> Principal:
    """Return who calls. Raises Unauthenticated, and Forbidden, which is recorded."""
    key = identity.authenticate(headers, gateway.credentials)
    try:
        return identity.principal(key, headers, gateway.issuers)
    except Forbidden as refused:
        # No tenant was accepted, so it stands in the organisation's log.
        await gateway.ledger.append([key_refused(gateway.clock, trace_id, key, refused)])
        raise


async def decide(
    gateway: Gateway, incoming: Incoming, reply: Reply, progress: Progress, in_force: InForce
) -> tuple[Ask, str | None]:
    """Return what to ask, and the reason for which only tools that read may be called. Raises CustomhouseError."""
    evidence = progress.evidence
    prepared, principal = evidence.prepared, evidence.principal
    documents = prepared.snapshot.documents
    in_force.admit()
    body = await incoming.body()
    request = incoming.dialect.read(body)
    link.refuse_others(request.messages)
    identity.named(request.model, principal.assistant, prepared.names)
    if request.texts and not documents.model.embeddings:
        raise NothingEmbeds(param="model")
    reply.ask(request)
    earlier = await gateway.recall.before(principal, request.previous)
    request = replace(request, messages=(*earlier.messages, *request.messages))
    # (3) label: not computed yet, and every record says so; only the class of the turn's data is known
    level = identity.turn_class(prepared.floor, incoming.headers, (earlier.classification,))
    identity.require_proof(principal, level)
    about = Facts(
        level,
        principal.tenant,
        principal.environment,
        documents.safety.residency,
        task=identity.task(incoming.headers),
        region=gateway.region,
        workflow=identity.workflow(incoming.headers, principal.workflow, documents.tools.workflows),
        now_us=gateway.clock.now_us(),
    )
    # (6) render: our prompt first; a client's own system messages go on as what they are, a user's words
    conversation, foreign = _render(prepared, request)
    declared = documents.safety.ledger_failure
    narrowed = in_force.narrowed(declared, ledger_down=gateway.ledger.down)
    tools = offering(prepared, request, narrowed, in_force, about.workflow)
    progress.mode = degraded.mode(declared, documents.tools, (offer.name for offer in tools.offers))
    sampling = settle(documents.model, prepared.sampling, request.sampling)
    tokens = 0 if request.texts else bounded_tokens(documents.model.parameters, request.max_tokens)
    if progress.mode == "open" and gateway.ledger.down:
        reply.forget()
    if progress.spending is not None:
        tokens = progress.spending.bounded(tokens)
    notes = (("prompt.foreign_system",) if foreign else ()) + (("model.sampling_kept",) if sampling.kept else ())
    notes += (*tools.notes, *((narrowed,) if narrowed else ()))
    progress.begin(
        evidence.request_accepted(body, about, identity.client_trace(incoming.headers), notes, request.previous)
    )
    reply.mark("render")
    # (7) select + call: only deployments that may see this class; each call reserved and durable before it leaves
    ask = Ask(
        request=replace(
            request,
            messages=conversation,
            offers=tools.offers,
            provider_tools=tools.provider,
            sampling=sampling.values,
            max_tokens=tokens,
        ),
        tools=tools,
        selection=(prepared.embeddings if request.texts else prepared.route).select(about),
        fallback=prepared.snapshot.charter.fallback,
        answer_bytes=gateway.answer_bytes,
        in_force=in_force,
        workflow=about.workflow,
        path=incoming.path,
        body=body,
    )
    return ask, narrowed


async def _answer(gateway: Gateway, incoming: Incoming, reply: Reply, progress: Progress, in_force: InForce) -> None:
    ask, narrowed = await decide(gateway, incoming, reply, progress, in_force)
    evidence = progress.evidence
    progress.pending += await gateway.returns.records(evidence, ask.request.messages)
    declared = evidence.prepared.snapshot.documents.safety.ledger_failure
    offered = frozenset(offer.name for offer in ask.request.offers)
    bench = Bench(
        evidence,
        in_force,
        facts(evidence.principal, ask.selection.classification, ask.workflow),
        Claims(gateway.budgets, gateway.clock, evidence.principal),
        gateway.public_url,
    )
    await end_withdrawn(gateway.desk, evidence, ask)
    approval = named(incoming.headers.get(HEADER), ask.request.approvals)
    if approval is not None and await replay(gateway.desk, bench, ask, progress, reply, approval, narrowed):
        return
    answer = await converse(ask, progress, gateway.upstreams, reply)
    progress.pending += reported(evidence, answer, progress.span_id)
    reply.mark("model")
    # (8) permit: every proposed call meets the one decision, and what is newest; what is not allowed leaves the answer
    if answer.tool_calls:
        narrowed = narrowed or in_force.narrowed(declared, ledger_down=gateway.ledger.down)
    judged = await judge(bench, answer, offered, progress.span_id, narrowed, asks=not gateway.ledger.down)
    told = ask.tools.notices(evidence.accepted, evidence.trace_id)
    reply.mark("permit")
    request = body_digest(ask.path, ask.body) if judged.holds else ""
    asked = ask_people(evidence, answer, judged.holds, request, *reply.asked) if judged.holds else Asked()
    # (10) stamp: the evidence is durable before the answer is complete; no call leaves that was taken away meanwhile
    progress.ended = True
    while True:
        proofs = tickets(gateway.ticket_keys, evidence, judged.passed)
        ending = Ending(judged.answer, (*told, *judged.notices), judged.added, progress.fell_back, proofs)
        unchanged = progress.said if judged.answer is answer else None
        outcome = "fallback" if progress.fell_back else "answered"
        completed = evidence.response_completed(
            unchanged or response_bytes(ending),
            outcome=outcome,
            timing_us=reply.timing_us(),
            reasons=progress.reasons,
            stored=stored.kept(
                evidence.principal,
                ask.selection.classification,
                reply.envelope(),
                ending.answer,
                reply.receipt(ending),
            ),
        )
        try:
            if asked.approvals:
                await progress.commit_with((*judged.entries, *asked.entries, completed), asked.keep)
            else:
                await progress.commit((*judged.entries, completed))
        except LedgerUnavailable:
            bench.claims.give_all_back()
            raise
        if not judged.passed:
            break
        narrowed = narrowed or in_force.narrowed(declared, ledger_down=gateway.ledger.down)
        before, judged, asked = judged, withdraw(bench, judged, narrowed), Asked()
        if judged is before:
            break
    if progress.spending is not None:
        await progress.spending.seen()
    reply.mark("evidence")
    await reply.end(ending)


def _render(prepared: Prepared, request: Request) -> tuple[tuple[Message, ...], bool]:
    if request.texts:  # what is embedded is embedded as it is
        return (), False
    sent = request.messages
    foreign = any(message.role in {"system", "developer"} for message in sent)
    if foreign:
        sent = tuple(
            replace(message, role="user") if message.role in {"system", "developer"} else message for message in sent
        )
    prompt = prepared.prompt.render(request.variables)
    return ((Message("system", (Text(prompt),)), *sent) if prompt else sent), foreign
