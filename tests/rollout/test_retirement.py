# SPDX-License-Identifier: Apache-2.0
"""What has retired is no target: not of a release, not of a promotion, not of a rollback. What runs goes on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import pytest
from tests.rollout.yard import OLA, Yard, documents, in_yard, moved, waits

from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import ManifestInvalid, ModelRetired, NotEarlier
from customhouse.domain.plane import Plane
from customhouse.planes.model.document import Choice
from customhouse.registry.current import Current
from customhouse.registry.documents import Documents
from customhouse.registry.status import history, status

BEFORE: Final = "2026-11-20"
AFTER: Final = "2026-12-20"
LATEST: Final = 10**15


@dataclass
class Calendar(SystemClock):
    """A clock whose day is set; everything else of it is the machine's."""

    day: str = BEFORE

    def now_us(self) -> int:
        return int(datetime.fromisoformat(self.day).replace(tzinfo=UTC).timestamp()) * 1_000_000

    def __post_init__(self) -> None:
        super().__init__()


def asking(prompt: str, **retires: str | None) -> Documents:
    """Return documents whose route names one model for each keyword, with its day of retirement."""
    found = documents(prompt)
    small = found.model.deployments["small"]
    deployments = {
        name: msgspec.structs.replace(small, name=name, retires=day)
        for name, day in (retires or {"small": None}).items()
    }
    model = msgspec.structs.replace(found.model, deployments=deployments, route=(Choice(use=tuple(deployments)),))
    return replace(found, model=model)


def told(path: Path, story: Callable[[Yard, Calendar], Awaitable[None]]) -> None:
    """Run a story with a calendar in it."""

    async def dated(yard: Yard) -> None:
        calendar = Calendar()
        await story(replace(yard, control=replace(yard.control, clock=calendar)), calendar)

    in_yard(path, dated)


def test_a_release_that_names_a_retired_model_is_refused(tmp_path: Path) -> None:
    async def story(yard: Yard, _: Calendar) -> None:
        with pytest.raises(ModelRetired, match=r"local/old retired on 2026-11-20, today.*`retires` in the manifest"):
            await yard.publish(asking("one", new=None, old=BEFORE))
        assert await yard.pins() is None
        published = await yard.publish(asking("one", new=None, old="2026-11-21"))
        (found,) = moved(published.outcome).retirements
        assert found.text == "local/old retires on 2026-11-21, in 1 day"

    told(tmp_path, story)


def test_a_day_that_would_never_come_is_refused(tmp_path: Path) -> None:
    async def story(yard: Yard, _: Calendar) -> None:
        with pytest.raises(ManifestInvalid, match="the deployment old retires on no day"):
            await yard.publish(asking("one", old="never"))

    told(tmp_path, story)


def test_a_promotion_of_what_has_retired_since_is_refused(tmp_path: Path) -> None:
    async def story(yard: Yard, calendar: Calendar) -> None:
        await yard.publish(asking("one", old="2026-12-01"))
        calendar.day = AFTER
        with pytest.raises(ModelRetired, match="support@1 asks only models that have retired: local/old"):
            await yard.promote(1)
        assert await yard.pins("production") is None

    told(tmp_path, story)


def test_a_review_does_not_put_into_force_what_has_retired_while_it_waited(tmp_path: Path) -> None:
    async def story(yard: Yard, calendar: Calendar) -> None:
        await yard.publish(asking("one", old="2026-12-01"))
        change = waits(await yard.promote(1)).change
        calendar.day = AFTER
        with pytest.raises(ModelRetired):
            await yard.review(change, OLA)
        assert await yard.pins("production") is None

    told(tmp_path, story)


def test_a_rollback_passes_over_what_has_retired(tmp_path: Path) -> None:
    async def story(yard: Yard, calendar: Calendar) -> None:
        await yard.publish(asking("one", ancient=None))
        await yard.publish(asking("two", old="2026-12-01"))
        await yard.publish(asking("three", new=None))
        calendar.day = AFTER
        with pytest.raises(ModelRetired, match="support@2 asks only models that have retired"):
            await yard.rollback(Plane.MODEL, to=2)
        done = moved(await yard.rollback(Plane.MODEL))
        assert (done.stamp, done.retirements) == ("support@3+model@1", ())

    told(tmp_path, story)


def test_a_rollback_with_nothing_left_says_so(tmp_path: Path) -> None:
    async def story(yard: Yard, calendar: Calendar) -> None:
        await yard.publish(asking("one", old="2026-12-01"))
        await yard.publish(asking("two", new=None))
        calendar.day = AFTER
        with pytest.raises(NotEarlier, match="whose models have not all retired"):
            await yard.rollback(Plane.MODEL)

    told(tmp_path, story)


def test_a_rollback_to_a_version_with_some_retired_names_them(tmp_path: Path) -> None:
    async def story(yard: Yard, calendar: Calendar) -> None:
        await yard.publish(asking("one", old="2026-12-01", left=None))
        await yard.publish(asking("two", new=None))
        calendar.day = AFTER
        done = moved(await yard.rollback(Plane.MODEL))
        assert done.stamp == "support@2+model@1"
        assert [found.text for found in done.retirements] == ["local/old retired on 2026-12-01, 19 days ago"]

    told(tmp_path, story)


def test_a_retirement_does_not_stand_in_the_way_of_another_plane(tmp_path: Path) -> None:
    async def story(yard: Yard, calendar: Calendar) -> None:
        await yard.publish(asking("one", old="2026-12-01"))
        await yard.publish(asking("two", old="2026-12-01"))
        calendar.day = AFTER
        done = moved(await yard.rollback(Plane.PROMPT))
        assert (done.stamp, done.planes) == ("support@2+prompt@1", (Plane.PROMPT,))

    told(tmp_path, story)


def test_status_and_history_mark_what_has_retired(tmp_path: Path) -> None:
    async def story(yard: Yard, calendar: Calendar) -> None:
        await yard.publish(asking("one", old="2026-12-01"))
        await yard.publish(asking("two", old="2026-12-01", left=None))
        await yard.publish(asking("three", new="2027-01-14"))
        (entry,) = (await status(yard.control, Current(yard.control))).assistants
        assert [found.text for found in entry.retirements] == ["local/new retires on 2027-01-14, in 55 days"]
        before = (await history(yard.control, "support", None, before_seq=LATEST, limit=9)).entries
        assert [found.retired for found in before] == [None, None, None]
        calendar.day = AFTER
        third, second, first = (await history(yard.control, "support", None, before_seq=LATEST, limit=9)).entries
        assert third.retired is None
        assert second.retired is not None
        assert first.retired is not None
        assert (second.retired.all, first.retired.all) == (False, True)
        assert [found.deployment for found in second.retired.retired] == ["local/old"]

    told(tmp_path, story)


def test_a_version_that_cannot_be_read_is_not_marked_and_does_not_hide_the_history(tmp_path: Path) -> None:
    async def story(yard: Yard, _: Calendar) -> None:
        await yard.publish(asking("one"))
        yard.tamper("UPDATE version SET document = x'7b7d' WHERE plane = 'model'")
        (entry,) = (await history(yard.control, "support", None, before_seq=LATEST, limit=9)).entries
        assert entry.retired is None

    told(tmp_path, story)
