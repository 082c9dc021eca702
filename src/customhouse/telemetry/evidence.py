# SPDX-License-Identifier: Apache-2.0
"""Counting evidence: what became of each append, and how long its turn waited.

Cost: about 1 µs an append (benchmarks/telemetry.py).
"""

from collections.abc import Iterator, Sequence

from prometheus_client.metrics_core import Metric

from customhouse.ledger.append import Where
from customhouse.ledger.entry import Leaf
from customhouse.telemetry.families import Histogram, counter, histogram


class EvidenceCounts:
    """What this process's ledger did since it started."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._records: dict[tuple[str, ...], float] = {}
        self._waits = {("database",): Histogram(), ("spool",): Histogram()}

    def appended(self, where: Where, leaves: Sequence[Leaf], took_us: int) -> None:
        """Count an append; kinds are the ledger's own, a closed list."""
        for leaf in leaves:
            labels = (leaf.entry.record.kind, where)
            self._records[labels] = self._records.get(labels, 0) + 1
        if where in {"database", "spool"}:
            self._waits[where,].observe(took_us)

    def collect(self) -> Iterator[Metric]:
        """Give the metrics; called by the Prometheus client."""
        yield counter("customhouse_evidence_records_total", self._records)
        yield histogram("customhouse_evidence_acknowledgement_seconds", self._waits)
