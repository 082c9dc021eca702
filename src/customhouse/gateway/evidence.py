# SPDX-License-Identifier: Apache-2.0
"""The evidence of one turn: builds each record from what was enforced, with the facts that every record repeats.

Labels are not computed yet, and every record says so; nobody shall read their absence as "clean".
"""

import hashlib
from dataclasses import dataclass
from typing import Final, TypedDict

import msgspec
from msgspec.structs import replace

from customhouse.domain.answer import NUMBER_BYTES, Answer, Usage
from customhouse.domain.clock import Clock, rfc3339
from customhouse.domain.digest import digest
from customhouse.domain.errors import BudgetExceeded, CustomhouseError, SwitchedOff, UpstreamFailed
from customhouse.domain.label import Classification
from customhouse.domain.message import ToolCall
from customhouse.domain.principal import Principal
from customhouse.gateway.in_force import Rechecked
from customhouse.gateway.offer import Offering
from customhouse.gateway.passing import PASSED, RETURNED, Passing, Returned, known_as
from customhouse.gateway.prepare import Prepared
from customhouse.gateway.stored import KIND
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import ModelFacts, Record, Ruling, Subject, ToolFacts
from customhouse.planes.model.document import Deployment
from customhouse.planes.model.select import Facts
from customhouse.planes.model.substitution import Noticed
from customhouse.planes.tools.unregistered import granted
from customhouse.vault.seal import TenantKey

LABELS: Final = "labels: not computed yet"
_ROUTED_BY: Final = ("task", "region", "workflow")
"""Facts that a route may look at besides the class and what every record has; recorded where they are said."""
MAX_NAME: Final = 128
"""Characters of a name or id that a model chose, as a record keeps them; its payload keeps all of it."""
MAX_LISTED: Final = 32
"""Tool names that a record spells out, so that it stays below 8 KB."""
MAX_CHANGED: Final = 8
"""Of tools that a client redefines, which are among those withheld."""

_encode = msgspec.json.encode


Given = bytes | str | None
"""What a client was given: content to keep, the commitment of content that is kept already, or nothing."""


class _Facts(TypedDict):
    v: int
    id: str
    tenant: str
    trace_id: str
    kind: str
    at: str
    assistant: str
    release: str
    snapshot: str
    generation: int
    labels: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Builds the records of one turn. `accepted` is the id of its first record, which the others name as parent."""

    trace_id: str
    accepted: str
    principal: Principal
    prepared: Prepared
    key: TenantKey
    clock: Clock

    def request_accepted(
        self, body: bytes, facts: Facts, client_trace: str | None, notes: tuple[str, ...], continues: str | None = None
    ) -> Entry:
        """Record that the turn began: who asked, under which snapshot, what a route may look at; the body sealed.

        `continues` is the id of the stored response that it continues.
        """
        request = self.key.seal(self.trace_id, "request", body)
        snapshot = self.prepared.snapshot
        record = Record(
            **self.facts("request.accepted", self.accepted),
            principal=self._subject(),
            charter=snapshot.charter_number,
            versions=dict(self.prepared.versions),
            commitments={"request": request.commitment},
            decision=Ruling(outcome="allow", reasons=notes) if notes else None,
            detail={
                "classification": facts.classification.label,
                **{name: said for name in _ROUTED_BY if (said := getattr(facts, name))},
                "numbers": dict(self.prepared.numbers),
                **({"client_trace": client_trace} if client_trace else {}),
                **({"continues": continues} if continues else {}),
            },
        )
        return Entry(record, (request,), (*self._known_by(), *([client_trace] if client_trace else ())))

    def request_refused(self, problem: CustomhouseError) -> Entry:
        """Record that the turn was refused before any model was asked, and why; of a limit, which one."""
        reasons = (problem.reason if isinstance(problem, SwitchedOff) else problem.code,)
        if isinstance(problem, UpstreamFailed) and problem.reason not in reasons:
            reasons = (*reasons, problem.reason)
        limit = (
            dict(zip(("of", "per", "amount"), problem.limit, strict=True))
            if isinstance(problem, BudgetExceeded)
            else None
        )
        record = Record(
            **self.facts("request.refused", self.accepted),
            principal=self._subject(),
            versions=dict(self.prepared.versions),
            decision=Ruling(outcome="deny", reasons=reasons),
            detail=None if limit is None else {"limit": limit},
            outcome="refused",
        )
        return Entry(record, references=self._known_by())

    def model_called(
        self,
        span_id: str,
        deployment: Deployment,
        attempt: int,
        tools: Offering,
        level: Classification,
        *,
        left_alone: tuple[str, ...] = (),
        texts: int = 0,
    ) -> Entry:
        """Record a call that is about to leave, with the tools it may propose; open until its outcome is written.

        Of `tools`, those whose definition the client has changed stand among those withheld, and apart (`changed`).
        `level` is the class of data for which the deployment was selected; `left_alone` are the deployments before it
        whose breakers were open. `texts` are how many it is to embed: then no prompt goes with them.
        """
        offered = tuple(offer.name for offer in tools.offers)
        names = {
            "offered": _listed(offered),
            "withheld": _listed(tools.withheld),
            "changed": _listed(tools.changed[:MAX_CHANGED]),
            "left_alone": _listed(left_alone),
            "texts": texts,
        }
        record = Record(
            **self.facts("model.called", span_id),
            span_id=span_id,
            parents=(self.accepted,),
            versions={plane: self.prepared.versions[plane] for plane in (("model",) if texts else ("model", "prompt"))},
            model=_model(deployment, attempt),
            tools_offered=digest(sorted(offered)) if offered else None,
            detail={"classification": level.label, **{name: listed for name, listed in names.items() if listed}},
        )
        return Entry(record, opens=True)

    def model_failed(
        self, span_id: str, deployment: Deployment, attempt: int, reason: str, partial: Answer | None = None
    ) -> Entry:
        """Record that a call gave no usable answer; what came of it before, and may have been shown, is kept."""
        said = self.key.seal(self.trace_id, "model_answer", _encode(partial)) if partial else None
        record = Record(
            **self.facts("model.failed", self.clock.uuid7()),
            span_id=span_id,
            parents=(span_id,),
            model=_model(deployment, attempt),
            decision=Ruling(outcome="deny", reasons=(reason,)),
            commitments={"model_answer": said.commitment} if said else None,
            outcome="failed",
        )
        return Entry(record, (said,) if said else (), closes=span_id)

    def model_answered(
        self,
        span_id: str,
        deployment: Deployment,
        attempt: int,
        answer: Answer,
        *,
        outcome: str,
        noticed: Noticed | None = None,
    ) -> Entry:
        """Record what a model said, whole (`complete`) or as far as it came (`partial`), and what is odd about it."""
        said = self.key.seal(self.trace_id, "model_answer", _encode(_kept(answer)))
        record = Record(
            **self.facts("model.answered", self.clock.uuid7()),
            span_id=span_id,
            parents=(span_id,),
            model=_model(deployment, attempt, answer),
            usage=_counts(answer.usage),
            commitments={"model_answer": said.commitment},
            outcome=outcome,
            detail={**_stopped(answer), **_odd(noticed or Noticed())},
        )
        return Entry(record, (said,), closes=span_id)

    def tool_proposed(self, proposed_id: str, span_id: str | None, call: ToolCall) -> Entry:
        """Record a call that a model proposes; its arguments behind their commitment, findable by the call's id."""
        arguments = self.key.seal(self.trace_id, f"arguments:{proposed_id}", call.arguments.encode())
        record = Record(
            **self.facts("tool.proposed", proposed_id),
            span_id=span_id,
            parents=(span_id or self.accepted,),
            tool=self.tool(call),
            commitments={"arguments": arguments.commitment},
        )
        return Entry(record, (arguments,), (call.id[:MAX_NAME],))

    def tool_decided(self, decision_id: str, parent_id: str, call: ToolCall, rechecked: Rechecked) -> Entry:
        """Record the decision on a proposed call: by the turn's version of the policy, and what was newer by then.

        The parent is the proposal or, when a call is withdrawn that was about to leave, the decision that passed it.
        """
        decision, newest = rechecked.decision, rechecked.snapshot
        detail: dict[str, object] = {"switch_generation": rechecked.switch_generation}
        if newest is not None and newest is not self.prepared.snapshot:
            detail |= {"rechecked": newest.digest, "rechecked_generation": newest.generation}
        record = Record(
            **self.facts("tool.decided", decision_id),
            parents=(parent_id,),
            versions={"tools": self.prepared.versions["tools"]},
            tool=self.tool(call),
            decision=Ruling(outcome=decision.outcome.value, reasons=decision.reasons, obligations=decision.obligations),
            detail=detail,
        )
        return Entry(record, references=(decision_id,))

    def tool_passed(self, decision_id: str, call: ToolCall) -> Entry:
        """Record that an allowed call goes to the client, who runs it."""
        record = Record(**self.facts("tool.passed", self.clock.uuid7()), parents=(decision_id,), tool=self.tool(call))
        return Entry(record, references=(known_as(PASSED, self.principal, call.id),))

    def tool_returned(self, new: Returned, passing: Passing | None, *, known: bool) -> Entry:
        """Record what the client says that a call came to. Without `known` nobody could say whether it was passed."""
        result, record_id = new.result, self.clock.uuid7()
        content = self.key.seal(self.trace_id, f"result:{record_id}", _encode(result.content))
        matched: dict[str, object] = {"matched": passing is not None} if known else {}
        if passing is not None:
            matched |= {"passed_in": passing.trace_id, **({"repeated": True} if passing.repeated else {})}
        call_id = result.call_id[:MAX_NAME]
        record = Record(
            **self.facts("tool.returned", record_id),
            parents=(passing.record_id if passing else self.accepted,),
            tool=passing.tool if passing else ToolFacts(name=new.named[:MAX_NAME], call_id=call_id),
            commitments={"result": content.commitment},
            outcome="failed" if result.failed else "returned",
            detail={"asserted_by": "client", **matched},
        )
        return Entry(record, (content,), (known_as(RETURNED, self.principal, result.call_id), call_id))

    def response_completed(  # its own kind of ending for every way a turn can end
        self,
        given: Given,
        *,
        outcome: str,
        timing_us: dict[str, int],
        reasons: tuple[str, ...] = (),
        stored: bytes | None = None,
    ) -> Entry:
        """Record that the answer is complete as decided: `answered`, `fallback`, `failed` or `client_left`.

        `given` is what the client gets: a payload of its own or, unchanged, the commitment of what the model said.
        `stored` is what a later turn may continue, where the client did not ask to forget it.
        """
        sealed = self.key.seal(self.trace_id, "response", given) if isinstance(given, bytes) else None
        commitment = sealed.commitment if sealed else given
        kept = self.key.seal(self.trace_id, KIND, stored) if stored is not None else None
        commitments = {"response": commitment, KIND: kept.commitment if kept else None}
        record = Record(
            **self.facts("response.completed", self.clock.uuid7()),
            parents=(self.accepted,),
            versions=dict(self.prepared.versions),
            commitments={name: each for name, each in commitments.items() if isinstance(each, str)} or None,
            decision=Ruling(outcome="deny", reasons=reasons) if reasons else None,
            timing_us=timing_us,
            outcome=outcome,
        )
        return Entry(record, tuple(each for each in (sealed, kept) if each is not None))

    def facts(self, kind: str, record_id: str) -> _Facts:
        """Return what every record of the turn says."""
        snapshot = self.prepared.snapshot
        return {
            "v": 1,
            "id": record_id,
            "tenant": self.principal.tenant,
            "trace_id": self.trace_id,
            "kind": kind,
            "at": rfc3339(self.clock.now_us()),
            "assistant": self.principal.assistant,
            "release": snapshot.stamp,
            "snapshot": snapshot.digest,
            "generation": snapshot.generation,
            "labels": LABELS,
        }

    def _known_by(self) -> tuple[str, ...]:
        """Return what every turn is found by besides its own ids: release, key, and the person it was asked for."""
        principal = self.principal
        names = (self.prepared.snapshot.stamp, principal.key_id, principal.on_behalf_of)
        return tuple(name[:MAX_NAME] for name in names if name)

    def _subject(self) -> Subject:
        principal = self.principal
        return Subject(
            key=principal.key_id,
            environment=principal.environment,
            on_behalf_of=principal.on_behalf_of,
            assertion=principal.assertion,
            issuer=principal.issuer,
        )

    def tool(self, call: ToolCall) -> ToolFacts:
        """Return what a record says of a call's tool."""
        grant = granted(self.prepared.snapshot.documents.tools, call.name)
        return ToolFacts(
            name=call.name[:MAX_NAME],
            call_id=call.id[:MAX_NAME],
            digest=self.prepared.tool_digests.get(call.name),
            effect=grant.effect if grant else None,
        )


def _kept(answer: Answer) -> Answer:
    """Return an answer as evidence keeps it: of each vector its digest, which tells whether a vector is this one."""
    if not answer.vectors:
        return answer
    return replace(answer, vectors=tuple(hashlib.sha256(vector).digest() for vector in answer.vectors))


def _counts(usage: Usage | None) -> dict[str, int] | None:
    """Return what a provider counted; counts that few providers make stand only where they are more than nothing."""
    if usage is None:
        return None
    counts = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
    for name in ("cached_tokens", "cache_written_tokens", "reasoning_tokens"):
        count: int = getattr(usage, name)
        if count:
            counts[name] = count
    return counts


def _odd(noticed: Noticed) -> dict[str, object]:
    """Return that another model answered than the one asked for, and the fingerprint before where it has changed."""
    before = noticed.fingerprint_before
    return {
        **({"substituted": True} if noticed.substituted else {}),
        **({"fingerprint_changed": before[:MAX_NAME]} if before is not None else {}),
    }


def _stopped(answer: Answer) -> dict[str, object]:
    """Return why a model stopped, and its provider's own word for it where that is another."""
    if answer.vectors:
        return {"vectors": len(answer.vectors), "dimensions": len(answer.vectors[0]) // NUMBER_BYTES}
    detail: dict[str, object] = {"finish_reason": answer.stop or "none"}
    if answer.stop_word is not None and answer.stop_word != answer.stop:
        detail["stop_word"] = answer.stop_word[:MAX_NAME]
    return detail


def _listed(names: tuple[str, ...]) -> list[str]:
    """Return names as a record can hold them; the set's digest covers the rest."""
    return [name[:64] for name in names[:MAX_LISTED]]


def _model(deployment: Deployment, attempt: int, answer: Answer | None = None) -> ModelFacts:
    return ModelFacts(
        deployment=deployment.label,
        provider=deployment.provider,
        requested=deployment.model,
        region=deployment.region,
        weights=deployment.weights.digest if deployment.weights else None,
        answered=answer.model[:MAX_NAME] if answer and answer.model else None,
        fingerprint=answer.fingerprint[:MAX_NAME] if answer and answer.fingerprint else None,
        upstream_id=answer.upstream_id[:MAX_NAME] if answer and answer.upstream_id else None,
        attempt=attempt,
    )
