# SPDX-License-Identifier: Apache-2.0
"""From numbers of ours to what the Prometheus client writes; names, labels and help come from the one table."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from customhouse.telemetry.names import METRICS

BOUNDS_US: Final = (
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
)
"""From an fsync of a good disk (250 µs) to the longest turn (300 s); 10 ms and 1 s are promises of ours."""
_LE: Final = tuple(f"{bound / 1_000_000:g}" for bound in BOUNDS_US)

Series = Mapping[tuple[str, ...], float]
"""Values by the values of the labels, in the table's order."""


class Histogram:
    """Counts of durations. Cost: 0.2 µs an observation, without a lock: the event loop has it alone."""

    __slots__ = ("_counts", "_sum_us")

    def __init__(self) -> None:
        """Begin empty."""
        self._counts = [0] * (len(BOUNDS_US) + 1)
        self._sum_us = 0

    def observe(self, took_us: int) -> None:
        """Count one."""
        self._counts[bisect_left(BOUNDS_US, took_us)] += 1
        self._sum_us += took_us

    def buckets(self) -> list[tuple[str, float]]:
        """Return how many took at most each bound (`le`), as the format wants them."""
        return list(zip((*_LE, "+Inf"), map(float, accumulate(self._counts)), strict=True))

    @property
    def sum_s(self) -> float:
        """Return the sum, in seconds."""
        return self._sum_us / 1_000_000


def counter(name: str, series: Series) -> Metric:
    """Return a counter with its values."""
    declared = METRICS[name]
    family = CounterMetricFamily(name, declared.text, labels=declared.labels)
    for labels, value in series.items():
        family.add_metric(labels, value)
    return family


def gauge(name: str, series: Series) -> Metric:
    """Return a gauge with its values."""
    declared = METRICS[name]
    family = GaugeMetricFamily(name, declared.text, labels=declared.labels)
    for labels, value in series.items():
        family.add_metric(labels, value)
    return family


def one(name: str, value: float | None) -> Metric:
    """Return a gauge without labels; without a value, when nobody knows it."""
    return gauge(name, {} if value is None else {(): value})


def histogram(name: str, series: Mapping[tuple[str, ...], Histogram]) -> Metric:
    """Return a histogram with its values."""
    declared = METRICS[name]
    family = HistogramMetricFamily(name, declared.text, labels=declared.labels)
    for labels, value in series.items():
        family.add_metric(labels, value.buckets(), value.sum_s)
    return family


def shares(names: Sequence[str], found: Iterable[str]) -> dict[tuple[str, ...], float]:
    """Return how often each of `names` was found, 0 included."""
    counts = dict.fromkeys(names, 0)
    for name in found:
        counts[name] = counts.get(name, 0) + 1
    return {(name,): float(count) for name, count in counts.items()}
