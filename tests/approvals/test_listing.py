# SPDX-License-Identifier: Apache-2.0
"""Held calls as people see them, on both stores."""

from pathlib import Path

import pytest
from tests.approvals.desk import LOCAL, Desk, email, in_desk, person
from tests.ledger.book import CLOCK

from customhouse.approvals import listing
from customhouse.approvals.listing import ApprovalView, ApproverView
from customhouse.domain.errors import ApprovalUnknown

Place = Path | str


async def listed(desk: Desk, *, everything: bool = False) -> list[str]:
    """Return the ids of a list."""
    found = await listing.listing(desk.control, person("ola"), everything=everything)
    return [each.id for each in found.approvals]


async def shown(desk: Desk, approval_id: str, name: str = "ola") -> ApprovalView:
    """Return one held call as a person sees it."""
    return await listing.show(desk.control, person(name), approval_id)


def test_what_waits_is_listed_for_every_tenant_what_ends_first_first(place: Place) -> None:
    async def story(desk: Desk) -> None:
        assert await listed(desk) == []
        now_us = desk.clock.now_us()
        late = await desk.ask("acme", expires_at_us=now_us + 900_000_000)
        soon = await desk.ask("bolt", expires_at_us=now_us + 60_000_000)
        ended = await desk.ask("acme")
        await desk.say("ola", ended, "deny")
        assert await listed(desk) == [soon.id, late.id]
        newest_first = sorted((ended.id, soon.id, late.id), reverse=True)  # ids of one millisecond follow no clock
        assert await listed(desk, everything=True) == newest_first
        desk.pass_s(60)
        assert await listed(desk) == [late.id]
        assert (await shown(desk, soon.id)).state == "expired"
        assert await desk.state(soon) == "requested", "looking writes nothing"

    in_desk(place, story)


def test_a_held_call_says_who_may_answer_and_who_has(place: Place) -> None:
    async def story(desk: Desk) -> None:
        approval = await desk.ask(quorum=2, on_behalf_of="user:ben@acme.test")
        before = await shown(desk, approval.id)
        assert (before.approvals, before.quorum, before.answers, before.decided_at) == (0, 2, (), None)
        assert before.rule == ("group:refunds",)
        assert before.approvers == (
            ApproverView(name=email("ben"), objection="approver.requester"),
            ApproverView(name=email("ola"), objection=None),
            ApproverView(name=email("otto"), objection="approver.role"),
        )
        await desk.charter(2, groups={"refunds": (email("ola"), email("pat"), "gone@acme.test")})
        await desk.say("ola", approval)
        await desk.say("pat", approval)
        await desk.dismiss("pat")
        after = await shown(desk, approval.id)
        assert [(each.name, each.objection) for each in after.approvers] == [
            ("gone@acme.test", "approver.revoked"),
            (email("ola"), None),
            (email("pat"), "approver.revoked"),
        ]
        assert [(each.approver, each.verdict, each.reason, each.objection) for each in after.answers] == [
            (email("ola"), "approve", "because", None),
            (email("pat"), "approve", "because", "approver.revoked"),
        ]
        assert (after.state, after.approvals) == ("approved", 1)

    in_desk(place, story)


def test_it_says_whether_you_may_answer(place: Place) -> None:
    async def story(desk: Desk) -> None:
        approval = await desk.ask()
        expected = {"ola": None, "pat": "approver.not_named", "dana": "approver.requester", "sam": "approver.role"}
        assert {name: (await shown(desk, approval.id, name)).you for name in expected} == expected
        local = await listing.listing(desk.control, LOCAL, everything=False)
        assert [each.you for each in local.approvals] == ["approver.local_actor"]

    in_desk(place, story)


def test_an_unknown_one(place: Place) -> None:
    async def story(desk: Desk) -> None:
        with pytest.raises(ApprovalUnknown):
            await shown(desk, CLOCK.uuid7())

    in_desk(place, story)
