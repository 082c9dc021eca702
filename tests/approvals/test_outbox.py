# SPDX-License-Identifier: Apache-2.0
"""The outbox on both stores: told at least once, about once by several replicas, again after a crash, until the end."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.approvals.desk import Desk, in_desk
from tests.notify.receiver import receiver

from customhouse.approvals import outbox as outbox_module
from customhouse.approvals.approval import Approval
from customhouse.approvals.outbox import BATCH, LEASE_S, Outbox, gap_us
from customhouse.domain.clock import SystemClock
from customhouse.notify.notice import TIMEOUT_S, Channel, Notice, Outcome, Undelivered
from customhouse.notify.webhook import Webhook

Place = Path | str
ROOT = Path(__file__).parent.parent.parent
SECRET = "whsec_" + "QUFB" * 8


@dataclass
class Noted:
    """A channel that keeps what it was told, and refuses while it is `down`."""

    name: str = "noted"
    down: bool = False
    said: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    before: Callable[[], None] = lambda: None

    async def send(self, notice: Notice) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise Undelivered("refused", "it answered 503")
        self.said.append((notice.id, notice.occasion))


def outbox(desk: Desk, channel: Channel, seen: list[tuple[str, Outcome]] | None = None) -> Outbox:
    return Outbox(
        channel,
        desk.control.database,
        desk.clock,
        public_url="https://ch.acme.test",
        observe=lambda name, outcome: (seen if seen is not None else []).append((name, outcome)),
    )


async def notified(desk: Desk, approval: Approval) -> bool:
    ((at_us,),) = desk.book.asked("SELECT notified_at_us FROM approval WHERE id = ?", approval.id)
    await asyncio.sleep(0)
    return at_us is not None


def test_people_are_told_once_and_reminded_once_at_half_the_time(place: Place) -> None:
    async def story(desk: Desk) -> None:
        channel = Noted()
        told = outbox(desk, channel)
        assert not await told.tell(), "nothing waits"
        approval = await desk.ask()
        assert not await notified(desk, approval)
        await told.tell()
        assert channel.said == [(approval.id, "requested")]
        assert await notified(desk, approval)
        await told.tell()
        desk.pass_s(440)
        await told.tell()
        assert len(channel.said) == 1, "not before half of the time is over"
        desk.pass_s(20)
        await told.tell()
        assert channel.said[1:] == [(approval.id, "reminder")]
        desk.pass_s(300)
        await told.tell()
        assert len(channel.said) == 2, "and never again"

    in_desk(place, story)


def test_each_channel_is_told_by_itself(place: Place) -> None:
    async def story(desk: Desk) -> None:
        well, ill = Noted("well"), Noted("ill", down=True)
        boxes = (outbox(desk, well), outbox(desk, ill))
        approval = await desk.ask()
        for box in boxes:
            await box.tell()
        assert (well.said, ill.said) == ([(approval.id, "requested")], [])
        ill.down = False
        desk.pass_s(6)
        for box in boxes:
            await box.tell()
        assert (len(well.said), ill.said) == (1, [(approval.id, "requested")])

    in_desk(place, story)


def test_what_fails_is_tried_again_with_growing_gaps_and_is_said(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(desk: Desk) -> None:
        channel, seen = Noted(down=True), list[tuple[str, Outcome]]()
        told = outbox(desk, channel, seen)
        approval = await desk.ask()
        for wait_s in (5, 10, 20, 40):
            await told.tell()
            attempts = len(seen)
            desk.pass_s(wait_s - 1)
            await told.tell()
            assert len(seen) == attempts, "not before its time"
            desk.pass_s(1)
        assert seen == [("noted", "refused")] * 4
        assert told.trouble is not None
        assert (told.trouble.channel, told.trouble.problem) == ("noted", "it answered 503")
        channel.down = False
        await told.tell()
        assert channel.said == [(approval.id, "requested")]
        assert seen[-1] == ("noted", "sent")
        assert told.trouble is None

    in_desk(place, story)
    assert "noted was not told of approval" in caplog.text
    assert [gap_us(attempt) // 1_000_000 for attempt in (1, 2, 7, 8, 10_000)] == [5, 10, 300, 300, 300]


def test_nobody_is_told_of_what_waits_no_more(place: Place) -> None:
    async def story(desk: Desk) -> None:
        channel = Noted(down=True)
        told = outbox(desk, channel)
        answered, late = await desk.ask(), await desk.ask()
        await told.tell()
        await desk.say("ola", answered, "deny")
        channel.down = False
        desk.pass_s(900)
        await told.tell()
        assert channel.said == []
        assert not await notified(desk, answered)
        assert not await notified(desk, late)

    in_desk(place, story)


def test_several_replicas_tell_each_once(place: Place) -> None:
    async def story(desk: Desk) -> None:
        channel = Noted()
        asked = [await desk.ask(tenant) for tenant in ("acme", "bolt") for _ in range(10)]
        boxes = [outbox(desk, channel) for _ in range(4)]

        async def until_nothing_is_due(box: Outbox) -> None:
            while await box.tell():
                pass

        await asyncio.gather(*(until_nothing_is_due(box) for box in boxes))
        await until_nothing_is_due(boxes[0])
        assert sorted(channel.said) == sorted((each.id, "requested") for each in asked)

    in_desk(place, story)


def test_a_flood_is_told_in_bounded_batches(place: Place) -> None:
    async def story(desk: Desk) -> None:
        channel = Noted()
        told = outbox(desk, channel)
        for _ in range(BATCH + 1):
            await desk.ask()
        assert await told.tell(), "more is due"
        assert len(channel.said) == BATCH
        assert not await told.tell()
        assert len(channel.said) == BATCH + 1

    in_desk(place, story)


def test_who_is_killed_between_claim_and_mark_loses_nothing(place: Place) -> None:
    """The receiver has the message and has not answered: nobody knows whether it was taken."""

    async def story(desk: Desk) -> None:
        approval = await desk.ask()
        async with receiver(silent=True) as running:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.approvals.dying_outbox", str(desk.book.place), running.url, cwd=ROOT
            )
            await asyncio.wait_for(running.until(1), 60)
            child.kill()
            await child.wait()
        async with receiver() as running:
            told = outbox(desk, Webhook(running.url, SECRET, SystemClock()))
            await told.tell()
            assert not running.came, "the claim stands"
            assert not await notified(desk, approval)
            desk.pass_s(int(LEASE_S))
            await told.tell()
            assert [headers["webhook-id"] for headers, _ in running.came] == [approval.id]
            assert await notified(desk, approval)

    in_desk(place, story)


def test_who_was_slow_marks_nothing_that_another_has_claimed_since(place: Place) -> None:
    async def story(desk: Desk) -> None:
        approval = await desk.ask()
        second = Noted()

        @dataclass
        class Slow:
            name: str = "noted"

            async def send(self, notice: Notice) -> None:
                desk.pass_s(int(LEASE_S))
                await outbox(desk, replace(second, down=True)).tell()
                raise Undelivered("late", f"no answer for {notice.id}")

        await outbox(desk, Slow()).tell()
        ((stage, attempts),) = desk.book.asked(
            "SELECT stage, attempts FROM notification WHERE approval = ?", approval.id
        )
        assert (stage, attempts) == ("requested", 2)
        desk.pass_s(10)
        await outbox(desk, second).tell()
        assert second.said == [(approval.id, "requested")]

    in_desk(place, story)


def test_a_claim_holds_longer_than_its_batch_can_take() -> None:
    assert outbox_module.BATCH * TIMEOUT_S < outbox_module.LEASE_S
