# SPDX-License-Identifier: Apache-2.0
"""What `status`, `history` and `force` answer."""

from pathlib import Path

import pytest
from tests.rollout.yard import CHARTER, DANA, OLA, Yard, documents, in_yard, waits

from customhouse.domain.errors import IntegrityFailed, NotInForce
from customhouse.domain.plane import PLANES, Plane
from customhouse.registry.current import Current
from customhouse.registry.status import MAX_HISTORY, force, history, status

LATEST = 10**15


def test_an_empty_house(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        found = await status(yard.control, Current(yard.control))
        assert [(entry.name, entry.generation, entry.reviewers, entry.moved_at) for entry in found.environments] == [
            ("dev", 0, 0, None),
            ("staging", 0, 0, None),
            ("production", 0, 1, None),
        ]
        assert (found.assistants, found.holds, found.changes) == ((), (), ())
        assert (await history(yard.control, "support", None, before_seq=LATEST, limit=9)).entries == ()

    in_yard(tmp_path, story)


def test_status_tells_what_is_in_force_held_and_waiting(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"))
        await yard.publish(documents("two"))
        await yard.rollback(Plane.PROMPT, actor=OLA)
        change = waits(await yard.promote(1)).change
        found = await status(yard.control, Current(yard.control))
        (entry,) = found.assistants
        assert (entry.stamp, entry.release, entry.generation, entry.by) == ("support@2+prompt@1", 2, 3, OLA.name)
        assert entry.refused is None
        prompt, model = entry.planes[Plane.PROMPT], entry.planes[Plane.MODEL]
        assert (prompt.version, prompt.release, prompt.by) == (1, 1, OLA.name)
        assert (model.version, model.release, model.by) == (1, 2, DANA.name)
        assert prompt.since == entry.since > model.since
        assert [(hold.plane, hold.version, hold.by) for hold in found.holds] == [(Plane.PROMPT, 2, OLA.name)]
        assert [(each.id, each.environment) for each in found.changes] == [(change, "production")]

    in_yard(tmp_path, story)


@pytest.mark.parametrize(
    ("sql", "stamp"),
    [
        ("UPDATE pin SET digest = 'sha256:0' WHERE plane = 'prompt'", "support@1"),
        ("DELETE FROM pin WHERE plane = 'prompt'", "support@?"),
    ],
)
def test_status_shows_what_is_broken_instead_of_failing(tmp_path: Path, sql: str, stamp: str) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"))
        yard.tamper(sql)
        found = await status(yard.control, Current(yard.control))
        assert found.assistants[0].stamp == stamp
        assert found.assistants[0].refused is not None
        with pytest.raises(IntegrityFailed):
            await force(yard.control, "dev", "support")

    in_yard(tmp_path, story)


def test_history_is_newest_first_and_pages(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.in_production(documents("one"), documents("two"))
        await yard.rollback(Plane.PROMPT, environment="production", actor=OLA, reason="babbles")
        everything = (await history(yard.control, "support", None, before_seq=LATEST, limit=MAX_HISTORY)).entries
        assert [entry.seq for entry in everything] == [5, 4, 3, 2, 1]
        production = (await history(yard.control, "support", "production", before_seq=LATEST, limit=2)).entries
        assert [(entry.kind, entry.stamp_before, entry.stamp) for entry in production] == [
            ("rolled_back", "support@2", "support@2+prompt@1"),
            ("promoted", "support@1", "support@2"),
        ]
        assert (production[0].reason, production[0].by, production[0].planes) == ("babbles", OLA.name, (Plane.PROMPT,))
        first = (await history(yard.control, "support", "production", before_seq=production[-1].seq, limit=2)).entries
        assert [(entry.by, entry.reviewers, entry.before) for entry in first] == [(DANA.name, (OLA.name,), None)]
        assert first[0].change is not None
        assert set(first[0].after) == set(PLANES)

    in_yard(tmp_path, story)


def test_force_gives_the_verified_documents(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"))
        await yard.publish(documents("two"))
        await yard.rollback(Plane.PROMPT)
        found = await force(yard.control, "dev", "support")
        assert (found.stamp, found.prompt.template, found.charter) == ("support@2+prompt@1", "one", CHARTER)
        assert found.digests == documents("one").digests()
        assert len(found.holds) == 1
        with pytest.raises(NotInForce):
            await force(yard.control, "staging", "support")

    in_yard(tmp_path, story)
