# SPDX-License-Identifier: Apache-2.0
"""Rolling back: one plane alone, several together, holds, conflicts with their fix."""

from pathlib import Path

import pytest
from tests.rollout.yard import (
    BEN,
    DENIED,
    OLA,
    PAT,
    READ,
    REFUND,
    Yard,
    documents,
    in_yard,
    moved,
    waits,
)

from customhouse.domain.errors import (
    NotEarlier,
    NothingToDo,
    NotInForce,
    NotTheCaptain,
    PlanesConflict,
    ReleaseUnknown,
    VersionHeld,
)
from customhouse.domain.plane import PLANES, Plane


def test_one_plane_goes_back_and_the_other_rows_are_not_touched(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"))
        await yard.publish(documents("two"))
        before = yard.rows("SELECT * FROM pin WHERE plane <> 'prompt' ORDER BY plane")
        done = moved(await yard.rollback(Plane.PROMPT))
        assert yard.rows("SELECT * FROM pin WHERE plane <> 'prompt' ORDER BY plane") == before
        assert (done.planes, done.stamp_before, done.stamp) == ((Plane.PROMPT,), "support@2", "support@2+prompt@1")
        assert done.generation == 3
        assert [hold.plane for hold in await yard.holds()] == [Plane.PROMPT]
        (record,) = (await yard.evidence("pin.moved"))[2:]
        assert (record["kind"], record["reason"], record["stamp"]) == (
            "rolled_back",
            "it babbles",
            "support@2+prompt@1",
        )

    in_yard(tmp_path, story)


def test_a_second_rollback_goes_further_back_and_never_to_what_is_held(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        for prompt in ("one", "two", "three"):
            await yard.publish(documents(prompt))
        assert moved(await yard.rollback(Plane.PROMPT)).stamp == "support@3+prompt@2"
        assert moved(await yard.rollback(Plane.PROMPT)).stamp == "support@3+prompt@1"
        with pytest.raises(NotEarlier, match="no earlier release"):
            await yard.rollback(Plane.PROMPT)

    in_yard(tmp_path, story)


def test_an_unchanged_release_between_is_passed_over(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"))
        await yard.publish(documents("two"))
        await yard.publish(documents("two", safety="other"))
        assert moved(await yard.rollback(Plane.PROMPT)).stamp == "support@3+prompt@1"

    in_yard(tmp_path, story)


def test_several_planes_move_in_one_generation(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one", safety="a"))
        await yard.publish(documents("two", safety="b"))
        done = moved(await yard.rollback(Plane.SAFETY, Plane.PROMPT))
        assert done.stamp == "support@2+prompt@1+safety@1"
        assert (done.generation, await yard.generation()) == (3, 3)
        assert len(done.holds) == 2

    in_yard(tmp_path, story)


def test_a_conflict_names_the_fix_as_a_command_that_works(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one", tools={"search": READ, "track": DENIED}))
        await yard.publish(documents("Use track.", tools={"search": READ, "track": READ}, needs=("track",)))
        with pytest.raises(PlanesConflict) as refused:
            await yard.rollback(Plane.TOOLS, reason="it's wrong")
        assert "the prompt needs the tool track, which the tools plane denies" in refused.value.detail
        fix = "customhouse rollback support --plane prompt,tools --to 1 --environment dev --reason 'it'\"'\"'s wrong'"
        assert fix in refused.value.detail
        assert await yard.generation() == 2
        assert moved(await yard.rollback(Plane.PROMPT, Plane.TOOLS, to=1)).stamp == "support@2+prompt@1+tools@1"

    in_yard(tmp_path, story)


def test_a_model_without_a_feature_that_the_prompt_needs_is_a_conflict(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one", features=()))
        await yard.publish(documents("two", features=("json_schema",), needs_features=("json_schema",)))
        with pytest.raises(PlanesConflict, match=r"--plane model,prompt --to 1"):
            await yard.rollback(Plane.MODEL)

    in_yard(tmp_path, story)


def test_no_fix_is_offered_when_it_would_bring_a_held_version_back(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one", tools={"search": READ, "track": DENIED}))
        await yard.publish(documents("two", tools={"search": READ, "track": DENIED}))
        both = {"search": READ, "track": READ}
        await yard.publish(documents("Use track.", tools=both, needs=("track",)))
        yard.tamper(
            "INSERT INTO hold (environment, assistant, plane, digest, reason, held_by, held_at_us)"
            " SELECT 'dev', assistant, plane, digest, 'bad', 'x', 1 FROM version WHERE plane = 'prompt' AND number = 2"
        )
        with pytest.raises(PlanesConflict, match="No set of planes fits in one step"):
            await yard.rollback(Plane.TOOLS, to=2)

    in_yard(tmp_path, story)


def test_what_was_rolled_back_does_not_come_back_by_itself(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"))
        await yard.publish(documents("two"))
        await yard.rollback(Plane.PROMPT)
        with pytest.raises(VersionHeld, match=r"prompt version 2 .*`customhouse holds lift 1"):
            await yard.promote(2, "dev")
        with pytest.raises(VersionHeld):
            await yard.publish(documents("two", safety="other"))
        assert moved(await yard.promote(2, "staging")).stamp == "support@2"  # a hold is of one environment
        assert len(yard.rows("SELECT 1 FROM release")) == 2  # the refused release left nothing behind

    in_yard(tmp_path, story)


@pytest.mark.parametrize(
    ("to", "error", "why"),
    [
        (2, NothingToDo, "it is in force"),
        (3, NotEarlier, "it was never in force here"),
        (9, ReleaseUnknown, "there is none"),
    ],
)
def test_targets_that_are_no_way_back(tmp_path: Path, to: int, error: type[Exception], why: str) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"))
        await yard.publish(documents("two"))
        await yard.publish(documents("three"), None)
        with pytest.raises(error):
            await yard.rollback(Plane.PROMPT, to=to)

    assert why
    in_yard(tmp_path, story)


def test_going_forward_is_no_rollback(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        for prompt in ("one", "two", "three"):
            await yard.publish(documents(prompt))
        await yard.rollback(Plane.PROMPT, to=1)
        with pytest.raises(NotEarlier, match="would go forward"):
            await yard.rollback(Plane.PROMPT, to=2)

    in_yard(tmp_path, story)


def test_nothing_in_force_is_said(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents(), None)
        with pytest.raises(NotInForce):
            await yard.rollback(Plane.PROMPT)

    in_yard(tmp_path, story)


def test_on_call_rolls_back_and_other_captains_do_not(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"))
        await yard.publish(documents("two"))
        for stranger in (BEN, PAT):
            with pytest.raises(NotTheCaptain):
                await yard.rollback(Plane.PROMPT, actor=stranger)
        assert moved(await yard.rollback(Plane.PROMPT, actor=OLA)).stamp == "support@2+prompt@1"

    in_yard(tmp_path, story)


def test_a_rollback_that_loosens_waits_even_in_an_incident(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.in_production(documents("one", tools={"search": READ, "refund": REFUND}), documents("two"))
        before = await yard.pins("production")
        change = waits(await yard.rollback(*PLANES, environment="production", actor=OLA))
        assert await yard.pins("production") == before
        assert any("refund" in effect for effect in change.effects)
        assert moved(await yard.rollback(Plane.PROMPT, environment="production", actor=OLA)).planes == (Plane.PROMPT,)

    in_yard(tmp_path, story)
