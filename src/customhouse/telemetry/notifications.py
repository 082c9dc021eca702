# SPDX-License-Identifier: Apache-2.0
"""Counting messages to people: over which channel, and what became of each."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from customhouse.notify.notice import Outcome
from customhouse.telemetry.families import counter


class NotificationCounts:
    """What this process sent since it started."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._messages: dict[tuple[str, ...], float] = {}

    def told(self, channel: str, outcome: Outcome) -> None:
        """Count a message; both are of closed lists of ours."""
        labels = (channel, outcome)
        self._messages[labels] = self._messages.get(labels, 0) + 1

    def collect(self) -> Iterator[Metric]:
        """Give the metric; called by the Prometheus client."""
        yield counter("customhouse_notifications_total", self._messages)
