# SPDX-License-Identifier: Apache-2.0
"""Reads evidence as an outsider: with the standard library's sqlite3 and hashlib, sharing no code with the writer.

On PostgreSQL postgres_reader.py fetches the rows, and the same checks are made of them here.

What it recomputes is written down in docs/reference/evidence.md: leaf = SHA-256(00 || record), link = SHA-256(02 ||
previous link || leaf), the first previous link being 32 zero bytes.
"""

import hashlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ENDS_OF_A_CALL: Final = ("model.answered", "model.failed", "model.unknown")
ANSWERED: Final = ("request.accepted", "model.called", "model.answered", "response.completed")


@dataclass(slots=True)
class Log:
    """One tenant's log, read so far. `faults` is everything that is not as it must be, one sentence each.

    `keep` says what of a record is kept in memory.
    """

    tenant: str
    size: int = 0
    link: bytes = bytes(32)
    traces: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    faults: list[str] = field(default_factory=list[str])
    keep: Callable[[dict[str, Any]], dict[str, Any]] = lambda record: record

    def read_on(self, home: Path) -> None:
        """Read what was written since the last time, recompute the chain over it, compare with the stored head."""
        with closing(sqlite3.connect(f"file:{home / 'customhouse.db'}?mode=ro", uri=True)) as database:
            rows = database.execute(
                "SELECT position, canonical, leaf_hash, link_hash FROM evidence"
                " WHERE tenant_id = ? AND position >= ? ORDER BY position",
                (self.tenant, self.size),
            )
            for row in rows:
                self.take(*row)
            head = database.execute("SELECT size, hash FROM chain_head WHERE tenant_id = ?", (self.tenant,)).fetchone()
            size, link = head or (0, bytes(32))
            self.require_head(size, link)
            counted = "SELECT (SELECT count(*) FROM open_call) + (SELECT count(*) FROM opening)"
            (opened,) = database.execute(counted).fetchone()
            if opened:
                self.faults.append(f"{opened} model calls are still open")

    def require_head(self, size: int, link: bytes) -> None:
        """Note a stored head that is not what was read."""
        if (size, link) != (self.size, self.link):
            self.faults.append(f"log {self.tenant}: the stored head is not the last link, {self.size} records")

    def count(self, kind: str) -> int:
        """Return how many records of a kind there are."""
        return sum(record["kind"] == kind for records in self.traces.values() for record in records)

    def require_answers(self, trace_ids: Iterable[str]) -> None:
        """Note every answer that a client has and the log does not tell completely."""
        for trace_id in trace_ids:
            kinds = [record["kind"] for record in self.traces.get(trace_id, [])]
            missing = [kind for kind in ANSWERED if kind not in kinds]
            if missing:
                self.faults.append(f"trace {trace_id}: a client has the answer, the log lacks {', '.join(missing)}")

    def require_ended_calls(self) -> None:
        """Note every model call that does not have exactly one end."""
        for trace_id, records in self.traces.items():
            called = [record["span_id"] for record in records if record["kind"] == "model.called"]
            ended = [record["span_id"] for record in records if record["kind"] in ENDS_OF_A_CALL]
            if sorted(called) != sorted(ended):
                self.faults.append(f"trace {trace_id}: {len(called)} calls, {len(ended)} ends")

    def require_one_snapshot(self) -> None:
        """Note every trace whose records do not all name one snapshot, generation, release and set of versions."""
        for trace_id, records in self.traces.items():
            seen = {(record["snapshot"], record["generation"], record["release"]) for record in records}
            versions: dict[str, set[str]] = defaultdict(set)
            for record in records:
                for plane, digest in record.get("versions", {}).items():
                    versions[plane].add(digest)
            mixed = [plane for plane, digests in versions.items() if len(digests) > 1]
            if len(seen) > 1 or mixed:
                self.faults.append(f"trace {trace_id}: a mixture, {len(seen)} snapshots, planes {mixed}")

    def take(self, position: int, canonical: bytes, leaf_hash: bytes, link_hash: bytes) -> None:
        """Take the next record, and note where the chain is not what its bytes give."""
        leaf = hashlib.sha256(b"\x00" + canonical).digest()
        link = hashlib.sha256(b"\x02" + self.link + leaf).digest()
        if (position, leaf_hash, link_hash) != (self.size, leaf, link):
            self.faults.append(f"log {self.tenant}: the chain breaks at position {self.size}")
        self.size, self.link = position + 1, link
        record: dict[str, Any] = json.loads(canonical)
        self.traces[record["trace_id"]].append(self.keep(record))
