# SPDX-License-Identifier: Apache-2.0
"""A pooler between us and PostgreSQL drops the options by which a connection takes its role.

Story: PgBouncer refuses clients that send options. Somebody adds `ignore_startup_parameters = options`, and connections
work again: as the login role, whom row security lets through where he is a superuser. Such a connection is not used.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest

from customhouse.domain.errors import StoreUnavailable
from customhouse.store.postgres import open_postgres

HEAD: Final = 8
"""Bytes of a start-up message before its names and values: its length, the protocol's version."""


@pytest.mark.slow
def test_a_connection_that_did_not_take_its_role_is_not_used(postgres: str) -> None:
    with pooler(postgres, dropping="nothing") as url:
        opened(url)
    with pooler(postgres, dropping="options") as url, pytest.raises(StoreUnavailable, match="start-up options"):
        opened(url)


def opened(url: str) -> None:
    async def main() -> None:
        await (await open_postgres(url, "gateway")).close()

    asyncio.run(main())


@contextmanager
def pooler(url: str, *, dropping: str) -> Generator[str]:
    """Stand between clients and the server, and leave a start-up parameter out; give the URL of the place."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        worker = threading.Thread(target=_accept, args=(listener, url, dropping), daemon=True)
        worker.start()
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0] or "postgres"
        port = listener.getsockname()[1]
        try:
            yield f"postgresql://{login}@127.0.0.1:{port}{parts.path}?sslmode=disable&gssencmode=disable"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            worker.join(10)


def _accept(listener: socket.socket, url: str, dropping: str) -> None:
    relays: list[threading.Thread] = []
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = _server(url)
            server.sendall(_without(_startup(client), dropping.encode()))
            for source, target in ((client, server), (server, client)):
                relay = threading.Thread(target=_relay, args=(source, target), daemon=True)
                relay.start()
                relays.append(relay)
    for relay in relays:
        relay.join(10)


def _server(url: str) -> socket.socket:
    parts = urlsplit(url)
    host = parse_qs(parts.query).get("host", [parts.hostname or "127.0.0.1"])[0]
    if host.startswith("/"):
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{parts.port or 5432}")
        return server
    return socket.create_connection((host, parts.port or 5432))


def _startup(client: socket.socket) -> bytes:
    """Read a client's first message: length, protocol version, then names and values, each ended by a zero byte."""
    (length,) = struct.unpack("!I", _exactly(client, 4))
    return struct.pack("!I", length) + _exactly(client, length - 4)


def _without(message: bytes, dropping: bytes) -> bytes:
    words = message[HEAD:].rstrip(b"\0").split(b"\0")
    kept = [pair for pair in zip(words[::2], words[1::2], strict=True) if pair[0] != dropping]
    body = message[4:HEAD] + b"".join(b"%s\0%s\0" % pair for pair in kept) + b"\0"
    return struct.pack("!I", len(body) + 4) + body


def _exactly(source: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count and (part := source.recv(count - len(found))):
        found += part
    return found


def _relay(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while content := source.recv(65536):
            target.sendall(content)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
    source.close()
