# SPDX-License-Identifier: Apache-2.0
"""The breaker as a machine: every move is in the table, and no history leaves it where nobody is asked again."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.domain.decision import REASONS
from customhouse.planes.model import breaker as rules
from customhouse.planes.model.breaker import CLOSED, COUNTED, FAILURES_TO_OPEN, FIRST_OPEN_S, TABLE, Breaker

SECOND: Final = 1_000_000
FAILED: Final = "upstream.server_error"


def tripped(now_us: int = 0) -> Breaker:
    found = CLOSED
    for _ in range(FAILURES_TO_OPEN):
        found = rules.failed(found, 1, now_us, FAILED, None)
    return found


def test_it_opens_after_consecutive_failures_only() -> None:
    found = CLOSED
    for _ in range(FAILURES_TO_OPEN - 1):
        found = rules.failed(found, 1, 0, FAILED, None)
        assert rules.may_ask(found, 0) == "yes"
    assert rules.may_ask(rules.answered(found, 1), 0) == "yes"
    assert rules.failed(rules.answered(found, 1), 1, 0, FAILED, None).state == "closed"
    assert rules.failed(found, 1, 0, FAILED, None).state == "open"


def test_it_opens_at_once_when_the_upstream_says_how_long() -> None:
    found = rules.failed(CLOSED, 1, 0, "upstream.limited", 20)
    assert (found.state, found.reason, found.until_us) == ("open", "upstream.limited", 20 * SECOND)
    assert rules.may_ask(found, 20 * SECOND - 1) == "no"
    assert rules.may_ask(found, 20 * SECOND) == "probe"


def test_one_turn_probes_and_its_answer_closes() -> None:
    found = tripped()
    later = int(FIRST_OPEN_S * SECOND)
    assert rules.may_ask(found, later - 1) == "no"
    probing = rules.probed(found, 7, later)
    assert rules.may_ask(probing, later) == "no"
    assert rules.answered(probing, 7) == CLOSED
    assert rules.answered(probing, 6) == probing, "a call from before it opened proves nothing"
    assert rules.failed(probing, 6, later, FAILED, None) == probing


def test_each_probe_that_fails_doubles_the_pause_up_to_a_bound() -> None:
    found, now_us, pauses = tripped(), 0, []
    for _ in range(8):
        pauses.append((found.until_us - now_us) / SECOND)
        now_us = found.until_us
        found = rules.failed(rules.probed(found, 2, now_us), 2, now_us, FAILED, None)
    assert pauses == [5, 10, 20, 40, 60, 60, 60, 60]
    assert found.since_us == 0, "since when it has been failing, whatever was tried in between"


def test_a_stream_that_has_begun_closes_it_and_one_failure_opens_it_again() -> None:
    now_us = int(FIRST_OPEN_S * SECOND)
    streaming = rules.answering(rules.probed(tripped(), 2, now_us), 2)
    assert rules.may_ask(streaming, now_us) == "yes"
    assert rules.failed(streaming, 2, now_us, FAILED, None).state == "open"
    assert rules.answering(CLOSED, 2) == CLOSED


def test_a_probe_whose_client_left_lets_the_next_one_probe() -> None:
    now_us = int(FIRST_OPEN_S * SECOND)
    found = rules.abandoned(rules.probed(tripped(), 2, now_us), 2, now_us)
    assert rules.may_ask(found, now_us) == "probe"
    assert rules.abandoned(CLOSED, 2, now_us) == CLOSED


def test_a_probe_that_is_never_heard_of_is_given_up() -> None:
    now_us = int(FIRST_OPEN_S * SECOND)
    lost = rules.probed(tripped(), 2, now_us)
    assert rules.may_ask(lost, now_us + int(rules.PROBE_S * SECOND)) == "probe"


def test_what_counts_says_something_of_the_deployment() -> None:
    assert set(REASONS) >= COUNTED
    assert not COUNTED & {"upstream.rejected", "upstream.too_large", "upstream.credential_missing"}


@given(
    st.lists(
        st.tuples(st.sampled_from(["ask", "answered", "failed", "limited", "abandoned", "wait"]), st.integers(1, 90))
    )
)
def test_no_history_keeps_a_deployment_out_for_ever(steps: list[tuple[str, int]]) -> None:
    """Whatever happens: every state is one of the table's, and after the longest wait somebody may ask."""
    found, now_us, call = CLOSED, 0, 0
    for step, amount in steps:
        match step:
            case "ask":
                if rules.may_ask(found, now_us) == "probe":
                    call += 1
                    found = rules.probed(found, call, now_us)
            case "answered":
                found = rules.answered(found, call)
            case "failed":
                found = rules.failed(found, call, now_us, FAILED, None)
            case "limited":
                found = rules.failed(found, call, now_us, "upstream.limited", amount)
            case "abandoned":
                found = rules.abandoned(found, call, now_us)
            case _:
                now_us += amount * SECOND
        assert found.state in TABLE
    assert rules.may_ask(found, now_us + int(rules.PROBE_S * SECOND)) != "no"


@pytest.mark.parametrize("state", TABLE)
def test_the_table_leads_to_its_own_states(state: rules.State) -> None:
    assert set(TABLE[state].values()) <= set(TABLE)
