# SPDX-License-Identifier: Apache-2.0
"""What clients hold, against what the logs tell: the judgement of a series of kills. Pure.

An answer of an assistant that is `closed` or `spool` has all of its evidence. One of an `open` assistant has it, or
lies in a gap that its tenant's log declares, and the gaps of a log miss as many records as are missing. A gap counts at
least half of what a killed process skipped (ledger/gap.py), so it is good for twice its count and no more.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from benchmarks.ledger_reader import ANSWERED, ENDS_OF_A_CALL, Log
from benchmarks.reading import ORGANIZATION, Reading

from customhouse.domain.failure_mode import FailureMode

CLOCKS_US: Final = 1000
"""Clients and replicas read one machine's clock, rounded differently."""


def assistant(mode: FailureMode) -> str:
    """Return the name of the assistant that is declared so."""
    return f"{mode}_bot"


class Answer(NamedTuple):
    """One answer that a client has received to its end."""

    trace_id: str
    tenant: str
    mode: FailureMode
    release: str
    sent_us: int
    received_us: int


class Gap(NamedTuple):
    """A declared gap of one log; `covers` is how many records it can account for."""

    from_us: int
    to_us: int
    covers: int


@dataclass(slots=True)
class Judged:
    """How the answers stand. `in_gaps` have no complete evidence, and a gap says so; `late` came through a spool."""

    complete: int = 0
    late: int = 0
    in_gaps: int = 0
    missing_records: int = 0


def judge(answers: Iterable[Answer], reading: Reading) -> Judged:
    """Compare every answer with its evidence, and note in the reading what is wrong."""
    judged, gaps, missing = Judged(), _gaps(reading), Counter[str]()
    for answer in answers:
        records = _records(reading, answer)
        kinds = [record["kind"] for record in records]
        lacks = [kind for kind in ANSWERED if kind not in kinds]
        if answer.release != f"{assistant(answer.mode)}@1" or any(
            each["release"] != answer.release for each in records
        ):
            reading.faults.append(f"trace {answer.trace_id}: its evidence names another release than the client read")
        if not lacks:
            judged.complete += 1
            judged.late += any(record.get("late") for record in records)
        elif answer.mode == "open" and any(_within(answer, gap) for gap in gaps[answer.tenant]):
            judged.in_gaps += 1
            missing[answer.tenant] += len(lacks)
        else:
            reading.faults.append(_lost(answer, lacks, kinds))
    judged.missing_records = missing.total()
    for tenant, count in missing.items():
        declared = sum(gap.covers for gap in gaps[tenant])
        if count > declared:
            reading.faults.append(f"log {tenant}: {count} records are missing, its gaps account for {declared}")
    for tenant, log in reading.logs.items():
        if tenant != ORGANIZATION:
            _require_ends(log, reading.faults)
    return judged


def _gaps(reading: Reading) -> Mapping[str, list[Gap]]:
    gaps: dict[str, list[Gap]] = defaultdict(list)
    for tenant, detail in reading.gaps():
        covers = detail["count"] * (2 if detail.get("at_least") else 1)
        gaps[tenant].append(Gap(_us(detail["from"]), _us(detail["to"]), covers))
    return gaps


def _require_ends(log: Log, faults: list[str]) -> None:
    """Note every call without exactly one end, and every step of a turn that stands there twice."""
    for trace_id, records in log.traces.items():
        called = [record["span_id"] for record in records if record["kind"] == "model.called"]
        ended = [record["span_id"] for record in records if record["kind"] in ENDS_OF_A_CALL]
        skipped = any(record.get("assistant") == assistant("open") for record in records)
        known = [span for span in ended if span in called or not skipped]
        if sorted(called) != sorted(known) or len(ended) != len(set(ended)):
            faults.append(f"trace {trace_id}: {len(called)} calls, {[record['kind'] for record in records]}")
        kinds = [record["kind"] for record in records]
        doubled = [kind for kind in ("request.accepted", "response.completed") if kinds.count(kind) > 1]
        faults += [f"trace {trace_id}: {kind} twice" for kind in doubled]


def _records(reading: Reading, answer: Answer) -> list[dict[str, Any]]:
    log = reading.logs.get(answer.tenant)
    return [] if log is None else log.traces.get(answer.trace_id, [])


def _within(answer: Answer, gap: Gap) -> bool:
    return gap.from_us - CLOCKS_US <= answer.received_us and answer.sent_us <= gap.to_us + CLOCKS_US


def _lost(answer: Answer, lacks: list[str], kinds: list[str]) -> str:
    return (
        f"trace {answer.trace_id} ({answer.mode}, {answer.tenant}, received {answer.received_us}): a client has the"
        f" answer, the log lacks {', '.join(lacks)}, it has {kinds}"
    )


def _us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)
