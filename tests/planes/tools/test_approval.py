# SPDX-License-Identifier: Apache-2.0
"""The machine of an approval, cell by cell."""

from typing import get_args

import pytest

from customhouse.planes.tools.approval import ApprovalEvent, ApprovalState, signed, step

STATES: tuple[ApprovalState, ...] = get_args(ApprovalState)
EVENTS: tuple[ApprovalEvent, ...] = get_args(ApprovalEvent)

POSSIBLE: dict[tuple[ApprovalState, ApprovalEvent], ApprovalState] = {
    ("requested", "sign"): "requested",
    ("requested", "complete"): "approved",
    ("requested", "deny"): "denied",
    ("requested", "expire"): "expired",
    ("requested", "revoke"): "revoked",
    ("approved", "consume"): "consumed",
    ("approved", "expire"): "expired",
    ("approved", "revoke"): "revoked",
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
def test_every_cell(state: ApprovalState, event: ApprovalEvent) -> None:
    assert step(state, event) == POSSIBLE.get((state, event))


@pytest.mark.parametrize(
    ("approvals", "quorum", "expected", "why"),
    [
        (1, 1, "complete", "one is asked for"),
        (1, 2, "sign", "one is missing"),
        (2, 2, "complete", "both have said yes"),
        (1, 0, "complete", "no rule asks for fewer than one person"),
        (0, 0, "sign", "nobody who may has said yes: never by itself"),
    ],
)
def test_signed(approvals: int, quorum: int, expected: ApprovalEvent, why: str) -> None:
    assert signed(approvals, quorum) == expected, why
