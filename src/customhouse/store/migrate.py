# SPDX-License-Identifier: Apache-2.0
"""Bringing a SQLite file's schema up to date, under the file's own write lock; or requiring that it is."""

from typing import cast

import apsw

from customhouse.store.migration import Migration, SchemaBehind, pending


def migrate(connection: apsw.Connection, migrations: tuple[Migration, ...], now_us: int) -> int:
    """Bring the schema up to date; return how many steps were applied.

    Raises StoreUnavailable when the database has a step that differs from the package's or is newer than it.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL,"
            " digest TEXT NOT NULL, applied_at_us INTEGER NOT NULL) STRICT"
        )
        found = connection.execute("SELECT number, digest FROM schema_migration")
        missing = pending(dict(cast("list[tuple[int, str]]", found.fetchall())), migrations)
        for migration in missing:
            connection.execute(migration.sql)
            connection.execute(
                "INSERT INTO schema_migration (number, name, digest, applied_at_us) VALUES (?, ?, ?, ?)",
                (migration.number, migration.name, migration.digest, now_us),
            )
        connection.execute("COMMIT")
    finally:
        # A disk that is full or broken has undone it already: another ROLLBACK would hide why (lang_transaction.html).
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return len(missing)


def require_current(connection: apsw.Connection, migrations: tuple[Migration, ...]) -> None:
    """Raise SchemaBehind unless the schema is up to date, and as `migrate` does; nothing is written."""
    done: dict[int, str] = {}
    if connection.table_exists("main", "schema_migration"):
        found = connection.execute("SELECT number, digest FROM schema_migration")
        done = dict(cast("list[tuple[int, str]]", found.fetchall()))
    missing = pending(done, migrations)
    if missing:
        raise SchemaBehind(
            f"the file is of an older version, its schema lacks {len(missing)} of {len(migrations)} steps: a server "
            "makes them when it starts; to look at the file as it is, use the version that wrote it"
        )
