# SPDX-License-Identifier: Apache-2.0
"""What one turn looks like as spans: the turn, its model calls, its tool decisions. Pure; made of the turn's evidence.

Names are those of OpenTelemetry's semantic conventions for generative AI (1.41), and `customhouse.*` for what they have
no word for. Rules kept: no content. A tool is named only where the release declares it, since a model may have chosen
any text; a finish reason only where it is a known one.

The trace id is the client's (`traceparent`) or else the turn's own; span ids are the last half of the records' ids. A
client that does not sample its trace (W3C trace context, 3.2.2.5.1) has no span of ours in it either.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, NamedTuple

from customhouse.gateway.account import Account
from customhouse.ledger.record import ModelFacts, Record
from customhouse.telemetry.names import OTHER

FINISH_REASONS: Final = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
_PARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_SAMPLED: Final = 1
_ID_BITS: Final = (1 << 64) - 1

Kind = Literal["server", "client", "internal"]
Value = str | int | tuple[str, ...]


class Span(NamedTuple):
    """One span. `parent` is None for a root; `error` is a code for what failed."""

    name: str
    kind: Kind
    id: int
    parent: int | None
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Value]
    error: str | None = None


class Tree(NamedTuple):
    """The spans of a turn, the turn's own first. `remote` says that its parent is the client's."""

    trace: int
    remote: bool
    spans: tuple[Span, ...]


def count(account: Account) -> int:
    """Return how many spans a turn has."""
    return 1 + sum(record.kind in {"model.called", "tool.decided"} for record in account.records)


def tree(account: Account) -> Tree | None:
    """Return a turn's spans, or None when its client does not sample it."""
    found = _PARENT.fullmatch(account.parent)
    if found is not None and not int(found[3], 16) & _SAMPLED:
        return None
    trace = int(found[1], 16) if found else int(account.trace_id.replace("-", ""), 16)
    turn = _turn(account, int(found[2], 16) if found else None)
    calls = {record.span_id: record for record in account.records if record.kind == "model.called"}
    ended = {record.span_id: record for record in account.records if record.kind in {"model.answered", "model.failed"}}
    proposed = {record.id: record for record in account.records if record.kind == "tool.proposed"}
    spans = [turn]
    for span_id, called in calls.items():
        if called.model is not None:
            spans.append(_call(called, ended.get(span_id), called.model, turn))
    spans += [_decision(each, proposed, account, turn) for each in account.records if each.kind == "tool.decided"]
    return Tree(trace, found is not None, tuple(spans))


def _turn(account: Account, parent: int | None) -> Span:
    snapshot = account.snapshot
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": "invoke_agent",
        "customhouse.trace_id": account.trace_id,
        "customhouse.outcome": account.outcome,
    }
    if account.status:
        attributes["http.response.status_code"] = account.status
    if snapshot is not None:
        attributes |= {
            "gen_ai.agent.name": snapshot.assistant,
            "customhouse.environment": snapshot.environment,
            "customhouse.release": snapshot.stamp,
            "customhouse.snapshot": snapshot.digest,
            "customhouse.generation": snapshot.generation,
        }
    asked = [record.model.deployment for record in account.records if record.model is not None]
    if asked:
        attributes["customhouse.deployment"] = asked[-1]
    if account.code is not None:
        attributes["error.type"] = account.code
    start_ns = account.began_us * 1000
    took_ns = account.steps_us.get("total", 0) * 1000
    name = f"invoke_agent {snapshot.assistant}" if snapshot else "invoke_agent"
    return Span(name, "server", _id(account.trace_id), parent, start_ns, start_ns + took_ns, attributes, account.code)


def _call(called: Record, ended: Record | None, model: ModelFacts, turn: Span) -> Span:
    operation = "embeddings" if "texts" in (called.detail or {}) else "chat"
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": model.provider,
        "gen_ai.request.model": model.requested,
        "customhouse.deployment": model.deployment,
        "customhouse.attempt": model.attempt,
    }
    error: str | None = "model.unknown"
    end_ns = turn.end_ns
    if ended is not None:
        end_ns = _ns(ended.at)
        error = None
        if ended.kind == "model.failed":
            error = ended.decision.reasons[0] if ended.decision and ended.decision.reasons else OTHER
        attributes |= _answer(ended)
    if error is not None:
        attributes["error.type"] = error
    span_id = _id(called.span_id or called.id)
    return Span(f"{operation} {model.requested}", "client", span_id, turn.id, _ns(called.at), end_ns, attributes, error)


def _answer(ended: Record) -> dict[str, Value]:
    attributes: dict[str, Value] = {}
    if ended.model is not None and ended.model.answered is not None:
        attributes["gen_ai.response.model"] = ended.model.answered
    if ended.model is not None and ended.model.upstream_id is not None:
        attributes["gen_ai.response.id"] = ended.model.upstream_id
    if ended.usage is not None:
        attributes["gen_ai.usage.input_tokens"] = ended.usage.get("prompt_tokens", 0)
        attributes["gen_ai.usage.output_tokens"] = ended.usage.get("completion_tokens", 0)
    reason = (ended.detail or {}).get("finish_reason")
    if isinstance(reason, str):
        attributes["gen_ai.response.finish_reasons"] = (reason if reason in FINISH_REASONS else OTHER,)
    return attributes


def _decision(decided: Record, proposed: Mapping[str, Record], account: Account, turn: Span) -> Span:
    proposal = next((proposed[each] for each in decided.parents if each in proposed), decided)
    decision, tool = decided.decision, decided.tool
    attributes: dict[str, Value] = {
        "customhouse.decision": decision.outcome if decision else OTHER,
        "customhouse.decision.reasons": decision.reasons if decision else (),
    }
    grants = account.snapshot.documents.tools.grants if account.snapshot else {}
    if tool is not None and tool.name in grants:
        attributes["gen_ai.tool.name"] = tool.name
        attributes["customhouse.tool.effect"] = grants[tool.name].effect
    parent = turn.id if proposal.span_id is None else _id(proposal.span_id)
    return Span("decide_tool", "internal", _id(decided.id), parent, _ns(proposal.at), _ns(decided.at), attributes)


def _id(uuid7: str) -> int:
    return int(uuid7.replace("-", ""), 16) & _ID_BITS


def _ns(at: str) -> int:
    moment = datetime.fromisoformat(at)
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
