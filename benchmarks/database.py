# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server to measure: the wheel's, on disk, with fsync and its own defaults, its CPU counted."""

import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, LiteralString, cast

import psycopg
from benchmarks.measure import RESULTS
from psycopg import sql
from tests.postgres import embedded, execute, named

from customhouse.store.migrate_postgres import migrate
from customhouse.store.migration import packaged

NAME: Final = "customhouse_benchmark"
SHOWN: Final = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: the URL of a database with the current schema, and the process whose tree is PostgreSQL."""

    url: str
    pid: int

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
def postgres(parent: Path = RESULTS, settings: Mapping[str, str] | None = None) -> Generator[Server]:
    """Run a server below `parent` until the block ends; its data is deleted then.

    `settings` are those that a running server takes; nothing that weakens durability belongs there.
    """
    parent.mkdir(parents=True, exist_ok=True)
    data = Path(tempfile.mkdtemp(prefix="postgres-", dir=parent))
    try:
        with embedded(data) as url:
            with psycopg.connect(url, autocommit=True) as connection:
                for name, value in (settings or {}).items():
                    connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), value))
                connection.execute("SELECT pg_reload_conf()")
            execute(url, "CREATE DATABASE {}", NAME)
            migrate(named(url, NAME), packaged("postgres"))
            yield Server(named(url, NAME), int((data / "postmaster.pid").read_text().split()[0]))
    finally:
        shutil.rmtree(data, ignore_errors=True)
