# SPDX-License-Identifier: Apache-2.0
"""A line to PostgreSQL that can fall silent without ending, as when a firewall forgets its connections.

What is sent into it is acknowledged and goes nowhere: no keepalive and no TCP timeout shows it. New connections work.
"""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlsplit


class Line:
    """A proxy on 127.0.0.1. `silent` are the connections that were open when `fall_silent` was called."""

    def __init__(self, url: str) -> None:
        """Take the URL of a database on a socket in a directory."""
        parts = urlsplit(url)
        directory = parse_qs(parts.query)["host"][0]
        self._to = f"{directory}/.s.PGSQL.{parts.port or 5432}"
        self._name = parts.path
        self._user = parts.username or "postgres"
        self._open: set[tuple[socket.socket, socket.socket]] = set()
        self._silent: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", 0))

    @property
    def url(self) -> str:
        """Return the URL of the database behind the line."""
        return f"postgresql://{self._user}@127.0.0.1:{self._listening.getsockname()[1]}{self._name}"

    @property
    def spoken(self) -> int:
        """Return how many connections are open that are not silent."""
        return sum(near not in self._silent for near, _ in self._open)

    def fall_silent(self) -> None:
        """Let no byte through any more on the connections that are open now; none of them ends."""
        for near, far in tuple(self._open):
            self._silent |= {near, far}

    def serve(self) -> None:
        """Accept connections until `close`."""
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._to)
                self._open.add((near, far))
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def close(self) -> None:
        """End everything."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for pair in self._open:
            for each in pair:
                each.close()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while content := one.recv(65536):
                if one not in self._silent:
                    other.sendall(content)
            other.shutdown(socket.SHUT_WR)


@contextmanager
def line_to(url: str) -> Generator[Line]:
    """Run a line until the block ends."""
    line = Line(url)
    thread = threading.Thread(target=line.serve, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        line.close()
        thread.join(10)
