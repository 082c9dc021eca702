# SPDX-License-Identifier: Apache-2.0
"""Switches: thrown at once by whoever may, lifted with a second person where reviewers are asked for."""

import asyncio
from pathlib import Path

import pytest
from tests.rollout.yard import BEN, DANA, LOCAL, OLA, PAT, Yard, documents, in_yard, person

from customhouse.domain.errors import (
    ChangeStale,
    GenerationMoved,
    IntegrityFailed,
    InvalidRequest,
    NothingToDo,
    NotTheCaptain,
    SecondPersonRequired,
    SwitchUnknown,
)
from customhouse.domain.principal import Actor
from customhouse.registry import switch_tables
from customhouse.registry.current import Current
from customhouse.rollout.answer import Waiting
from customhouse.rollout.switch import LiftingSwitch, Switched, Throwing, switch_off, switch_on

ADMIN = person("ada", "admin")
WHY = LiftingSwitch(reason="mended")


async def on(yard: Yard, scope: str, actor: Actor = OLA, expected: int | None = None) -> Switched:
    thrown = Throwing(scope=scope, reason="it leaks", expected_generation=expected)
    return await switch_on(yard.control, actor, "trace", thrown)


async def off(yard: Yard, seq: int, actor: Actor = OLA) -> Switched:
    switched = (await switch_off(yard.control, actor, "trace", seq, WHY)).switched
    assert switched is not None
    return switched


async def asked(yard: Yard, seq: int, actor: Actor = OLA, reason: str = "mended") -> Waiting:
    waiting = (await switch_off(yard.control, actor, "trace", seq, LiftingSwitch(reason=reason))).waiting
    assert waiting is not None
    return waiting


async def standing(yard: Yard) -> list[str]:
    found = await yard.control.database.read(switch_tables.standing)
    return [str(switch.scope) for switch in found]


def test_it_stands_until_it_is_lifted_and_both_are_told(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents())
        current = Current(yard.control)
        await current.refresh()
        before = current.view("dev", "support").snapshot
        thrown = await on(yard, "tool:search")
        assert (thrown.switch.seq, thrown.standing, thrown.generation) == (1, True, 1)
        assert await current.refresh()
        view = current.view("dev", "support")
        assert before is not None
        assert view.snapshot is not None
        assert view.switches.tool("search", "read") == "switch.tool"
        assert view.snapshot.switches == ("tool:search",)
        assert view.snapshot.digest != before.digest
        assert (view.snapshot.generation, view.snapshot.stamp) == (before.generation, before.stamp)
        with pytest.raises(NothingToDo, match="switch 1, by ola"):
            await on(yard, "tool:search", ADMIN)
        assert (await off(yard, 1)).generation == 2
        with pytest.raises(NothingToDo, match="lifted before"):
            await off(yard, 1)
        assert await current.refresh()
        after = current.view("dev", "support").snapshot
        assert after is not None
        assert after.digest == before.digest
        (told,) = await yard.evidence("switch.set")
        assert (told["scope"], told["reason"], told["generation"]) == ("tool:search", "it leaks", 1)
        (lifted,) = await yard.evidence("switch.lifted")
        assert (lifted["switch"], lifted["set_by"], lifted["generation"]) == (1, OLA.name, 2)

    in_yard(tmp_path, story)


MAY = [
    # who, scope, whether he may throw it
    (OLA, "all", True),
    (ADMIN, "provider:big", True),
    (LOCAL, "tenant:acme", True),
    (DANA, "assistant:support", True),
    (DANA, "assistant:triage", False),
    (DANA, "tool:search", False),
    (BEN, "assistant:support", False),
]


@pytest.mark.parametrize(("actor", "scope", "may"), MAY)
def test_who_may_throw_which(tmp_path: Path, actor: Actor, scope: str, may: bool) -> None:  # noqa: FBT001 - a row
    async def story(yard: Yard) -> None:
        await yard.publish(documents())
        if may:
            assert (await on(yard, scope, actor)).standing
        else:
            with pytest.raises(NotTheCaptain):
                await on(yard, scope, actor)
            seq = (await on(yard, scope, OLA)).switch.seq
            with pytest.raises(NotTheCaptain):
                await off(yard, seq, actor)

    in_yard(tmp_path, story)


def test_lifting_waits_for_a_second_person_where_reviewers_are_asked_for(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.in_production(documents("one"))
        seq = (await on(yard, "tool:search")).switch.seq
        waiting = await asked(yard, seq)
        assert "tool:search is no longer switched off" in waiting.effects[0]
        assert await standing(yard) == ["tool:search"], "asking lifts nothing"
        with pytest.raises(SecondPersonRequired):
            await yard.review(waiting.change, OLA)
        reviewed = await yard.review(waiting.change, PAT)
        assert reviewed.lifted is not None
        assert reviewed.lifted.standing is False
        assert await standing(yard) == []
        (lifted,) = await yard.evidence("switch.lifted")
        assert (lifted["requested_by"], lifted["reviewers"]) == (OLA.name, [PAT.name])

    in_yard(tmp_path, story)


def test_a_rejected_lifting_leaves_it_standing(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.in_production(documents("one"))
        waiting = await asked(yard, (await on(yard, "all")).switch.seq)
        assert (await yard.review(waiting.change, PAT, "reject")).state == "rejected"
        assert await standing(yard) == ["all"]

    in_yard(tmp_path, story)


def test_a_switch_that_only_reaches_dev_is_lifted_alone(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.in_production(documents("one"))
        assert (await off(yard, (await on(yard, "environment:dev")).switch.seq)).standing is False
        await asked(yard, (await on(yard, "environment:production")).switch.seq)

    in_yard(tmp_path, story)


def test_what_was_lifted_meanwhile_is_not_lifted_by_an_old_signature(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.in_production(documents("one"))
        first = (await on(yard, "tool:search")).switch.seq
        waiting = await asked(yard, first)
        assert (await asked(yard, first, ADMIN, "too strict")).change == waiting.change, "asking twice is one change"
        yard.tamper("INSERT INTO switch_lift (switch, reason, lifted_by, lifted_at_us) VALUES (?, 'x', 'x', 1)", first)
        second = (await on(yard, "tool:search")).switch.seq
        assert second != first
        with pytest.raises(ChangeStale):
            await yard.review(waiting.change, PAT)
        assert await standing(yard) == ["tool:search"], "the new one is another switch"

    in_yard(tmp_path, story)


def test_a_hundred_at_once_have_one_winner_for_each_generation(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        tried = await asyncio.gather(
            *(on(yard, f"tool:t{n}", expected=n // 10) for n in range(100)), return_exceptions=True
        )
        won = [each.generation for each in tried if isinstance(each, Switched)]
        lost = [each for each in tried if isinstance(each, GenerationMoved)]
        assert len(won) + len(lost) == 100
        assert sorted(won) == list(range(1, len(won) + 1))
        assert len(await standing(yard)) == len(won)
        assert len(await yard.evidence("switch.set")) == len(won)

    in_yard(tmp_path, story)


def test_a_scope_that_cannot_be_read_stops_everything_rather_than_be_skipped(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents())
        seq = (await on(yard, "tool:search")).switch.seq
        yard.tamper("UPDATE switch SET scope = 'toll:search' WHERE seq = ?", seq)
        current = Current(yard.control)
        with pytest.raises(IntegrityFailed, match="cannot be read"):
            await current.refresh()
        assert current.get("dev", "support") is None

    in_yard(tmp_path, story)


def test_what_is_no_scope_and_no_switch_is_refused(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        with pytest.raises(InvalidRequest, match="did you mean tool"):
            await on(yard, "tol:search")
        with pytest.raises(SwitchUnknown):
            await off(yard, 7)
        with pytest.raises(GenerationMoved, match="at generation 0, expected 3"):
            await on(yard, "all", expected=3)

    in_yard(tmp_path, story)
