# SPDX-License-Identifier: Apache-2.0
"""Server-sent events come out the same however the bytes were cut on their way."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from customhouse.dialects.sse import MAX_EVENT_BYTES, EventReader, event
from customhouse.domain.errors import UpstreamFailed

LINES = st.sampled_from(
    [
        b"data: {}",
        b"data:{}",
        b"data: ",
        b"data:",
        b"data:  two",
        b": comment",
        b"event: x",
        b"id: 7",
        b"retry: 1",
        b"data",
    ]
) | st.binary(max_size=8).map(lambda content: content.replace(b"\r", b"").replace(b"\n", b""))
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
STREAMS = st.lists(st.tuples(LINES | st.just(b""), ENDS), max_size=20).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


def fed(*pieces: bytes) -> list[bytes]:
    reader = EventReader()
    return [found for piece in pieces for found in reader.feed(piece)]


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(place % (len(stream) + 1) for place in cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(places)]


def by_the_book(stream: bytes) -> list[bytes]:
    """Return what WHATWG HTML 9.2.6 says, read in one piece."""
    events: list[bytes] = []
    data: list[bytes] = []
    whole = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line in whole.split(b"\n")[:-1]:
        name, _, value = line.partition(b":")
        if not line and data:
            events.append(b"\n".join(data))
            data = []
        elif name == b"data" and b":" in line:
            data.append(value.removeprefix(b" "))
    return events


@given(STREAMS, st.lists(st.integers(0, 10_000), max_size=12))
@example(b"data: a\r\n\r\ndata: b\r\n\r\n", [8, 9, 10])
@example(b"data: a\r\rdata: b\r\r", [8])
@example(b"event: x\ndata: data: a\n\ndata: b\n\n\ndata: c\ndata: d\n\n", [])
@example(b"event: x\ndata: a\n\nevent: y\ndata: b\n\n", [3, 9, 20])
@settings(deadline=None)
def test_however_it_is_cut(stream: bytes, cuts: list[int]) -> None:
    stream += b"\n\ndata: last\n\n"
    assert fed(*cut(stream, cuts)) == fed(stream) == by_the_book(stream)


@given(STREAMS)
@settings(deadline=None)
def test_byte_by_byte(stream: bytes) -> None:
    stream += b"\n\ndata: last\n\n"
    assert fed(*(bytes([byte]) for byte in stream)) == by_the_book(stream)


ROWS: list[tuple[str, bytes, list[bytes]]] = [
    ("line feeds", b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
    ("carriage returns with line feeds", b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
    ("carriage returns, the last of which may be half a pair", b"data: a\r\rdata: b\r\r:\r", [b"a", b"b"]),
    ("one space after the colon is no data", b"data:  a \n\n", [b" a "]),
    ("lines of one event", b"data: a\ndata: b\n\n", [b"a\nb"]),
    ("comments and other fields", b": hi\nevent: x\nid: 1\nretry: 5\ndata: a\n\n", [b"a"]),
    ("an event that has not ended", b"data: a\n", []),
    ("empty lines alone", b"\n\n\n\n", []),
    ("another case", b"Data: a\nDATA: b\n\n", []),
]


@pytest.mark.parametrize(("what", "stream", "events"), ROWS, ids=[row[0] for row in ROWS])
def test_a_stream(what: str, stream: bytes, events: list[bytes]) -> None:
    assert fed(stream) == events, what


BIG = b"x" * (MAX_EVENT_BYTES + 1)
HALF = b"x" * (MAX_EVENT_BYTES // 2 + 1)
OVER = [
    ("a line that does not end", [BIG]),
    ("a line that grows", [b"data: " + HALF, HALF]),
    ("lines of one event", [b"data: " + HALF + b"\n", b"data: " + HALF + b"\n"]),
    ("many empty lines of one event", [b"data:\n" * (MAX_EVENT_BYTES + 1)]),
    ("a whole event at once", [b"data: " + BIG + b"\n\n"]),
]


@pytest.mark.parametrize(("what", "pieces"), OVER, ids=[row[0] for row in OVER])
def test_an_event_has_a_bound(what: str, pieces: list[bytes]) -> None:
    with pytest.raises(UpstreamFailed, match=r"larger than 1 MiB"):
        fed(*pieces)
    assert what


def test_a_long_stream_of_short_events_has_none() -> None:
    reader = EventReader()
    piece = event(b"x" * 1000) * 100
    assert sum(len(reader.feed(piece)) for _ in range(30)) == 3000


@given(st.binary(max_size=50).map(lambda content: content.replace(b"\r", b"").replace(b"\n", b"")))
def test_what_is_written_is_read(data: bytes) -> None:
    assert fed(event(data)) == [data]
