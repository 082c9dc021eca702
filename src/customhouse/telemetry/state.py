# SPDX-License-Identifier: Apache-2.0
"""How this replica is doing, read from its objects when somebody asks; between two answers it costs nothing."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, get_args

from prometheus_client.metrics_core import Metric

from customhouse.access.credentials import Credentials
from customhouse.domain.clock import Clock
from customhouse.ledger.sequence import Progress
from customhouse.ledger.state import LedgerState, Status
from customhouse.registry.current import Current
from customhouse.registry.environment import ENVIRONMENTS
from customhouse.registry.look import Look
from customhouse.registry.replica import Unreached
from customhouse.registry.switches import KINDS
from customhouse.telemetry.families import counter, gauge, one, shares

BREAKERS: Final = frozenset({"open", "half_open"})
CREDENTIALS: Final = frozenset({"stands", "ended"})
STATES: Final[tuple[Status, ...]] = get_args(Status)


@dataclass(frozen=True, slots=True)
class SpanCounts:
    """What became of spans: sent, lost to a full queue, or not taken. All 0 where none are sent."""

    exported: int = 0
    full: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the numbers stand."""

    version: str
    clock: Clock
    current: Current
    credentials: Credentials
    ledger: Callable[[], LedgerState]
    turns: Callable[[], int]
    max_turns: int
    spool_max_bytes: int
    sequencer: Callable[[], Progress]
    waiting: Callable[[], Mapping[str, int]]
    spans: Callable[[], SpanCounts]
    unreached: Callable[[], tuple[Unreached, ...]]
    redeemed: Callable[[], Mapping[str, int]]


class StateMetrics:
    """Shows one replica. `look` is what the database said for this answer."""

    def __init__(self, sources: Sources) -> None:
        """Show nothing of the database before it was asked."""
        self._from = sources
        self.look = Look("not asked")

    def collect(self) -> Iterator[Metric]:
        """Give the metrics; called by the Prometheus client."""
        sources = self._from
        yield gauge("customhouse_build_info", {(sources.version,): 1})
        yield one("customhouse_turns_in_flight", sources.turns())
        yield one("customhouse_turns_limit", sources.max_turns)
        yield gauge("customhouse_database_works_queued", {(role,): n for role, n in sources.waiting().items()})
        yield from self._unreached(sources.unreached())
        redeemed = {(outcome,): n for outcome, n in sources.redeemed().items()}
        yield counter("customhouse_ticket_redemptions_total", redeemed)
        yield from self._ledger(sources.ledger())
        yield from self._in_force()
        yield from self._database()
        progress = sources.sequencer()
        yield one("customhouse_sequencer_leading", 0 if progress.epoch is None else 1)
        yield one("customhouse_sequencer_epoch", progress.epoch or 0)
        yield counter("customhouse_sequencer_placed_total", {(): progress.placed})
        spans = sources.spans()
        yield counter("customhouse_spans_exported_total", {(): spans.exported})
        yield counter("customhouse_spans_dropped_total", {("full",): spans.full, ("failed",): spans.failed})

    def _unreached(self, found: tuple[Unreached, ...]) -> Iterator[Metric]:
        alone = {(each.subject, each.reason): 1.0 for each in found if each.state in BREAKERS}
        yield gauge("customhouse_deployments_left_alone", alone)
        yield one("customhouse_credentials_failing", sum(each.state in CREDENTIALS for each in found))

    def _ledger(self, state: LedgerState) -> Iterator[Metric]:
        yield gauge("customhouse_ledger_state", shares(STATES, (state.status,)))
        yield one("customhouse_ledger_undeclared_refusals", state.refused)
        yield one("customhouse_ledger_undeclared_records", state.skipped)
        yield one("customhouse_ledger_undeclared_gaps", state.gaps)
        yield counter("customhouse_ledger_gaps_declared_total", {(): state.declared})
        yield one("customhouse_spool_entries", state.spool_entries)
        yield one("customhouse_spool_bytes", state.spool_bytes)
        yield one("customhouse_spool_limit_bytes", self._from.spool_max_bytes)
        oldest_us = state.spool_oldest_us
        age_us = 0 if oldest_us is None else max(0, self._from.clock.now_us() - oldest_us)
        yield one("customhouse_spool_oldest_seconds", age_us / 1_000_000)
        yield one("customhouse_spool_rejected_files", len(state.rejected))

    def _in_force(self) -> Iterator[Metric]:
        current, credentials = self._from.current, self._from.credentials
        here = {**current.generations(), "access": credentials.generation}
        yield gauge("customhouse_generation", {(name,): number for name, number in here.items()})
        yield one("customhouse_snapshot_age_seconds", current.age_s)
        yield one("customhouse_credentials_age_seconds", credentials.age_s)
        served = (snapshot.environment for snapshot in current.snapshots)
        yield gauge("customhouse_assistants_in_force", shares(ENVIRONMENTS, served))
        refused = (environment for environment, _ in current.refused)
        yield gauge("customhouse_assistants_refused", shares(ENVIRONMENTS, refused))
        yield gauge("customhouse_switches_standing", shares(KINDS, (scope.kind for scope in current.switches.standing)))

    def _database(self) -> Iterator[Metric]:
        look = self.look
        yield one("customhouse_database_up", 1 if look.problem is None else 0)
        yield one("customhouse_replicas_live", look.replicas)
        newest = look.newest or {}
        yield gauge("customhouse_generation_newest", {(name,): number for name, number in newest.items()})
        yield one("customhouse_evidence_staged_records", look.waiting)
        yield one("customhouse_evidence_staged_oldest_seconds", look.oldest_s)
