# SPDX-License-Identifier: Apache-2.0
"""Every log of a database, as an outsider read it, and what is wrong with it; ledger_reader.py reads each log."""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.ledger_reader import Log

ORGANIZATION: Final = "_organization"


@dataclass(slots=True)
class Reading:
    """Every log, and everything that is not as it must be, one sentence each."""

    logs: dict[str, Log] = field(default_factory=dict[str, Log])
    terms: int = 0
    placements: int = 0
    faults: list[str] = field(default_factory=list[str])

    @property
    def records(self) -> int:
        """Return how many records there are."""
        return sum(log.size for log in self.logs.values())

    def count(self, kind: str) -> int:
        """Return how many records of a kind there are."""
        return sum(log.count(kind) for log in self.logs.values())

    def gaps(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """Yield every declared gap's log and details."""
        for tenant, log in self.logs.items():
            for records in log.traces.values():
                yield from ((tenant, record["detail"]) for record in records if record["kind"] == "gap.declared")

    def require_once(self) -> None:
        """Note records that stand there twice."""
        seen = Counter(
            record["id"] for log in self.logs.values() for records in log.traces.values() for record in records
        )
        doubled = [record_id for record_id, times in seen.items() if times > 1]
        if doubled:
            self.faults.append(f"{len(doubled)} records stand there twice, the first: {doubled[0]}")

    def require_payloads(self, present: set[str]) -> None:
        """Note payloads that a record names and that are not among `present`, each `tenant commitment`."""
        missing = [
            f"{tenant} {commitment}"
            for tenant, log in self.logs.items()
            for records in log.traces.values()
            for record in records
            for commitment in record["sealed"]
            if f"{tenant} {commitment}" not in present
        ]
        if missing:
            self.faults.append(f"{len(missing)} payloads that records name are not there, the first: {missing[0]}")


def read_home(home: Path) -> Reading:
    """Read every log of a SQLite home."""
    reading = Reading()
    with closing(sqlite3.connect(f"file:{home / 'customhouse.db'}?mode=ro", uri=True)) as database:
        tenants = [row[0] for row in database.execute("SELECT tenant_id FROM chain_head")]
        present = {row[0] for row in database.execute("SELECT tenant_id || ' ' || commitment FROM payload")}
    for tenant in tenants:
        log = reading.logs[tenant] = Log(tenant, keep=slim)
        log.read_on(home)
        reading.faults += log.faults[:10]
    reading.require_payloads(present)
    reading.require_once()
    return reading


def slim(record: dict[str, Any]) -> dict[str, Any]:
    """Return what the checks need of a record: a long series has hundreds of thousands."""
    names = ("id", "kind", "span_id", "release", "assistant", "outcome", "late")
    kept = {name: record[name] for name in names if name in record}
    commitments: dict[str, str] = record.get("commitments", {})
    kept["sealed"] = tuple(commitments.values())
    if record["kind"] == "gap.declared":
        kept["detail"] = record["detail"]
    return kept
