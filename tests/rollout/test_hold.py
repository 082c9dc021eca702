# SPDX-License-Identifier: Apache-2.0
"""Lifting a hold: by who answers for the assistant, once, with a reason; it moves nothing."""

from pathlib import Path

import pytest
from tests.rollout.yard import BEN, DREW, LOCAL, OLA, Yard, documents, in_yard, moved

from customhouse.domain.errors import HoldUnknown, NothingToDo, NotTheCaptain
from customhouse.domain.plane import Plane
from customhouse.rollout.hold import Lifting, lift

WHY = Lifting(reason="fixed upstream")


def test_a_lifted_version_may_come_back(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"))
        await yard.publish(documents("two"))
        await yard.rollback(Plane.PROMPT)
        (held,) = await yard.holds()
        for stranger in (BEN, OLA):  # on-call may roll back, and not bring back
            with pytest.raises(NotTheCaptain):
                await lift(yard.control, stranger, "trace", held.seq, WHY)
        await lift(yard.control, DREW, "trace", held.seq, WHY)
        assert await yard.generation() == 3
        with pytest.raises(NothingToDo, match="lifted before"):
            await lift(yard.control, DREW, "trace", held.seq, WHY)
        (record,) = await yard.evidence("hold.lifted")
        assert (record["hold"], record["reason"], record["version"]) == (held.seq, "fixed upstream", held.digest)
        assert moved(await yard.promote(2, "dev")).stamp == "support@2"
        with pytest.raises(HoldUnknown):
            await lift(yard.control, LOCAL, "trace", 99, WHY)

    in_yard(tmp_path, story)
