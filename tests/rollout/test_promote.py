# SPDX-License-Identifier: Apache-2.0
"""Promoting: the same digests elsewhere, and one winner for each generation."""

import asyncio
from pathlib import Path

import pytest
from tests.rollout.yard import BEN, COMMIT, DREW, LOCAL, OLA, Yard, documents, in_yard, moved, waits

from customhouse.domain.errors import (
    CommitMissing,
    GenerationMoved,
    IntegrityFailed,
    NothingToDo,
    NotTheCaptain,
    ReleaseUnknown,
)
from customhouse.domain.plane import PLANES, Plane
from customhouse.rollout.answer import Outcome


def test_the_same_digests_come_into_force_elsewhere(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"))
        done = moved(await yard.promote(1, "staging"))
        assert (done.stamp, done.generation, done.planes) == ("support@1", 1, PLANES)
        dev, staging = await yard.pins("dev"), await yard.pins("staging")
        assert dev == staging
        with pytest.raises(NothingToDo):
            await yard.promote(1, "staging")

    in_yard(tmp_path, story)


def test_a_promotion_takes_overrides_away(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"))
        await yard.publish(documents("two"))
        await yard.rollback(Plane.PROMPT)
        assert moved(await yard.promote(1, "dev")).stamp == "support@1"

    in_yard(tmp_path, story)


def test_who_may_promote(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"))
        for stranger in (BEN, OLA):
            with pytest.raises(NotTheCaptain):
                await yard.promote(1, "staging", actor=stranger)
        assert moved(await yard.promote(1, "staging", actor=DREW))
        await yard.publish(documents("two"))
        assert moved(await yard.promote(2, "staging", actor=LOCAL))

    in_yard(tmp_path, story)


def test_refusals(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"), commit=None)
        with pytest.raises(CommitMissing):
            await yard.promote(1, "staging")
        with pytest.raises(ReleaseUnknown, match="the newest is support@1"):
            await yard.promote(7, "dev")
        await yard.publish(documents("two"), commit=COMMIT)
        yard.tamper("UPDATE release SET signature = zeroblob(64) WHERE number = 2")
        with pytest.raises(IntegrityFailed):
            await yard.promote(2, "staging")

    in_yard(tmp_path, story)


def test_what_cannot_be_verified_counts_as_nothing_so_that_all_of_the_new_is_a_loosening(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.in_production(documents("one"))
        await yard.publish(documents("two"))
        yard.tamper("UPDATE version SET document = CAST('{}' AS BLOB) WHERE plane = 'prompt' AND number = 1")
        assert waits(await yard.promote(2)).effects

    in_yard(tmp_path, story)


def test_a_hundred_promotions_at_once_have_one_winner_for_each_generation(tmp_path: Path) -> None:
    async def attempt(yard: Yard, number: int, expected: int) -> Outcome | None:
        try:
            return await yard.promote(number, "staging", expected=expected)
        except GenerationMoved:
            return None

    async def story(yard: Yard) -> None:
        for number in (1, 2):
            await yard.publish(documents(str(number)))
        for generation in range(4):
            number = 1 + generation % 2
            async with asyncio.TaskGroup() as tasks:
                racing = [tasks.create_task(attempt(yard, number, generation)) for _ in range(100)]
            winners = [racer.result() for racer in racing if racer.result() is not None]
            assert len(winners) == 1
            assert moved(winners[0]).generation == generation + 1
        events = yard.rows("SELECT generation FROM pin_event WHERE environment = 'staging' ORDER BY seq")
        assert events == [(1,), (2,), (3,), (4,)]
        assert len([each for each in await yard.evidence("pin.moved") if each["environment"] == "staging"]) == 4

    in_yard(tmp_path, story)


def test_moves_without_an_expectation_follow_each_other(tmp_path: Path) -> None:
    async def attempt(yard: Yard, number: int) -> int:
        try:
            return moved(await yard.promote(number, "staging")).generation
        except NothingToDo:
            return 0

    async def story(yard: Yard) -> None:
        for number in (1, 2, 3):
            await yard.publish(documents(str(number)))
        async with asyncio.TaskGroup() as tasks:
            racing = [tasks.create_task(attempt(yard, 1 + each % 3)) for each in range(60)]
        generations = sorted(racer.result() for racer in racing if racer.result())
        assert generations == list(range(1, len(generations) + 1))
        pins = await yard.pins("staging")
        assert pins is not None
        assert {pin.release_number for pin in pins.planes.values()} == {pins.base}

    in_yard(tmp_path, story)
