# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server to measure: the wheel's, on disk, with fsync and its own defaults, its CPU counted."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, LiteralString, cast

import psycopg
from benchmarks.postgres_server import PostgresServer, postgres_server
from psycopg import sql
from tests.postgres import execute, named

from customhouse.store.migrate_postgres import migrate
from customhouse.store.migration import packaged

NAME: Final = "customhouse_benchmark"
SHOWN: Final = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, and the URL of its database with the current schema."""

    url: str
    running: PostgresServer

    @property
    def pid(self) -> int:
        """Return the process whose tree is PostgreSQL."""
        if self.running.process is None:
            raise RuntimeError("the server was stopped")
        return self.running.process.pid

    def asked(self, query: LiteralString) -> list[tuple[Any, ...]]:
        """Run a query as the superuser, whom row security lets through."""
        with psycopg.connect(self.url, autocommit=True, options="-c search_path=customhouse") as connection:
            return connection.execute(query).fetchall()

    def settings(self) -> dict[str, str]:
        """Return what a reader must know of the server."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            rows = connection.execute("SELECT name, current_setting(name) FROM pg_settings").fetchall()
        found = cast("dict[str, str]", dict(rows))
        return {name: found[name] for name in SHOWN}


@contextmanager
def postgres(settings: Mapping[str, str] | None = None) -> Generator[Server]:
    """Run a server on disk until the block ends; its data is deleted then.

    `settings` are those that a running server takes; nothing that weakens durability belongs there.
    """
    with postgres_server() as running:
        with psycopg.connect(running.url, autocommit=True) as connection:
            for name, value in (settings or {}).items():
                connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), value))
            connection.execute("SELECT pg_reload_conf()")
        execute(running.url, "CREATE DATABASE {}", NAME)
        migrate(named(running.url, NAME), packaged("postgres"))
        yield Server(named(running.url, NAME), running)
