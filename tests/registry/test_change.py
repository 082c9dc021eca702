# SPDX-License-Identifier: Apache-2.0
"""The machine of a change, cell by cell."""

from typing import get_args

import pytest

from customhouse.registry.change import ChangeEvent, ChangeState, approval, people_needed, step

STATES: tuple[ChangeState, ...] = get_args(ChangeState)
EVENTS: tuple[ChangeEvent, ...] = get_args(ChangeEvent)

POSSIBLE: dict[tuple[ChangeState, ChangeEvent], ChangeState] = {
    ("requested", "sign"): "requested",
    ("requested", "complete"): "approved",
    ("requested", "reject"): "rejected",
    ("requested", "outdate"): "stale",
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
def test_every_cell(state: ChangeState, event: ChangeEvent) -> None:
    assert step(state, event) == POSSIBLE.get((state, event))


@pytest.mark.parametrize(
    ("approvals", "needed", "expected", "why"),
    [
        (1, 1, "complete", "one is asked for"),
        (1, 2, "sign", "one is missing"),
        (2, 2, "complete", "both have signed"),
        (1, 0, "complete", "the environment stopped asking while it waited"),
        (0, 0, "sign", "nobody has signed: never by itself"),
    ],
)
def test_approval(approvals: int, needed: int, expected: ChangeEvent, why: str) -> None:
    assert approval(approvals, needed) == expected, why


@pytest.mark.parametrize(
    ("reviewers", "requested_by", "expected", "why"),
    [
        (1, "dana@acme.test", 1, "two people together"),
        (2, "dana@acme.test", 2, "three people together"),
        (0, "dana@acme.test", 1, "what waited when nobody was asked for any more still waits for one"),
        (1, "local:0", 2, "local is nobody in particular, and may be the one who approves"),
        (0, "local:0", 2, "likewise"),
    ],
)
def test_people_needed(reviewers: int, requested_by: str, expected: int, why: str) -> None:
    assert people_needed(reviewers, requested_by) == expected, why
