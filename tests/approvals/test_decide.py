# SPDX-License-Identifier: Apache-2.0
"""Answers to a held call, on both stores: what counts, what ends it, and the evidence that is left."""

from pathlib import Path

import pytest
from tests.approvals.desk import Desk, in_desk, person
from tests.ledger.book import CLOCK

from customhouse.approvals import decide
from customhouse.domain.errors import ApprovalClosed, ApprovalExpired, ApprovalUnknown, NotAnApprover

Place = Path | str


def test_one_yes_is_enough_where_one_is_asked_for(place: Place) -> None:
    async def story(desk: Desk) -> None:
        approval = await desk.ask()
        assert await desk.refusal(approval) == "approval.pending"
        answered = await desk.say("ola", approval)
        assert (answered.state, answered.approvals, answered.quorum) == ("approved", 1, 1)
        assert await desk.refusal(approval) is None
        (decided,) = await desk.decisions(approval)
        assert decided.principal is not None
        assert decided.decision is not None
        assert decided.tool is not None
        assert (decided.tenant, decided.principal.actor, decided.outcome) == ("acme", "ola@acme.test", "approved")
        assert (decided.decision.outcome, decided.tool.name, decided.parents) == (
            "allow",
            "issue_refund",
            (approval.id,),
        )
        assert decided.detail == {
            "approval": approval.id,
            "environment": "dev",
            "binding": approval.binding,
            "verdict": "approve",
            "reason": "because",
            "approvals": 1,
            "quorum": 1,
        }
        assert await desk.take(approval)
        assert await desk.state(approval) == "consumed"
        assert await desk.refusal(approval) is None, "the stored answer is given again until its time is over"

    in_desk(place, story)


def test_a_quorum_is_of_different_people(place: Place) -> None:
    async def story(desk: Desk) -> None:
        approval = await desk.ask(quorum=2)
        assert (await desk.say("ola", approval)).state == "requested"
        assert await desk.refusal(approval) == "approval.pending"
        with pytest.raises(ApprovalClosed, match=r"ola@acme\.test has answered"):
            await desk.say("ola", approval)
        assert await desk.state(approval) == "requested"
        assert (await desk.say("ben", approval)).state == "approved"
        assert [each.outcome for each in await desk.decisions(approval)] == ["requested", "approved"]

    in_desk(place, story)


def test_one_no_ends_it(place: Place) -> None:
    async def story(desk: Desk) -> None:
        approval = await desk.ask(quorum=2)
        await desk.say("ola", approval)
        assert (await desk.say("ben", approval, "deny")).state == "denied"
        assert await desk.refusal(approval) == "approval.denied"
        assert not await desk.take(approval)
        (_, last) = await desk.decisions(approval)
        assert last.decision is not None
        assert (last.outcome, last.decision.outcome) == ("denied", "deny")

    in_desk(place, story)


def test_a_yes_is_taken_back_by_whoever_gave_it(place: Place) -> None:
    async def story(desk: Desk) -> None:
        approval, early = await desk.ask(), await desk.ask(quorum=2)
        await desk.say("ola", approval)
        await desk.say("ola", early)
        for name in ("ben", "dana"):
            with pytest.raises(NotAnApprover):
                await desk.take_back(name, approval)
        assert (await desk.take_back("ola", approval)).state == "revoked"
        assert (await desk.take_back("ola", early)).state == "revoked"
        assert await desk.refusal(approval) == await desk.refusal(early) == "approval.revoked"
        assert not await desk.take(approval)
        with pytest.raises(ApprovalClosed, match="revoked already"):
            await desk.take_back("ola", approval)
        with pytest.raises(ApprovalClosed, match="revoked already"):
            await desk.say("ben", early)
        assert (await desk.decisions(approval))[-1].outcome == "revoked"

    in_desk(place, story)


def test_a_released_call_is_not_taken_back(place: Place) -> None:
    async def story(desk: Desk) -> None:
        approval = await desk.ask()
        await desk.say("ola", approval)
        assert await desk.take(approval)
        with pytest.raises(ApprovalClosed, match="consumed already"):
            await desk.take_back("ola", approval)

    in_desk(place, story)


def test_what_is_over_is_written_down_by_whoever_looks(place: Place) -> None:
    async def story(desk: Desk) -> None:
        approval = await desk.ask()
        desk.pass_s(899)
        assert await desk.refusal(approval) == "approval.pending"
        desk.pass_s(1)
        assert await desk.refusal(approval) == "approval.expired"
        assert await desk.state(approval) == "requested"
        for _ in range(2):
            with pytest.raises(ApprovalExpired):
                await desk.say("ola", approval)
        assert await desk.state(approval) == "expired"
        (decided,) = await desk.decisions(approval)
        assert decided.principal is not None
        assert (decided.principal.actor, decided.outcome) == ("expiry", "expired")

    in_desk(place, story)


def test_a_yes_is_over_with_its_time(place: Place) -> None:
    async def story(desk: Desk) -> None:
        used, unused = await desk.ask(), await desk.ask()
        await desk.say("ola", used)
        await desk.say("ola", unused)
        assert await desk.take(used)
        desk.pass_s(900)
        assert await desk.refusal(used) == await desk.refusal(unused) == "approval.expired"
        assert not await desk.take(unused)
        with pytest.raises(ApprovalExpired):
            await desk.take_back("ola", unused)
        assert (await desk.state(used), await desk.state(unused)) == ("consumed", "expired")

    in_desk(place, story)


def test_an_unknown_one(place: Place) -> None:
    async def story(desk: Desk) -> None:
        for name in (CLOCK.uuid7(), "", "x\x00y", "'; --"):
            with pytest.raises(ApprovalUnknown):
                await decide.decide(desk.control, person("ola"), name, "approve", "because", trace_id="t")

    in_desk(place, story)
