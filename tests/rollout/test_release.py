# SPDX-License-Identifier: Apache-2.0
"""Releasing: five versions, one signature, one transaction; what did not change keeps its number."""

from pathlib import Path

import msgspec
import pytest
from tests.rollout.yard import (
    BEN,
    BOT,
    CHARTER,
    COMMIT,
    DANA,
    DENIED,
    DREW,
    LOCAL,
    OLA,
    READ,
    REFUND,
    Yard,
    documents,
    in_yard,
    moved,
    waits,
    wider,
)

from customhouse.domain.digest import digest_bytes
from customhouse.domain.errors import (
    CommitMissing,
    CustomhouseError,
    DeputyMissing,
    GenerationMoved,
    ManifestInvalid,
    NothingToDo,
    NotTheCaptain,
    PlanesConflict,
)
from customhouse.domain.plane import PLANES, Plane
from customhouse.planes.tools.document import Grant
from customhouse.registry.charter import Charter
from customhouse.registry.environment import EnvironmentName

LONELY = msgspec.structs.replace(CHARTER, deputy=None)


def test_a_release_publishes_signs_and_comes_into_force(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        published = await yard.publish(documents("one"))
        statement = published.release.statement
        assert (statement.name, statement.previous, statement.released_by) == ("support@1", None, DANA.name)
        assert (statement.git_commit, statement.notes, statement.gate_results) == (COMMIT, "notes", ())
        assert statement.planes == documents("one").digests()
        assert any(entry.text.startswith("+") for entry in statement.capability_diff)
        assert moved(published.outcome).stamp == "support@1"
        (record,) = await yard.evidence("release.published")
        assert (record["release"], record["digest"]) == ("support@1", published.digest)
        assert len(await yard.evidence("pin.moved")) == 1
        assert len(await yard.evidence("charter.changed")) == 1

    in_yard(tmp_path, story)


def test_what_did_not_change_keeps_its_version_even_when_it_comes_back(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"))
        second = await yard.publish(documents("two"))
        assert {plane for plane in PLANES if second.versions[plane].new} == {Plane.PROMPT}
        assert [second.versions[plane].number for plane in PLANES] == [1, 2, 1, 1, 1]
        third = await yard.publish(documents("one"))
        assert third.versions[Plane.PROMPT].number == 1
        assert third.release.statement.number == 3
        stored = yard.rows("SELECT digest, document FROM version")
        assert len(stored) == 6
        assert all(digest_bytes(bytes(content)) == digest for digest, content in stored)  # pyright: ignore[reportArgumentType] - a blob

    in_yard(tmp_path, story)


def test_releasing_the_same_again_is_refused_while_it_is_in_force(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents())
        for environment in ("dev", None):
            with pytest.raises(NothingToDo, match="nothing changed since support@1"):
                await yard.publish(documents(), environment)
        again = await yard.publish(documents(), commit=None)  # another commit is news
        assert again.release.statement.number == 2
        assert not any(version.new for version in again.versions.values())

    in_yard(tmp_path, story)


@pytest.mark.parametrize(
    ("environment", "charter", "commit", "error", "why"),
    [
        ("production", LONELY, COMMIT, DeputyMissing, "production needs a deputy"),
        ("production", CHARTER, None, CommitMissing, "what runs there must be found in git"),
        ("staging", CHARTER, None, CommitMissing, "likewise"),
        ("dev", LONELY, None, None, "dev asks for neither"),
        ("staging", LONELY, COMMIT, None, "staging asks for a commit only"),
    ],
)
def test_what_environments_ask_for(
    tmp_path: Path,
    environment: EnvironmentName,
    charter: Charter,
    commit: str | None,
    error: type[CustomhouseError] | None,
    why: str,
) -> None:
    async def story(yard: Yard) -> None:
        if error is None:
            await yard.publish(documents(), environment, charter=charter, commit=commit)
            return
        with pytest.raises(error):
            await yard.publish(documents(), environment, charter=charter, commit=commit)
        assert yard.rows("SELECT 1 FROM release") == []  # refused whole, nothing is left behind

    assert why
    in_yard(tmp_path, story)


def test_a_tool_without_effect_and_planes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        undeclared = {"wipe": Grant(permission="allow", effect="undeclared")}
        with pytest.raises(ManifestInvalid, match="no effect is declared for wipe"):
            await yard.publish(documents(tools=undeclared))
        with pytest.raises(PlanesConflict, match="release a fix"):
            await yard.publish(documents(tools={"search": DENIED}, needs=("search",)))

    in_yard(tmp_path, story)


def test_who_may_release(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        with pytest.raises(NotTheCaptain):
            await yard.publish(documents("0"), actor=BEN)  # the first release: the submitted charter decides
        await yard.publish(documents("1"), actor=DANA)
        await yard.publish(documents("2"), actor=DREW)
        await yard.publish(documents("3"), actor=LOCAL)
        stolen = msgspec.structs.replace(CHARTER, owner=BEN.name)
        for stranger in (BEN, OLA):
            with pytest.raises(NotTheCaptain, match=r"its owner is dana@acme\.test, its deputy drew@acme\.test"):
                await yard.publish(documents("4"), actor=stranger, charter=stolen)

    in_yard(tmp_path, story)


def test_a_first_release_to_production_waits_and_is_published_all_the_same(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        published = await yard.publish(documents(), "production")
        change = waits(published.outcome)
        assert await yard.pins("production") is None
        assert await yard.generation("production") == 0
        assert (await yard.review(change.change)).state == "approved"
        assert await yard.base("production") == 1

    in_yard(tmp_path, story)


def test_tightening_never_waits_and_loosening_waits_where_reviewers_are_asked_for(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.in_production(documents(tools={"search": READ, "refund": REFUND}))
        tighter = await yard.publish(documents(tools={"search": READ}), "production")
        assert moved(tighter.outcome).stamp == "support@2"
        looser = await yard.publish(documents(tools={"search": READ, "refund": REFUND}), "production")
        assert "may now call refund" in " ".join(waits(looser.outcome).effects)
        assert moved((await yard.publish(documents(tools={"search": READ, "refund": REFUND}), "dev")).outcome)

    in_yard(tmp_path, story)


def test_an_expected_generation_that_moved_undoes_the_whole_release(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"))
        with pytest.raises(GenerationMoved, match="generation 1, expected 0"):
            await yard.publish(documents("two"), expected=0)
        assert yard.rows("SELECT count(*) FROM release") == [(1,)]
        assert yard.rows("SELECT count(*) FROM version WHERE plane = 'prompt'") == [(1,)]
        assert len(await yard.evidence("release.published")) == 1

    in_yard(tmp_path, story)


def test_publishing_alone_moves_nothing(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        published = await yard.publish(documents(), None, charter=wider())
        assert published.outcome is None
        assert await yard.pins() is None
        assert yard.rows("SELECT count(*) FROM pin_event") == [(0,)]

    in_yard(tmp_path, story)


def test_a_record_with_the_longest_reasons_still_fits_the_ledger(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"))
        await yard.publish(documents("two"))
        done = moved(await yard.rollback(Plane.PROMPT, reason="\U0001f525" * 500))
        assert done.stamp == "support@2+prompt@1"

    in_yard(tmp_path, story)


def test_a_thousand_new_tools_still_fit_the_ledger(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        many = {f"tool_{number:04}_{'x' * 50}": READ for number in range(1000)}
        published = await yard.publish(documents(tools=many), "production")
        assert len(waits(published.outcome).effects) >= 1000
        (record,) = await yard.evidence("change.proposed")
        assert record["effects_total"] == len(waits(published.outcome).effects)

    in_yard(tmp_path, story)


def test_names(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents(), assistant="other")
        published = await yard.publish(documents())
        assert published.release.statement.name == f"{BOT}@1"  # numbers are per assistant

    in_yard(tmp_path, story)
