# SPDX-License-Identifier: Apache-2.0
"""Ending what nobody answered or used in time: by whoever looks, by a server's upkeep, in batches."""

from pathlib import Path

import pytest
from tests.approvals.desk import Desk, in_desk

from customhouse.approvals import expire

Place = Path | str


async def sweep(desk: Desk) -> int:
    """End a batch, as whoever does it."""
    now_us = desk.clock.now_us()
    return await desk.book.settling.begin(lambda tx: expire.expire_overdue(tx, desk.book.ledger, now_us))


async def upkeep(desk: Desk) -> None:
    """Do what a server does now and then."""
    if desk.book.sequencer is None:
        await expire.expire_ended(desk.book.control, desk.book.ledger, desk.clock)
    else:
        await desk.book.settling.transact(expire.duty(desk.book.ledger, desk.clock).work)


def test_a_sweep_ends_what_is_over_for_every_tenant_and_nothing_else(place: Place) -> None:
    async def story(desk: Desk) -> None:
        asked, approved = await desk.ask("acme"), await desk.ask("bolt")
        denied, used = await desk.ask("acme"), await desk.ask("acme")
        await desk.say("ola", approved)
        await desk.say("ola", used)
        await desk.say("ola", denied, "deny")
        assert await desk.take(used)
        assert await sweep(desk) == 0
        desk.pass_s(900)
        young = await desk.ask("acme")
        assert await sweep(desk) == 2
        assert await sweep(desk) == 0
        states = [await desk.state(each) for each in (asked, approved, denied, used, young)]
        assert states == ["expired", "expired", "denied", "consumed", "requested"]
        (asked_ended,), (_, approved_ended) = await desk.decisions(asked), await desk.decisions(approved)
        assert (asked_ended.outcome, asked_ended.tenant) == ("expired", "acme")
        assert (approved_ended.outcome, approved_ended.tenant) == ("expired", "bolt")
        assert asked_ended.detail is not None
        assert approved_ended.detail is not None
        assert (asked_ended.detail["before"], approved_ended.detail["before"]) == ("requested", "approved")
        for tenant in ("acme", "bolt"):
            assert (await desk.book.verdict(tenant)).broken_at is None

    in_desk(place, story)


def test_a_batch_is_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expire, "BATCH", 3)

    async def story(desk: Desk) -> None:
        for _ in range(4):
            await desk.ask()
        desk.pass_s(900)
        assert [await sweep(desk) for _ in range(3)] == [3, 1, 0]

    in_desk(place, story)


def test_it_is_written_down_once(place: Place) -> None:
    async def story(desk: Desk) -> None:
        approval = await desk.ask()
        desk.pass_s(900)
        now_us = desk.clock.now_us()
        first = await desk.gateway.begin(lambda tx: expire.expire(tx, desk.book.ledger, approval, now_us))
        again = await desk.gateway.begin(lambda tx: expire.expire(tx, desk.book.ledger, approval, now_us))
        assert (first, again) == (True, False)
        assert len(await desk.decisions(approval)) == 1

    in_desk(place, story)


def test_a_servers_upkeep_ends_it(place: Place) -> None:
    async def story(desk: Desk) -> None:
        now_us = desk.clock.now_us()
        over = [await desk.ask(requested_at_us=now_us - 9_000_000, expires_at_us=now_us - 1) for _ in range(3)]
        young = await desk.ask()
        await upkeep(desk)
        assert [await desk.state(each) for each in (*over, young)] == ["expired"] * 3 + ["requested"]

    in_desk(place, story)


def test_a_leader_whose_clock_is_ahead_ends_nothing_early(postgres: str) -> None:
    async def story(desk: Desk) -> None:
        approval = await desk.ask()
        desk.pass_s(3600)
        await upkeep(desk)
        assert await desk.state(approval) == "requested"

    in_desk(postgres, story)
