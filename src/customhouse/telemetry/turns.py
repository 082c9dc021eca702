# SPDX-License-Identifier: Apache-2.0
"""Counting turns: plain numbers of ours, added to when a turn has ended, and shown when somebody asks.

Cost: about 4 µs a turn with two model calls and two tool calls (benchmarks/telemetry.py). The Prometheus
client's own counters take a lock and a look-up of labels each time; turns end on the event loop, so we need neither.
"""

from collections.abc import Iterator
from typing import Final, cast

from prometheus_client.metrics_core import Metric

from customhouse.api.openapi import error_codes
from customhouse.budget.limit import AMOUNTS, OFS, PERS
from customhouse.domain.decision import REASONS
from customhouse.gateway.account import Account
from customhouse.ledger.record import ModelFacts, Record
from customhouse.telemetry.families import Histogram, counter, histogram
from customhouse.telemetry.names import MAX_DECLARED, OTHER

STEPS: Final = frozenset({"identity", "render", "record", "model", "permit", "evidence"})
_CLASSES: Final = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")

Counts = dict[tuple[str, ...], float]


class TurnCounts:
    """What turns did since the process started."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._codes = frozenset(error_codes())
        self._reasons = self._codes | frozenset(REASONS)
        self._turns: Counts = {}
        self._errors: Counts = {}
        self._over: Counts = {}
        self._calls: Counts = {}
        self._tokens: Counts = {}
        self._changes: Counts = {}
        self._decisions: Counts = {}
        self._durations: dict[tuple[str, ...], Histogram] = {}
        self._steps = {(step,): Histogram() for step in (*sorted(STEPS), OTHER)}
        self._assistants: set[str] = set()
        self._deployments: set[str] = set()

    def ended(self, account: Account) -> None:
        """Count a turn."""
        snapshot, outcome = account.snapshot, account.outcome
        assistant = environment = OTHER
        if snapshot is not None:
            assistant, environment = _known(snapshot.assistant, self._assistants), snapshot.environment
        _add(self._turns, (assistant, environment, outcome, _CLASSES[account.status // 100]))
        if account.code is not None:
            _add(self._errors, (account.code if account.code in self._codes else OTHER,))
        for step, took_us in account.steps_us.items():
            if step == "total":
                self._durations.setdefault((outcome,), Histogram()).observe(took_us)
            else:
                self._steps[step if step in STEPS else OTHER,].observe(took_us)
        for record in account.records:
            match record.kind:
                case "model.answered" | "model.failed":
                    if record.model is not None:
                        self._called(record, record.model)
                case "request.refused":
                    self._refused(record)
                case "tool.decided":
                    decision = record.decision
                    _add(self._decisions, (decision.outcome if decision else OTHER, self._reason(record)))
                case _:
                    pass

    def collect(self) -> Iterator[Metric]:
        """Give the metrics; called by the Prometheus client."""
        yield counter("customhouse_turns_total", self._turns)
        yield counter("customhouse_turn_errors_total", self._errors)
        yield counter("customhouse_turns_over_budget_total", self._over)
        yield histogram("customhouse_turn_duration_seconds", self._durations)
        yield histogram("customhouse_turn_step_duration_seconds", self._steps)
        yield counter("customhouse_model_calls_total", self._calls)
        yield counter("customhouse_model_tokens_total", self._tokens)
        yield counter("customhouse_model_changes_total", self._changes)
        yield counter("customhouse_tool_decisions_total", self._decisions)

    def _refused(self, record: Record) -> None:
        """Count a turn that a limit refused; the words are those of the limit's own closed lists."""
        limit = (record.detail or {}).get("limit")
        if isinstance(limit, dict):
            told = cast("dict[str, object]", limit)
            labels = ("of", OFS), ("per", PERS), ("amount", AMOUNTS)
            _add(self._over, tuple(str(told[name]) if told.get(name) in words else OTHER for name, words in labels))

    def _called(self, record: Record, model: ModelFacts) -> None:
        deployment = _known(model.deployment, self._deployments)
        failed = record.kind == "model.failed"
        _add(self._calls, (deployment, record.outcome or OTHER, self._reason(record) if failed else ""))
        detail = record.detail or {}
        for what, name in (("model", "substituted"), ("fingerprint", "fingerprint_changed")):
            if name in detail:
                _add(self._changes, (deployment, what))
        if record.usage is not None:
            _add(self._tokens, (deployment, "input"), record.usage.get("prompt_tokens", 0))
            _add(self._tokens, (deployment, "output"), record.usage.get("completion_tokens", 0))

    def _reason(self, record: Record) -> str:
        decision = record.decision
        reason = decision.reasons[0] if decision and decision.reasons else OTHER
        return reason if reason in self._reasons else OTHER


def _add(counts: Counts, labels: tuple[str, ...], more: int = 1) -> None:
    counts[labels] = counts.get(labels, 0) + more


def _known(name: str, known: set[str]) -> str:
    """Return a declared name as a label, or `other` when there are too many."""
    if name in known:
        return name
    if len(known) >= MAX_DECLARED:
        return OTHER
    known.add(name)
    return name
