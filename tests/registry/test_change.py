# SPDX-License-Identifier: Apache-2.0
"""The machine of a change, cell by cell."""

from typing import get_args

import pytest

from customhouse.registry.change import ChangeEvent, ChangeState, approval, step

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
