# SPDX-License-Identifier: Apache-2.0
"""Random walks of releases, promotions, rollbacks and lifted holds; after every step the same things hold.

- A rollback touches the rows of the planes it names and of no other.
- Every move is exactly one generation and one entry of the history and of the ledger; a refusal is none of them.
- The history, replayed, gives the pins; the pins, verified, give the snapshot, with the same stamp.
- Nothing that is held is in force because of a later move.
"""

import tempfile
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.rollout.yard import DANA, Yard, documents, in_yard

from customhouse.domain.errors import Conflict, NotFound
from customhouse.domain.plane import PLANES, Plane
from customhouse.registry.current import Current
from customhouse.registry.status import history
from customhouse.rollout.hold import Lifting, lift


class Release(NamedTuple):
    """Release documents with this prompt and safety policy."""

    prompt: str
    safety: str


class Promote(NamedTuple):
    """Promote a release, if there is one of this number."""

    number: int


class GoBack(NamedTuple):
    """Roll planes back."""

    planes: list[Plane]


class Lift(NamedTuple):
    """Lift every hold."""


Step = Release | Promote | GoBack | Lift
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(Release, st.sampled_from("abc"), st.sampled_from("abc")),
    st.builds(Promote, st.integers(1, 6)),
    st.builds(GoBack, st.lists(st.sampled_from(PLANES), min_size=1, max_size=3, unique=True)),
    st.builds(Lift),
)


async def rows(yard: Yard) -> dict[str, tuple[object, ...]]:
    """Return the rows of pins as they are stored, by plane."""
    return {str(row[0]): row for row in yard.rows("SELECT plane, * FROM pin")}


async def walk(yard: Yard, step: Step) -> None:
    """Take one step; raises Conflict or NotFound when it is refused."""
    match step:
        case Release(prompt, safety):
            await yard.publish(documents(prompt, safety=safety))
        case Promote(number):
            await yard.promote(number, "dev")
        case GoBack(planes):
            before = await rows(yard)
            await yard.rollback(*planes)
            after = await rows(yard)
            assert {plane for plane in before if before[plane] != after[plane]} <= {plane.value for plane in planes}
        case Lift():
            for hold in await yard.holds():
                await lift(yard.control, DANA, "trace", hold.seq, Lifting(reason="fine again"))


async def check(yard: Yard, current: Current) -> None:
    """Assert what holds after every step."""
    pins = await yard.pins()
    assert pins is not None
    entries = (await history(yard.control, "support", "dev", before_seq=10**9, limit=100)).entries
    assert [entry.generation for entry in entries] == list(range(len(entries), 0, -1))
    assert await yard.generation() == len(entries) == len(await yard.evidence("pin.moved"))
    assert {plane: point.digest for plane, point in entries[0].after.items()} == pins.digests()
    await current.refresh()
    snapshot = current.get("dev", "support")
    assert snapshot is not None, current.refused
    assert (snapshot.stamp, snapshot.generation) == (entries[0].stamp, len(entries))
    assert {plane: version.digest for plane, version in snapshot.versions.items()} == pins.digests()
    assert not {(hold.plane, hold.digest) for hold in await yard.holds()} & set(pins.digests().items())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, max_size=8))
def test_a_random_walk(steps: list[Step]) -> None:
    async def story(yard: Yard) -> None:
        current = Current(yard.control)
        await yard.publish(documents("a", safety="a"))
        for step in steps:
            generation = await yard.generation()
            try:
                await walk(yard, step)
            except (Conflict, NotFound):
                assert await yard.generation() == generation
            await check(yard, current)

    with tempfile.TemporaryDirectory() as home:
        in_yard(Path(home), story)
