# SPDX-License-Identifier: Apache-2.0
"""One connection reads one answer after the other: never another's bytes, never more than it was asked to hold."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import pairwise
from typing import Any, Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.outgoing.connection import (
    HIGH_WATER_BYTES,
    MAX_HEAD_BYTES,
    Connection,
    ConnectionBroke,
)

WHOLE: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello"
CHUNKED: Final = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nx-b: 3\r\n\r\n"


class Line(asyncio.Transport):
    """The other end of a connection, in memory: what was sent, and whether reading is paused."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.paused = self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def abort(self) -> None:
        self.aborted = True


def connected() -> tuple[Connection, Line]:
    connection, line = Connection(lambda _gone: None), Line()
    connection.connection_made(line)
    connection.send(b"POST / HTTP/1.1\r\n\r\n", b"{}")
    return connection, line


def told(story: Callable[[], Coroutine[Any, Any, Any]]) -> Any:  # noqa: ANN401 - what the story returns
    return asyncio.run(story())


async def body(connection: Connection) -> bytes:
    await connection.head(1)
    pieces: list[bytes] = []
    while piece := await connection.piece(1):
        pieces.append(piece)
    return b"".join(pieces)


@given(st.sampled_from([WHOLE, CHUNKED]), st.lists(st.integers(0, 200), max_size=12))
def test_however_an_answer_is_cut_it_is_the_same_answer(answer: bytes, cuts: Sequence[int]) -> None:
    async def story() -> None:
        connection, _ = connected()
        places = sorted({0, len(answer), *(cut % len(answer) for cut in cuts)})
        for start, end in pairwise(places):
            connection.data_received(answer[start:end])
        assert await body(connection) == b"hello"
        assert (connection.status, connection.reusable) == (200, True)
        assert connection.headers.get("x-a") == ("1, 2" if answer is WHOLE else None)
        assert "x-b" not in connection.headers, "what trails a body is nobody's header"

    told(story)


FAULTS: Final[list[tuple[str, list[bytes], str]]] = [
    ("no HTTP at all", [b"hello\r\n\r\n"], "HTTP/1.1"),
    ("another protocol", [b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nabc"], "protocol"),
    ("two lengths", [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello"], "HTTP/1.1"),
    ("a length and chunks", [WHOLE.replace(b"X-A: 1", b"transfer-encoding: chunked")], "HTTP/1.1"),
    ("a chunk without a size", [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"], "HTTP/1.1"),
    ("a head without an end", [b"HTTP/1.1 200 OK\r\nx: ", b"y" * (MAX_HEAD_BYTES + 1)], "larger than"),
    ("headers without an end", [b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * MAX_HEAD_BYTES], "larger than"),
]


@pytest.mark.parametrize(("what", "pieces", "why"), FAULTS, ids=[row[0] for row in FAULTS])
def test_what_is_no_answer_ends_the_connection(what: str, pieces: list[bytes], why: str) -> None:
    async def story() -> None:
        connection, line = connected()
        for piece in pieces:
            connection.data_received(piece)
        with pytest.raises(ConnectionBroke, match=why):
            await body(connection)
        assert line.aborted, what
        assert not connection.reusable

    told(story)


def test_a_connection_that_ends_too_early_is_told_and_what_came_before_is_not_lost() -> None:
    async def story() -> None:
        connection, _ = connected()
        connection.data_received(WHOLE[:-2])
        connection.connection_lost(None)
        await connection.head(1)
        assert await connection.piece(1) == b"hel"
        with pytest.raises(ConnectionBroke):
            await connection.piece(1)

    told(story)


def test_a_body_without_a_length_ends_with_its_connection_and_is_not_used_again() -> None:
    async def story() -> None:
        connection, _ = connected()
        connection.data_received(b"HTTP/1.1 200 OK\r\n\r\nhel")
        connection.data_received(b"lo")
        connection.connection_lost(None)
        assert await body(connection) == b"hello"
        assert not connection.reusable

    told(story)


def test_a_reset_is_no_end_of_a_body_without_a_length() -> None:
    async def story() -> None:
        connection, _ = connected()
        connection.data_received(b"HTTP/1.1 200 OK\r\n\r\nhel")
        connection.connection_lost(ConnectionResetError())
        assert await connection.piece(1) == b"hel"
        with pytest.raises(ConnectionBroke):
            await connection.piece(1)

    told(story)


def test_notes_on_the_way_are_passed_over() -> None:
    async def story() -> None:
        connection, _ = connected()
        connection.data_received(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + WHOLE)
        assert await body(connection) == b"hello"
        assert "link" not in connection.headers

    told(story)


def test_what_follows_an_answer_is_never_the_next_ones() -> None:
    async def story() -> None:
        connection, line = connected()
        connection.data_received(WHOLE + WHOLE.replace(b"hello", b"other"))
        assert await body(connection) == b"hello"
        assert not connection.reusable
        assert line.aborted
        with pytest.raises(ConnectionBroke):
            connection.send(b"POST / HTTP/1.1\r\n\r\n", b"")

    told(story)


def test_bytes_that_come_between_two_exchanges_end_the_connection() -> None:
    async def story() -> None:
        connection, line = connected()
        connection.data_received(WHOLE)
        assert await body(connection) == b"hello"
        connection.data_received(WHOLE)
        assert line.aborted
        assert not connection.reusable

    told(story)


def test_who_takes_nothing_is_sent_no_more_than_a_bound() -> None:
    async def story() -> None:
        connection, line = connected()
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")
        sent = 0
        while not line.paused:
            connection.data_received(b"x" * 65536)
            sent += 65536
        assert sent <= HIGH_WATER_BYTES + 65536
        assert len(await connection.piece(1)) == sent
        assert not line.paused

    told(story)


@pytest.mark.parametrize("received", [b"", WHOLE[:-1]], ids=["no head", "half a body"])
def test_every_wait_has_an_end(received: bytes) -> None:
    async def story() -> None:
        connection, _ = connected()
        if received:
            connection.data_received(received)
            await connection.head(1)
            await connection.piece(1)
        with pytest.raises(TimeoutError):
            await (connection.piece(0.01) if received else connection.head(0.01))

    told(story)


def test_an_answer_whose_end_comes_at_once_leaves_its_connection_for_the_next() -> None:
    async def story() -> None:
        connection, line = connected()
        connection.data_received(CHUNKED[:-9])
        left: list[bool] = []
        connection.leave(lambda: left.append(connection.reusable))
        connection.data_received(CHUNKED[-9:])
        assert left == [True]
        connection.send(b"POST / HTTP/1.1\r\n\r\n", b"")
        connection.data_received(WHOLE)
        assert await body(connection) == b"hello"
        assert not line.aborted

    told(story)


def test_an_answer_that_goes_on_after_it_was_left_ends_the_connection() -> None:
    async def story() -> None:
        connection, line = connected()
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")
        connection.leave(lambda: None)
        connection.data_received(b"x" * (HIGH_WATER_BYTES + 1))
        assert line.aborted

    told(story)


def test_uvloops_transports_are_taken_as_they_are() -> None:
    async def story() -> None:
        class Foreign:
            sent = b""

            def write(self, data: bytes) -> None:
                self.sent += data

        connection, line = Connection(lambda _gone: None), Foreign()
        connection.connection_made(cast("asyncio.BaseTransport", line))
        connection.send(b"a", b"b")
        assert line.sent == b"ab"

    told(story)
