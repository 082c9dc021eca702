# SPDX-License-Identifier: Apache-2.0
"""Take the database away from a running gateway, as happens: a lock that somebody holds, connections that are cut."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import apsw
import psycopg
from tests.postgres import execute


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Keep a SQLite file from taking anything: another connection holds its write lock."""
    other = apsw.Connection(str(path))
    other.set_busy_timeout(5000)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextmanager
def cut_off(database: str, server: str) -> Generator[None]:
    """Refuse and cut every connection to a PostgreSQL database; `server` is the URL of another one on that server."""
    name = urlsplit(database).path.removeprefix("/")
    execute(server, "ALTER DATABASE {} ALLOW_CONNECTIONS false", name)
    try:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        yield
    finally:
        execute(server, "ALTER DATABASE {} ALLOW_CONNECTIONS true", name)
