# SPDX-License-Identifier: Apache-2.0
"""The connection that a work holds, so that somebody else can end it when its server says nothing any more.

Story: at 03:00 a firewall forgets every connection through it. Nothing ends: what is sent is sent again, for a quarter
of an hour, and the thread that sent it waits. With four threads waiting, a replica would look up no pins for as long,
on a database that answers everybody else.
"""

import os
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg


class Held:
    """At most one connection. Invariant: what is cut off is a connection that this work holds at that moment."""

    def __init__(self) -> None:
        """Begin with none."""
        self._connection: psycopg.Connection[Any] | None = None
        # Protects the invariant: the work gives its connection back in its thread, it is cut off from the loop's.
        self._lock = threading.Lock()
        self.was_cut = False

    @contextmanager
    def holding(self, connection: psycopg.Connection[Any]) -> Generator[None]:
        """Hold a connection until the block ends."""
        self._connection = connection
        try:
            yield
        finally:
            with self._lock:
                self._connection = None

    def cut_off(self) -> None:
        """End the line of a connection that is still held: whoever waits for an answer on it gets an error at once."""
        with self._lock:
            connection = self._connection
            if connection is None or connection.closed:
                return
            self.was_cut = True
            with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
