# SPDX-License-Identifier: Apache-2.0
"""An upstream's answer gives the same messages however it was cut, and never more than its bound is held of it."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from customhouse.dialects.mcp import message
from customhouse.dialects.mcp.events import MAX_ID_CHARACTERS, EventReader, event, primed
from customhouse.dialects.mcp.message import Call, Note, Response
from customhouse.dialects.mcp.stream import AnswerReader
from customhouse.domain.errors import UpstreamFailed

LINES = st.sampled_from(
    [
        b"data: {}",
        b"data:x",
        b"data: ",
        b"data:",
        b"data",
        b": c",
        b"event: message",
        b"event: x",
        b"id: 7",
        b"id:",
        b"",
    ]
) | st.binary(max_size=8).map(lambda content: content.replace(b"\r", b"").replace(b"\n", b""))
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
STREAMS = st.lists(st.tuples(LINES, ENDS), max_size=20).map(lambda each: b"".join(line + end for line, end in each))
CUTS = st.lists(st.integers(0, 10_000), max_size=12)


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(place % (len(stream) + 1) for place in cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(places)]


def by_the_book(stream: bytes) -> tuple[list[bytes], str | None]:
    """Return the messages that WHATWG HTML 9.2.6 finds, read in one piece, and the last id."""
    events: list[bytes] = []
    data: bytes = b""
    name, last = b"", b""
    whole = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line in whole.split(b"\n")[:-1]:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            found = data.removesuffix(b"\n")
            if found and name in {b"", b"message"}:
                events.append(found)
            data, name = b"", b""
        elif field == b"data":
            data += value + b"\n"
        elif field == b"event":
            name = value
        elif field == b"id" and b"\0" not in value:
            last = value
    return events, last.decode("utf-8", "replace") or None


@given(STREAMS, CUTS)
@example(b"\xef\xbb\xbfdata: a\r\n\r\ndata: b\r\n\r\n", [1, 8, 13, 14])
@example(b"id: 1\rdata: a\r\rdata: b\r\r", [8])
def test_events_are_the_same_however_they_were_cut(stream: bytes, cuts: list[int]) -> None:
    reader = EventReader(limit=1000)
    # A lone CR at the very end may still become a CRLF: nothing depends on it.
    found = [
        each for piece in [*cut(stream, cuts), b"\n" if stream.endswith(b"\r") else b""] for each in reader.feed(piece)
    ]
    assert (found, reader.last_id) == by_the_book(stream)


@given(st.lists(st.integers(0, 99), max_size=5), CUTS)
def test_messages_that_are_written_as_events_are_read_again(ids: list[int], cuts: list[int]) -> None:
    stream = primed("a-1", 500) + b"".join(event(message.result(each, {"x": "\r\n"}), f"a-{each}") for each in ids)
    reader = AnswerReader("text/event-stream; charset=utf-8", limit=1000)
    found = [each for piece in cut(stream, cuts) for each in reader.feed(piece)]
    assert [each.id for each in found if isinstance(each, Response)] == ids
    assert reader.end() == []
    assert (reader.last_event, reader.retry_ms) == (f"a-{ids[-1]}" if ids else "a-1", 500)


@given(CUTS)
def test_a_json_body_is_one_message_at_its_end(cuts: list[int]) -> None:
    body = message.result(1, {"content": []})
    reader = AnswerReader("application/json", limit=len(body))
    assert [each for piece in cut(body, cuts) for each in reader.feed(piece)] == []
    (found,) = reader.end()
    assert isinstance(found, Response)
    assert (reader.last_event, reader.retry_ms) == (None, None)


def test_a_stream_gives_progress_before_the_answer_and_what_the_server_asks() -> None:
    reader = AnswerReader("text/event-stream", limit=1000)
    sent = (
        event(message.notification("notifications/progress", {"progressToken": 1, "progress": 0.5}))
        + event(message.request("s-1", "sampling/createMessage", {}))
        + event(message.result(1, {}))
    )
    assert [type(each) for each in reader.feed(sent)] == [Note, Call, Response]


def test_a_stream_that_is_cut_off_gives_no_half_of_a_message() -> None:
    reader = AnswerReader("text/event-stream", limit=1000)
    assert reader.feed(event(message.result(1, {}))[:-1]) == []
    assert reader.end() == []


def test_an_answer_without_a_body_has_no_message() -> None:
    assert AnswerReader("application/json", limit=10).end() == []


@pytest.mark.parametrize("content_type", [None, "", "text/html", "application/json-seq", "application/jsonp"])
def test_an_answer_of_another_type_is_the_upstreams_failure(content_type: str | None) -> None:
    with pytest.raises(UpstreamFailed):
        AnswerReader(content_type, limit=10)


ENDLESS = [
    ("one line without an end", "text/event-stream", b"data: xxxxxxxxxxxx"),
    ("one event of many lines", "text/event-stream", b"data: xxxxxxxx\n"),
    ("one event of empty lines", "text/event-stream", b"data\n"),
    ("a body", "application/json", b"             "),
]


@pytest.mark.parametrize(("why", "content_type", "piece"), ENDLESS, ids=[each[0] for each in ENDLESS])
def test_what_never_ends_is_given_up_at_the_bound(why: str, content_type: str, piece: bytes) -> None:
    reader = AnswerReader(content_type, limit=1000)
    fed = 0

    def feed() -> None:
        nonlocal fed
        for _ in range(2000):
            reader.feed(piece)
            fed += len(piece)

    with pytest.raises(UpstreamFailed, match="larger than 1000 bytes"):
        feed()
    assert fed <= 6000, why


def test_a_million_comments_are_not_kept() -> None:
    reader = EventReader(limit=100)
    for _ in range(1000):
        assert reader.feed(b": ping\n\n" * 1000) == []


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b'{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"a":NaN}}',
        b"not found",
    ],
)
def test_what_cannot_be_read_in_one_way_is_the_upstreams_failure(body: bytes) -> None:
    reader = AnswerReader("application/json", limit=1000)
    reader.feed(body)
    with pytest.raises(UpstreamFailed):
        reader.end()
    with pytest.raises(UpstreamFailed):
        AnswerReader("text/event-stream", limit=1000).feed(event(body))


def test_an_id_and_a_pause_are_bounded() -> None:
    reader = EventReader(limit=10_000)
    reader.feed(b"retry: 99999999999999999999\nretry: soon\nid: a\0b\n")
    assert (reader.retry_ms, reader.last_id) == (60_000, None)
    with pytest.raises(UpstreamFailed):
        reader.feed(b"id: " + b"x" * (MAX_ID_CHARACTERS + 1) + b"\n")


@pytest.mark.parametrize("event_id", ["a\nb", "a\rdata: {}", "a\0", "x" * (MAX_ID_CHARACTERS + 1)])
def test_an_id_is_one_line(event_id: str) -> None:
    with pytest.raises(ValueError, match="one short line"):
        event(b"{}", event_id)
