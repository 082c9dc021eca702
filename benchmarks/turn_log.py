# SPDX-License-Identifier: Apache-2.0
"""What clients saw of turns (the log that load.c writes), and the comparison with the evidence on PostgreSQL.

For each turn three things must agree: what the model was really told (the upstream repeats its system prompt), what the
headers of the answer said, and what every record of the trace says. SQL of its own, as an outsider reads it.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

_RECORDS: Final = (
    "SELECT canonical FROM customhouse.evidence WHERE tenant_id = 'default'"
    " UNION ALL SELECT canonical FROM customhouse.evidence_staged WHERE tenant_id = 'default'"
)
_OTHERS: Final = ("model", "tools", "retrieval", "safety")


@dataclass(frozen=True, slots=True)
class Turn:
    """One good answer as its client saw it: when it was complete (seconds of the monotonic clock), and its headers."""

    at: float
    trace_id: str
    release: str
    generation: int
    told: str
    steps_us: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Refused:
    """One answer that was not 200, by its status."""

    at: float
    status: int


def steps_us(timing: str) -> dict[str, float]:
    """Return how long each step of a turn took, from the gateway's own `server-timing` header."""
    return {name: float(ms) * 1000 for name, ms in re.findall(r"([\w-]+);dur=([\d.]+)", timing)}


def read(path: Path) -> tuple[list[Turn], list[Refused]]:
    """Return what one load generator logged, in the order of completion."""
    turns: list[Turn] = []
    refused: list[Refused] = []
    for line in path.read_text().splitlines():
        at_ns, status, trace_id, release, generation, timing, told = line.split("\t")
        at = int(at_ns) / 1e9
        if status == "200":
            turns.append(Turn(at, trace_id, release, int(generation), told, steps_us(timing)))
        else:
            refused.append(Refused(at, int(status)))
    return turns, refused


def mixtures(turns: Iterable[Turn], url: str, prompts: Mapping[str, str]) -> list[str]:
    """Return every turn that ran on a mixture, or whose header, evidence and prompt differ.

    `prompts` is the text of each prompt version by its digest.
    """
    said = {turn.trace_id: turn for turn in turns}
    faults: list[str] = []
    seen: set[str] = set()
    others: set[tuple[str, ...]] = set()
    with psycopg.connect(url, autocommit=False) as connection, connection.cursor(name="records") as cursor:
        cursor.itersize = 5000
        cursor.execute(_RECORDS)
        for (content,) in cursor:
            record: dict[str, Any] = json.loads(content)
            turn = said.get(record["trace_id"])
            if turn is None:
                continue
            seen.add(turn.trace_id)
            if (record["release"], record["generation"]) != (turn.release, turn.generation):
                faults.append(f"trace {turn.trace_id}: {record['kind']} and the header differ")
            versions: dict[str, str] = record.get("versions", {})
            if "prompt" in versions and prompts.get(versions["prompt"]) != turn.told:
                faults.append(f"trace {turn.trace_id}: {record['kind']} names another prompt than the model was told")
            if record["kind"] == "request.accepted":
                others.add(tuple(versions[plane] for plane in _OTHERS))
    faults += [f"trace {trace_id} has no evidence" for trace_id in said.keys() - seen]
    if len(others) > 1:
        faults.append(f"the other four planes moved: {len(others)} combinations")
    return faults
