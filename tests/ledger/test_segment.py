# SPDX-License-Identifier: Apache-2.0
"""The bytes of a spool segment: what was packed comes back, and every change to them is noticed."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ledger.book import record

from customhouse.ledger import segment
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import Record, encode
from customhouse.ledger.segment import Frame, SegmentBroken
from customhouse.vault.seal import Sealed

KEY: Final = bytes(32)
TEXT: Final = st.text(max_size=20)


def traced(trace_id: str) -> Record:
    return record(trace_id=trace_id)


ENTRIES: Final = st.builds(
    Entry,
    st.builds(traced, TEXT),
    st.lists(st.builds(Sealed, TEXT, TEXT, st.binary(max_size=60)), max_size=2).map(tuple),
    st.lists(TEXT, max_size=2).map(tuple),
    st.booleans(),
    st.none() | TEXT,
)


def written(entries: list[Entry], key: bytes = KEY) -> tuple[bytes, bytes]:
    """Return a segment's bytes and the mac of its last entry."""
    content = segment.header(key, 1, 0, bytes(32))
    for entry in entries:
        content += segment.frame(key, content[-32:], segment.pack(entry, encode(entry.record), 7))
    return content, content[-32:]


def bodies(content: bytes, last: bytes | None, key: bytes = KEY) -> list[bytes]:
    start = Frame(b"", segment.read_header(key, content).mac, segment.HEADER_BYTES)
    return [frame.body for frame in segment.frames(key, content, start, last)]


@given(st.lists(ENTRIES, max_size=4))
def test_what_was_packed_comes_back(entries: list[Entry]) -> None:
    content, last = written(entries)
    found = [segment.unpack(body) for body in bodies(content + bytes(64), last)]
    assert found == [(entry, encode(entry.record), 7) for entry in entries]


@given(st.lists(ENTRIES, min_size=1, max_size=2), st.data())
def test_every_cut_and_every_flipped_bit_is_noticed(entries: list[Entry], data: st.DataObject) -> None:
    content, last = written(entries)
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    place = data.draw(st.integers(0, len(content) * 8 - 1))
    flipped = bytearray(content)
    flipped[place // 8] ^= 1 << place % 8
    for altered in (cut, bytes(flipped)):
        # Beyond the end stand the zeros of a reserved file, or nothing at all.
        for tail in (b"", bytes(segment.HEADER_BYTES)):
            with pytest.raises(SegmentBroken):
                bodies(altered + tail, last)


def test_every_single_bit_of_a_small_segment() -> None:
    content, last = written([Entry(record())])
    for place in range(len(content) * 8):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(SegmentBroken):
            bodies(bytes(flipped) + bytes(64), last)


def test_a_segment_whose_end_nobody_remembers_is_read_as_far_as_its_chain_goes() -> None:
    content, _ = written([Entry(record()), Entry(record()), Entry(record())])
    assert len(bodies(content + bytes(64), None)) == 3
    assert len(bodies(content[:-1], None)) == 2


def test_frames_of_another_key_or_in_another_order_are_refused() -> None:
    one, two = (segment.pack(Entry(made), encode(made), 0) for made in (record(), record()))
    head = segment.header(KEY, 1, 0, bytes(32))
    first = segment.frame(KEY, head[-32:], one)
    second = segment.frame(KEY, first[-32:], two)
    assert bodies(head + first + second, second[-32:]) == [one, two]
    for content, last in ((head + second + first, first[-32:]), (head + second, second[-32:])):
        with pytest.raises(SegmentBroken):
            bodies(content, last)
    with pytest.raises(SegmentBroken):
        bodies(head + first, first[-32:], key=bytes(31) + b"\x01")


def test_a_body_that_holds_no_entry_is_refused() -> None:
    with pytest.raises(SegmentBroken):
        segment.unpack(b"\x93\x01\x02\x03")


def test_a_length_that_no_entry_has_is_refused() -> None:
    content = segment.header(KEY, 1, 0, bytes(32)) + b"\xff\xff\xff\xff" + bytes(100)
    with pytest.raises(SegmentBroken):
        bodies(content, bytes(32))
