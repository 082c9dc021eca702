# SPDX-License-Identifier: Apache-2.0
"""A connection before there is a request: heads without end are cut off, and other clients do not notice."""

import socket
from pathlib import Path

from tests.gateway.running import Running, documents, running
from tests.upstream.server import Upstream

from customhouse.gateway.connection import MAX_HEAD_BYTES


def flood(gateway: Running, opening: bytes, piece: bytes) -> int:
    """Send `piece` again and again after `opening`; return how many bytes went before the connection was cut."""
    sent = 0
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as raw:
        raw.sendall(opening)
        try:
            while sent < 64 * 1024 * 1024:
                sent += raw.send(piece)
        except OSError:
            return sent
    return sent


def test_headers_without_end_are_cut_off(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url)) as gateway:
        opening = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        for piece in (b"a: b\r\n" * 1000, b"a" * 8192):
            # What the kernel's socket buffers hold on both sides comes on top of the bound.
            assert flood(gateway, opening, piece) < MAX_HEAD_BYTES + 16 * 1024 * 1024
        assert gateway.chat().status == 200


def test_a_head_below_the_bound_is_answered(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url)) as gateway:
        assert gateway.chat({"x-filler": "a" * (MAX_HEAD_BYTES - 2048)}).status == 200
