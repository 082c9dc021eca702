# SPDX-License-Identifier: Apache-2.0
"""Bringing a PostgreSQL database's schema up to date, under an advisory lock that other starting replicas wait for.

Runs as the login role, who owns the schema; every other connection takes one of the four roles.
"""

import time
from typing import Final, LiteralString, cast

import psycopg

from customhouse.domain.errors import StoreUnavailable
from customhouse.store.migration import Migration, pending
from customhouse.store.postgres_session import CONNECT_TIMEOUT_S, reason, unreachable

MIGRATION_LOCK: Final = 7_002
OLDEST_SERVER: Final = 160_000
"""PostgreSQL 16: the first where being a member of a role and taking it are granted, and asked for, apart."""
_CREATE: Final = (
    "CREATE SCHEMA IF NOT EXISTS customhouse;"
    "CREATE TABLE IF NOT EXISTS customhouse.schema_migration (number bigint PRIMARY KEY, name text NOT NULL,"
    " digest text NOT NULL, applied_at_us bigint NOT NULL)"
)


def migrate(url: str, migrations: tuple[Migration, ...]) -> int:
    """Bring the schema up to date, all steps in one transaction; return how many were applied.

    Raises StoreUnavailable when the database cannot be reached, is too old, has a step that differs from the package's,
    or is newer than it.
    """
    try:
        connected = psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S, options="-c search_path=customhouse")
    except psycopg.Error as error:
        raise unreachable(url, None, error) from error
    try:
        with connected as connection:
            return _migrate(connection, migrations)
    except psycopg.errors.InsufficientPrivilege as error:
        raise StoreUnavailable(
            f"the schema could not be brought up to date: {reason(error)}. The login role must own the database, and "
            "may need CREATEROLE: docs/howto/postgresql-and-replicas.md"
        ) from error
    except psycopg.Error as error:  # a full disk and a timeout too: the server is there, and says what is wrong
        raise StoreUnavailable(f"the schema could not be brought up to date: {reason(error)}") from error


def require_server(url: str) -> None:
    """Connect, look at the version, and leave: before long work begins. Raises StoreUnavailable."""
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S) as connection:
            _require_version(connection)
    except psycopg.Error as error:
        raise unreachable(url, None, error) from error


def _require_version(connection: psycopg.Connection) -> None:
    major, minor = divmod(connection.info.server_version, 10_000)
    if connection.info.server_version < OLDEST_SERVER:
        raise StoreUnavailable(f"PostgreSQL 16 or newer is needed, the server is {major}.{minor}")


def _migrate(connection: psycopg.Connection, migrations: tuple[Migration, ...]) -> int:
    _require_version(connection)
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
    present = connection.execute("SELECT to_regclass('customhouse.schema_migration') IS NOT NULL").fetchone()
    if present is None or not present[0]:
        connection.execute(_CREATE)
    found = connection.execute("SELECT number, digest FROM customhouse.schema_migration").fetchall()
    missing = pending(dict(cast("list[tuple[int, str]]", found)), migrations)
    for migration in missing:
        connection.execute(cast("LiteralString", migration.sql))
        connection.execute(
            "INSERT INTO customhouse.schema_migration (number, name, digest, applied_at_us) VALUES (%s, %s, %s, %s)",
            (migration.number, migration.name, migration.digest, time.time_ns() // 1000),
        )
    return len(missing)
