# SPDX-License-Identifier: Apache-2.0
"""What telemetry costs a turn: counting, the log's line, the queue of spans, and one answer of /metrics.

    python -m benchmarks.telemetry

The account is that of a turn with two model calls (the first failed) and two tool calls: eleven records. CPU time of
this thread, best of seven, in microseconds; the log goes to /dev/null. Takes some five seconds.
"""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.measure import machine
from prometheus_client import CollectorRegistry, generate_latest

from customhouse.cli.log_line import JsonLine, LogLine
from customhouse.domain.clock import SystemClock, rfc3339
from customhouse.gateway.account import Account
from customhouse.ledger.entry import Entry, Leaf
from customhouse.ledger.record import ModelFacts, Record, Ruling, ToolFacts
from customhouse.telemetry import access_line, spans
from customhouse.telemetry.evidence import EvidenceCounts
from customhouse.telemetry.otlp import SpanExport
from customhouse.telemetry.turns import TurnCounts

ROUNDS: Final = 7
STEPS: Final = ("identity", "render", "record", "model", "permit", "evidence", "total")
_CLOCK: Final = SystemClock()


def main() -> None:
    """Measure, and print one JSON object."""
    account = turn()
    leaves = [Leaf(Entry(record), b"") for record in account.records]
    counts, evidence = TurnCounts(), EvidenceCounts()
    export = SpanExport("http://127.0.0.1:9", version="0", replica="bench")
    found = {
        "count a turn": best(lambda: counts.ended(account), 20_000),
        "count its evidence": best(lambda: evidence.appended("database", leaves, 1000), 20_000),
        "line of the log, switched off": best(lambda: access_line.write(account), 20_000),
        "line of the log, JSON": logged(JsonLine(), account),
        "line of the log, text": logged(LogLine(), account),
        "put into the queue of spans": best(lambda: export.watch(account), 200),
        "make its spans (in the thread)": best(lambda: spans.tree(account), 2000),
    }
    registry = CollectorRegistry()
    registry.register(counts)
    registry.register(evidence)
    found["write the counts of /metrics"] = best(lambda: generate_latest(registry), 50)
    print(json.dumps({**machine(), "us": {name: round(took_us, 2) for name, took_us in found.items()}}, indent=1))


def turn() -> Account:
    """Return the account of the turn that is measured."""

    def record(kind: str, **more: object) -> Record:
        at = rfc3339(_CLOCK.now_us())
        return Record(v=1, id=_CLOCK.uuid7(), tenant="t", trace_id=trace_id, kind=kind, at=at, **more)  # pyright: ignore[reportArgumentType] - fields of the record

    trace_id = _CLOCK.uuid7()
    records = [record("request.accepted")]
    for attempt, ended in enumerate(("model.failed", "model.answered"), start=1):
        model = ModelFacts(deployment=f"local/{attempt}", provider="local", requested="m", attempt=attempt)
        span_id = _CLOCK.uuid7()
        ruling = Ruling(outcome="deny", reasons=("upstream.timeout",)) if ended == "model.failed" else None
        usage = {"prompt_tokens": 21, "completion_tokens": 9}
        records += [
            record("model.called", span_id=span_id, model=model),
            record(ended, span_id=span_id, model=model, decision=ruling, usage=usage, outcome="complete"),
        ]
    for outcome, reason in (("allow", "tool.granted"), ("hold", "tool.needs_approval")):
        tool = ToolFacts(name="get_order_status")
        proposed = record("tool.proposed", tool=tool)
        ruling = Ruling(outcome=outcome, reasons=(reason,))
        records += [proposed, record("tool.decided", parents=(proposed.id,), tool=tool, decision=ruling)]
    records += [record("tool.passed"), record("response.completed", outcome="answered")]
    steps = {step: 1000 * place for place, step in enumerate(STEPS, start=1)}
    return Account(trace_id, _CLOCK.now_us(), records=records, status=200, steps_us=steps)


def logged(formatter: logging.Formatter, account: Account) -> float:
    """Measure the line of the log in one form."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # as begin_log does
    log = logging.getLogger("customhouse")
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        handler = logging.StreamHandler(nowhere)
        handler.setFormatter(formatter)
        log.handlers[:] = [handler]
        log.propagate = False
        log.setLevel(logging.INFO)
        return best(lambda: access_line.write(account), 20_000)


def best(work: Callable[[], object], count: int) -> float:
    """Return how many microseconds of CPU time one call takes, in the best of the rounds."""
    found: list[int] = []
    for _ in range(ROUNDS):
        began = time.thread_time_ns()
        for _ in range(count):
            work()
        found.append(time.thread_time_ns() - began)
    return min(found) / count / 1000


if __name__ == "__main__":
    main()
