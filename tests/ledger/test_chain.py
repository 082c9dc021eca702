# SPDX-License-Identifier: Apache-2.0
"""Whatever is done to a log, the check names the first position where it was done."""

import hashlib
from collections.abc import Iterable, Sequence

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from customhouse.ledger.chain import GENESIS, Link, leaf_hash, link_hash, verify


def chained(contents: Iterable[bytes]) -> list[Link]:
    """Return the log of these records."""
    links: list[Link] = []
    previous = GENESIS
    for position, canonical in enumerate(contents):
        leaf = leaf_hash(canonical)
        previous = link_hash(previous, leaf)
        links.append(Link(position, canonical, leaf, previous))
    return links


LOGS = st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=12).map(chained)
TWO = st.lists(st.binary(min_size=1, max_size=20), min_size=2, max_size=12, unique=True).map(chained)


def position(data: st.DataObject, links: Sequence[Link], last: int = 0) -> int:
    return data.draw(st.integers(0, len(links) - 1 - last))


@given(LOGS)
def test_a_log_as_it_was_written_is_whole(links: list[Link]) -> None:
    assert verify(links) == (len(links), links[-1].link_hash, None, None)


def test_an_empty_log_is_whole() -> None:
    assert verify([]) == (0, GENESIS, None, None)


def test_the_hashes_are_those_that_are_documented() -> None:
    leaf = hashlib.sha256(b"\x00{}").digest()
    assert leaf_hash(b"{}") == leaf
    assert link_hash(bytes(32), leaf) == hashlib.sha256(b"\x02" + bytes(32) + leaf).digest()


@given(LOGS, st.data())
@settings(deadline=None)
def test_a_changed_record_is_found(links: list[Link], data: st.DataObject) -> None:
    at, content = position(data, links), data.draw(st.binary(max_size=20))
    assume(content != links[at].canonical)
    assert verify([*links[:at], links[at]._replace(canonical=content), *links[at + 1 :]]).broken_at == at


@given(LOGS, st.data())
@settings(deadline=None)
def test_a_changed_record_with_a_matching_leaf_hash_is_found(links: list[Link], data: st.DataObject) -> None:
    at, content = position(data, links), data.draw(st.binary(max_size=20))
    assume(content != links[at].canonical)
    forged = links[at]._replace(canonical=content, leaf_hash=leaf_hash(content))
    assert verify([*links[:at], forged, *links[at + 1 :]]).broken_at == at


@given(TWO, st.data())
@settings(deadline=None)
def test_a_record_that_was_linked_anew_is_found_at_the_next_one(links: list[Link], data: st.DataObject) -> None:
    at, content = position(data, links, last=1), data.draw(st.binary(max_size=20))
    assume(content != links[at].canonical)
    before = links[at - 1].link_hash if at else GENESIS
    forged = Link(at, content, leaf_hash(content), link_hash(before, leaf_hash(content)))
    assert verify([*links[:at], forged, *links[at + 1 :]]).broken_at == at + 1


@given(LOGS, st.data())
@settings(deadline=None)
def test_a_flipped_bit_of_a_hash_is_found(links: list[Link], data: st.DataObject) -> None:
    at, bit = position(data, links), data.draw(st.integers(0, 255))
    name = data.draw(st.sampled_from(["leaf_hash", "link_hash"]))
    value = bytearray(getattr(links[at], name))
    value[bit // 8] ^= 1 << bit % 8
    forged = links[at]._replace(**{name: bytes(value)})
    assert verify([*links[:at], forged, *links[at + 1 :]]).broken_at == at


@given(TWO, st.data())
@settings(deadline=None)
def test_a_removed_record_is_found(links: list[Link], data: st.DataObject) -> None:
    at = position(data, links, last=1)
    assert verify([*links[:at], *links[at + 1 :]]).broken_at == at
    closed = [link._replace(position=number) for number, link in enumerate([*links[:at], *links[at + 1 :]])]
    assert verify(closed).broken_at == at


@given(LOGS)
def test_a_log_cut_at_its_end_is_shorter_than_its_head_says(links: list[Link]) -> None:
    cut = verify(links[:-1])
    assert cut.broken_at is None
    assert (cut.size, cut.hash) != (len(links), links[-1].link_hash)


@given(TWO, st.data())
@settings(deadline=None)
def test_swapped_records_are_found(links: list[Link], data: st.DataObject) -> None:
    one = position(data, links, last=1)
    other = data.draw(st.integers(one + 1, len(links) - 1))
    swapped = list(links)
    swapped[one], swapped[other] = links[other], links[one]
    assert verify(swapped).broken_at == one
    numbered = [link._replace(position=number) for number, link in enumerate(swapped)]
    assert verify(numbered).broken_at == one


@given(LOGS, st.data(), st.binary(max_size=20))
@settings(deadline=None)
def test_an_inserted_record_is_found(links: list[Link], data: st.DataObject, content: bytes) -> None:
    at = position(data, links)
    before = links[at - 1].link_hash if at else GENESIS
    assume(content != links[at].canonical)
    inserted = Link(at, content, leaf_hash(content), link_hash(before, leaf_hash(content)))
    longer = [*links[:at], inserted, *(link._replace(position=link.position + 1) for link in links[at:])]
    assert verify(longer).broken_at == at + 1
    assert verify([*links[:at], inserted, *links[at:]]).broken_at == at + 1
