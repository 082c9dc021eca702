# SPDX-License-Identifier: Apache-2.0
"""Moves of pins: moving one plane never changes another, stamps name what is overridden, held versions stay away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.domain.digest import Digest
from customhouse.domain.plane import PLANES, Plane
from customhouse.registry.pins import (
    Carried,
    Held,
    Pins,
    changed,
    earlier,
    moved,
    promoted,
    refused_by_holds,
    stamp,
    supersets,
)


def release(number: int, **letters: str) -> Carried:
    """Return a release that carries the version `a` of each plane, unless another letter is given."""
    return Carried(number, {plane: Digest(f"{plane}:{letters.get(plane, 'a')}") for plane in PLANES})


LETTERS = st.fixed_dictionaries({plane.value: st.sampled_from("abc") for plane in PLANES})
RELEASES = st.lists(LETTERS, min_size=1, max_size=6).map(
    lambda each: tuple(release(number, **letters) for number, letters in enumerate(each, 1))
)
SOME_PLANES = st.lists(st.sampled_from(PLANES), min_size=1, max_size=5, unique=True).map(tuple)
MOVES = st.lists(st.tuples(SOME_PLANES, st.integers(0, 5)), max_size=8)


def walked(releases: tuple[Carried, ...], moves: list[tuple[tuple[Plane, ...], int]]) -> Pins:
    """Return pins after a first promotion and any moves."""
    pins = promoted(releases[-1])
    for planes, index in moves:
        pins = moved(pins, planes, releases[index % len(releases)])
    return pins


@given(RELEASES, MOVES, SOME_PLANES, st.integers(0, 5))
def test_moving_some_planes_leaves_every_other_pin_as_it_was(
    releases: tuple[Carried, ...], moves: list[tuple[tuple[Plane, ...], int]], planes: tuple[Plane, ...], index: int
) -> None:
    before = walked(releases, moves)
    target = releases[index % len(releases)]
    after = moved(before, planes, target)
    assert after.base == before.base
    for plane in PLANES:
        if plane in planes:
            assert after.planes[plane].digest == target.digests[plane]
        else:
            assert after.planes[plane] == before.planes[plane]


@given(RELEASES, MOVES)
def test_every_pin_is_named_by_the_release_it_says(
    releases: tuple[Carried, ...], moves: list[tuple[tuple[Plane, ...], int]]
) -> None:
    by_number = {each.number: each for each in releases}
    pins = walked(releases, moves)
    for plane in PLANES:
        assert by_number[pins.planes[plane].release_number].digests[plane] == pins.planes[plane].digest


@given(RELEASES, MOVES, SOME_PLANES, st.sets(st.tuples(st.sampled_from(PLANES), st.sampled_from("abc"))))
def test_a_way_back_is_earlier_differs_and_is_not_held(
    releases: tuple[Carried, ...],
    moves: list[tuple[tuple[Plane, ...], int]],
    planes: tuple[Plane, ...],
    letters: set[tuple[Plane, str]],
) -> None:
    pins = walked(releases, moves)
    held: Held = frozenset((plane, Digest(f"{plane}:{letter}")) for plane, letter in letters)
    found = earlier(pins, planes, reversed(releases), held)
    if found is None:
        return
    after = moved(pins, planes, found)
    assert all(found.number < pins.planes[plane].release_number for plane in planes)
    assert changed(pins, after)
    assert not any((plane, after.planes[plane].digest) in held for plane in changed(pins, after))


BASE = promoted(release(41, prompt="d", tools="d"))


@pytest.mark.parametrize(
    ("pins", "expected", "why"),
    [
        (BASE, "support@41", "everything comes from one release"),
        (moved(BASE, (Plane.PROMPT,), release(38, prompt="c")), "support@41+prompt@38", "one override"),
        (
            moved(BASE, (Plane.TOOLS, Plane.PROMPT), release(38, prompt="c", tools="c")),
            "support@41+prompt@38+tools@38",
            "in the order of the planes, not of the command",
        ),
        (moved(BASE, (Plane.MODEL,), release(38)), "support@41", "the same version is no override"),
        (
            moved(moved(BASE, (Plane.PROMPT,), release(38, prompt="c")), (Plane.PROMPT,), release(41, prompt="d")),
            "support@41",
            "back on the base, nothing is overridden",
        ),
    ],
)
def test_stamp(pins: Pins, expected: str, why: str) -> None:
    assert stamp("support", pins) == expected, why


def test_a_version_in_use_is_not_put_back_so_its_hold_does_not_matter() -> None:
    held: Held = frozenset({(Plane.PROMPT, BASE.planes[Plane.PROMPT].digest)})
    assert refused_by_holds(BASE, moved(BASE, (Plane.TOOLS,), release(1)), held) == ()
    assert refused_by_holds(None, BASE, held) == (Plane.PROMPT,)


def test_supersets_are_larger_smallest_first_and_complete() -> None:
    found = supersets((Plane.PROMPT,))
    assert len(found) == 15
    assert [len(planes) for planes in found] == sorted(len(planes) for planes in found)
    assert all(Plane.PROMPT in planes for planes in found)
    assert found[0] == (Plane.MODEL, Plane.PROMPT)
    assert supersets(PLANES) == ()
