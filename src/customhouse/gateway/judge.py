# SPDX-License-Identifier: Apache-2.0
"""Step 8: every call that a model proposes meets the one decision, and what is not allowed leaves the answer.

Records come in the order of what happened: proposed, decided, and passed only for what the client will see. What is
taken away while those records are written gets a second decision, which names the first as its parent.

Rule kept: who is told that a call is held finds people asked about it. What would be held and nobody can be asked about
is denied.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from msgspec.structs import replace

from customhouse.dialects.envelope import Notice
from customhouse.domain.answer import Answer, Held
from customhouse.domain.decision import REASONS, Decision, Outcome
from customhouse.domain.message import Text, ToolCall
from customhouse.gateway.claims import Claims
from customhouse.gateway.evidence import Evidence
from customhouse.gateway.in_force import InForce, Rechecked
from customhouse.ledger.entry import Entry
from customhouse.planes.tools.facts import Facts
from customhouse.planes.tools.permit import Batch, Verdict, permit

_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Passed(NamedTuple):
    """A call that goes to the client, by which decision."""

    call: ToolCall
    decision_id: str
    verdict: Verdict


class Hold(NamedTuple):
    """A call that a person may say yes to, by which decision."""

    call: ToolCall
    decision_id: str
    verdict: Verdict


class Judged(NamedTuple):
    """The answer as the client may see it, what was taken from it, and the records of every decision."""

    answer: Answer
    notices: tuple[Notice, ...]
    entries: tuple[Entry, ...]
    added: str
    passed: tuple[Passed, ...] = ()
    holds: tuple[Hold, ...] = ()


@dataclass(frozen=True, slots=True)
class Bench:
    """What every decision of one turn is made with: its evidence, what is newest, what rules see, its budgets.

    `public_url` stands before the address at which people answer a held call; without it the address is a path.
    """

    evidence: Evidence
    in_force: InForce
    facts: Facts
    claims: Claims
    public_url: str = ""


async def judge(
    bench: Bench,
    answer: Answer,
    offered: frozenset[str],
    span_id: str | None,
    narrowed: str | None,
    *,
    asks: bool = True,
) -> Judged:
    """Decide every proposed call of an answer. Cost: benchmarks/decision.py, and three records.

    The turn's own snapshot decides, and what is in force at this moment may make it stricter. `narrowed` is the reason
    for which only tools that read may be passed. What a call uses up of an hour's or a day's budget is reserved.
    `asks` says whether people can be asked now: where evidence cannot be written, they cannot.
    """
    evidence = bench.evidence
    passed: list[Passed] = []
    notices: list[Notice] = []
    entries: list[Entry] = []
    sentences: list[str] = []
    held: list[Held] = []
    holds: list[Hold] = []
    policy = evidence.prepared.policy
    batch = Batch()
    for call in answer.tool_calls:
        proposed_id, decision_id = evidence.clock.uuid7(), evidence.clock.uuid7()
        verdict = permit(policy, call, bench.facts, offered=offered, batch=batch)
        rechecked = bench.in_force.recheck(verdict, call, policy, narrowed, bench.facts, batch)
        if rechecked.decision.outcome is Outcome.ALLOW:
            over = await bench.claims.take(decision_id, rechecked.verdict.claims)
            rechecked = rechecked if over is None else rechecked.denied(over)
        if not asks or rechecked.snapshot is not evidence.prepared.snapshot:
            # What people would approve is bound to versions that are in force no more.
            rechecked = _unasked(rechecked)
        decision = rechecked.decision
        entries.append(evidence.tool_proposed(proposed_id, span_id, call))
        entries.append(evidence.tool_decided(decision_id, proposed_id, call, rechecked))
        if decision.outcome is Outcome.ALLOW:
            batch = batch.with_call(rechecked.verdict.claims)
            passed.append(Passed(call, decision_id, rechecked.verdict))
            entries.append(evidence.tool_passed(decision_id, call))
        else:
            notices.append(_notice(bench, decision_id, call, decision))
            sentences.append(_sentence(call, decision, notices[-1]))
            if decision.outcome is Outcome.HOLD:
                held.append(Held(decision_id, call.name, call.arguments))
                holds.append(Hold(call, decision_id, rechecked.verdict))
    if not answer.tool_calls:
        # A stop that announces calls where there are none would make a client look for them.
        return Judged(replace(answer, stop="stop") if answer.stop == "tool_calls" else answer, (), (), "")
    shown, added = _without(replace(answer, held=tuple(held)), passed, sentences)
    return Judged(shown, tuple(notices), tuple(entries), added, tuple(passed), tuple(holds))


def withdraw(bench: Bench, judged: Judged, narrowed: str | None) -> Judged:
    """Look once more at the calls that are about to leave; return `judged` itself when all of them still may.

    Otherwise its entries are only those of the new decisions. Story: the database takes two seconds to write that
    issue_note was passed, and in between Ola throws `tool:issue_note`. Every replica acknowledges; the call stays here.
    """
    evidence = bench.evidence
    policy = evidence.prepared.policy
    kept: list[Passed] = []
    notices: list[Notice] = []
    entries: list[Entry] = []
    sentences: list[str] = []
    batch = Batch()
    for each in judged.passed:
        call = each.call
        rechecked = _unasked(bench.in_force.recheck(each.verdict, call, policy, narrowed, bench.facts, batch))
        if rechecked.decision.outcome is Outcome.ALLOW:
            batch = batch.with_call(each.verdict.claims)
            kept.append(each)
            continue
        bench.claims.give_back(each.decision_id)
        decision_id = evidence.clock.uuid7()
        entries.append(evidence.tool_decided(decision_id, each.decision_id, call, rechecked))
        notices.append(_notice(bench, decision_id, call, rechecked.decision))
        sentences.append(_sentence(call, rechecked.decision, notices[-1]))
    if not entries:
        return judged
    shown, added = _without(judged.answer, kept, sentences)
    return Judged(shown, (*judged.notices, *notices), tuple(entries), judged.added + added, tuple(kept))


def _without(answer: Answer, passed: Sequence[Passed], sentences: Sequence[str]) -> tuple[Answer, str]:
    """Return an answer with only the calls that pass and a sentence for each other one, and the text that was added."""
    added = "\n".join(sentences)
    if added and answer.text:
        added = f"\n\n{added}"
    said = [part for part in answer.content if not isinstance(part, ToolCall)]
    content = (*said, *((Text(added),) if added else ()), *(each.call for each in passed))
    return replace(answer, content=content, stop="tool_calls" if passed else "stop"), added


def _unasked(rechecked: Rechecked) -> Rechecked:
    """Return the look with a denial in the place of a hold that nobody will be asked about, and why it was one.

    Story: a release is promoted while the model thinks, and the turn then proposes a refund. An approval of it would be
    bound to versions of a moment ago, so it could never be used; Lee is told to ask again, not to wait for Ola.
    """
    held = rechecked.decision
    if held.outcome is not Outcome.HOLD:
        return rechecked
    return rechecked._replace(verdict=Verdict(Decision(Outcome.DENY, ("tool.not_asked", *held.reasons))))


def _notice(bench: Bench, decision_id: str, call: ToolCall, decision: Decision) -> Notice:
    page, trace = f"{bench.public_url}/approvals/{decision_id}", f"/api/v1/traces/{bench.evidence.trace_id}"
    return Notice(
        id=decision_id,
        code=decision.reasons[0],
        outcome=decision.outcome.value,
        tool=_name(call),
        url=page if decision.outcome is Outcome.HOLD else trace,
    )


def _sentence(call: ToolCall, decision: Decision, notice: Notice) -> str:
    verb = "held" if decision.outcome is Outcome.HOLD else "refused"
    sentence = f"[customhouse] The call to {_name(call)} was {verb}: {REASONS[decision.reasons[0]]}"
    return f"{sentence} Whoever may, answers at {notice.url}." if decision.outcome is Outcome.HOLD else sentence


def _name(call: ToolCall) -> str:
    """Return a name fit to be shown: a model may choose any text, and a sentence of ours must not carry it."""
    return call.name if _PLAIN_NAME.fullmatch(call.name) else "a tool with an unreadable name"
