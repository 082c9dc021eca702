# SPDX-License-Identifier: Apache-2.0
"""What an approval is worth at the moment of its release, on both stores."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, get_args

import pytest
from tests.approvals.desk import Desk, email, in_desk

from customhouse.approvals.approval import Approval
from customhouse.approvals.standing import ERRORS, Refusal

Place = Path | str
Step = Callable[[Desk, Approval], Awaitable[object]]


async def revoked(desk: Desk, _approval: Approval) -> None:
    """Ola's key is revoked."""
    await desk.dismiss("ola")


async def out_of_the_group(desk: Desk, _approval: Approval) -> None:
    """The charter in force has another group."""
    await desk.charter(2, groups={"refunds": (email("ben"),)})


async def into_another_group(desk: Desk, _approval: Approval) -> None:
    """Ola stays in a group, and it is not the named one."""
    await desk.charter(2, groups={"refunds": (email("ben"),), "others": (email("ola"),)})


async def another_role(desk: Desk, _approval: Approval) -> None:
    """Ola has a key again, for another role."""
    desk.book.asked("UPDATE person SET roles = ? WHERE email = ?", '["auditor"]', email("ola"))


async def somebody_joins(desk: Desk, _approval: Approval) -> None:
    """The group grows: nothing is taken away."""
    await desk.charter(2, groups={"refunds": (email("ben"), email("ola"), email("pat"))})


async def taken_back(desk: Desk, approval: Approval) -> None:
    """Ola takes her yes back."""
    await desk.take_back("ola", approval)


async def late(desk: Desk, _approval: Approval) -> None:
    """The time is over."""
    desk.pass_s(900)


async def nothing(_desk: Desk, _approval: Approval) -> None:
    """Nothing happens."""


ROWS: Final[tuple[tuple[Step, Refusal | None], ...]] = (
    (nothing, None),
    (somebody_joins, None),
    (revoked, "approval.revoked"),
    (out_of_the_group, "approval.revoked"),
    (into_another_group, "approval.revoked"),
    (another_role, "approval.revoked"),
    (taken_back, "approval.revoked"),
    (late, "approval.expired"),
)


@pytest.mark.parametrize(("between", "expected"), ROWS, ids=[row[0].__name__ for row in ROWS])
def test_between_the_yes_and_the_release(place: Place, between: Step, expected: Refusal | None) -> None:
    async def story(desk: Desk) -> None:
        approval = await desk.ask()
        await desk.say("ola", approval)
        assert await desk.refusal(approval) is None
        await between(desk, approval)
        assert await desk.refusal(approval) == expected
        assert await desk.take(approval) is (expected is None)

    in_desk(place, story)


def test_a_quorum_that_lost_one_is_none(place: Place) -> None:
    async def story(desk: Desk) -> None:
        approval = await desk.ask(quorum=2)
        await desk.say("ola", approval)
        await desk.say("ben", approval)
        assert await desk.refusal(approval) is None
        await desk.dismiss("ben")
        assert await desk.refusal(approval) == "approval.revoked"
        assert not await desk.take(approval)

    in_desk(place, story)


def test_who_cannot_any_more_does_not_count_when_the_next_one_answers(place: Place) -> None:
    async def story(desk: Desk) -> None:
        approval = await desk.ask(quorum=2)
        await desk.say("ola", approval)
        await desk.dismiss("ola")
        assert (await desk.say("ben", approval)).state == "requested"
        assert await desk.refusal(approval) == "approval.pending"

    in_desk(place, story)


def test_each_refusal_has_its_error() -> None:
    assert {code: error.code for code, error in ERRORS.items()} == {code: code for code in get_args(Refusal)}
    assert not any(error.retryable for error in ERRORS.values()), "clients do not hammer"
