# SPDX-License-Identifier: Apache-2.0
"""Labels are bounded: what is not declared, or too much, is `other`; durations are put into the right buckets."""

import msgspec
from prometheus_client import CollectorRegistry, generate_latest

from customhouse.gateway.account import Account
from customhouse.ledger.record import ModelFacts, Record, Ruling
from customhouse.telemetry.families import BOUNDS_US, Histogram
from customhouse.telemetry.names import MAX_DECLARED
from customhouse.telemetry.turns import TurnCounts


def record(kind: str, deployment: str = "local/a", reason: str = "tool.granted") -> Record:
    return Record(
        v=1,
        id="i",
        tenant="t",
        trace_id="t",
        kind=kind,
        at="2026-11-24T00:00:00.000000Z",
        model=ModelFacts(deployment=deployment, provider="local", requested="m", attempt=1),
        decision=Ruling(outcome="deny", reasons=(reason,)),
        outcome="complete",
    )


def shown(counts: TurnCounts) -> str:
    registry = CollectorRegistry()
    registry.register(counts)
    return generate_latest(registry).decode()


def test_a_word_that_is_on_no_list_is_other() -> None:
    counts = TurnCounts()
    counts.ended(
        Account(
            "t",
            0,
            records=[record("model.failed", reason="my.secret"), record("tool.decided", reason="tool.my_secret")],
            status=599,
            code="error.my_secret",
            steps_us={"my_secret": 1, "total": 1},
        )
    )
    text = shown(counts)
    assert "my_secret" not in text
    assert "my.secret" not in text
    assert 'customhouse_turn_errors_total{code="other"} 1.0' in text
    assert 'customhouse_tool_decisions_total{outcome="deny",reason="other"} 1.0' in text
    assert 'customhouse_turn_step_duration_seconds_count{step="other"} 1.0' in text


def test_a_turn_that_a_limit_refused_is_counted_by_the_limit() -> None:
    counts = TurnCounts()
    for limit in ({"of": "tenant", "per": "hour", "amount": "tokens"}, {"of": "acme", "per": "hour"}, "my_secret"):
        refused = msgspec.structs.replace(record("request.refused"), detail={"limit": limit})
        counts.ended(Account("t", 0, records=[refused], status=429, code="budget.exceeded"))
    lines = [line for line in shown(counts).splitlines() if line.startswith("customhouse_turns_over_budget_total")]
    assert lines == [
        'customhouse_turns_over_budget_total{amount="tokens",of="tenant",per="hour"} 1.0',
        'customhouse_turns_over_budget_total{amount="other",of="other",per="hour"} 1.0',
    ]


def test_so_many_deployments_get_series_of_their_own_and_no_more() -> None:
    counts = TurnCounts()
    for number in range(MAX_DECLARED + 10):
        counts.ended(Account("t", 0, records=[record("model.answered", f"local/{number}")], status=200))
    lines = [line for line in shown(counts).splitlines() if line.startswith("customhouse_model_calls_total")]
    assert len(lines) == MAX_DECLARED + 1
    assert 'customhouse_model_calls_total{deployment="other",outcome="complete",reason=""} 10.0' in lines


def test_a_duration_counts_in_every_bucket_that_it_fits() -> None:
    histogram = Histogram()
    for took_us in (0, BOUNDS_US[0], BOUNDS_US[0] + 1, BOUNDS_US[-1] + 1):
        histogram.observe(took_us)
    buckets = dict(histogram.buckets())
    assert (buckets["0.00025"], buckets["0.0005"], buckets["300"], buckets["+Inf"]) == (2, 3, 3, 4)
    assert histogram.sum_s == (2 * BOUNDS_US[0] + 1 + BOUNDS_US[-1] + 1) / 1_000_000
