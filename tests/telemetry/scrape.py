# SPDX-License-Identifier: Apache-2.0
"""Reading /metrics as Prometheus does: by the client library's own parser, from the bytes on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from tests.gateway.running import Running

SUFFIXES = ("_bucket", "_count", "_sum")


@dataclass(frozen=True)
class Scrape:
    """One answer of /metrics."""

    families: tuple[Metric, ...]

    @property
    def names(self) -> frozenset[str]:
        """Return the names as the documentation has them: a counter's ends in _total."""
        return frozenset(
            f"{family.name}_total" if family.type == "counter" else family.name for family in self.families
        )

    def value(self, name: str, /, **labels: str) -> float:
        """Return the sum of a metric's samples that have these labels."""
        return sum(
            sample.value
            for family in self.families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def series(self, name: str) -> Mapping[tuple[str, ...], float]:
        """Return a metric's samples by their labels' values."""
        return {
            tuple(sample.labels.values()): sample.value
            for family in self.families
            for sample in family.samples
            if sample.name == name
        }

    @property
    def words(self) -> frozenset[str]:
        """Return every value that a label has."""
        return frozenset(
            value for family in self.families for sample in family.samples for value in sample.labels.values()
        )


def scrape(gateway: Running) -> Scrape:
    """Ask a gateway for its metrics."""
    answer = gateway.request("GET", "/metrics")
    assert answer.status == 200, answer.body
    return Scrape(tuple(text_string_to_metric_families(answer.body.decode())))
