# SPDX-License-Identifier: Apache-2.0
"""Numbered migrations: applied in order, once, under the database's own write lock; edited history is refused.

Story: Dana edits 0001 after it ran in production. At the next start the digest recorded there differs from the file's,
and the server refuses to touch the data until the file is what it was.
"""

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import cast

import apsw

from customhouse.domain.errors import StoreUnavailable


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema's history."""

    number: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the file's text, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def packaged() -> tuple[Migration, ...]:
    """Return the package's migrations in order; a gap in the numbers is a mistake in the package (ValueError)."""
    files = sorted(
        (entry for entry in resources.files("customhouse.store").joinpath("migrations").iterdir()),
        key=lambda entry: entry.name,
    )
    found = tuple(
        Migration(int(entry.name[:4]), entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8"))
        for entry in files
        if entry.name.endswith(".sql")
    )
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations are not numbered 1 to {len(found)} without a gap")
    return found


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
        done = dict(cast("list[tuple[int, str]]", found.fetchall()))
        _refuse_other_history(done, migrations)
        pending = [migration for migration in migrations if migration.number not in done]
        for migration in pending:
            connection.execute(migration.sql)
            connection.execute(
                "INSERT INTO schema_migration (number, name, digest, applied_at_us) VALUES (?, ?, ?, ?)",
                (migration.number, migration.name, migration.digest, now_us),
            )
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return len(pending)


def _refuse_other_history(done: dict[int, str], migrations: tuple[Migration, ...]) -> None:
    known = {migration.number: migration for migration in migrations}
    for number, digest in sorted(done.items()):
        if number not in known:
            raise StoreUnavailable(
                f"the database has migration {number}, this package ends at {len(migrations)}: "
                "it was written by a newer version; upgrade customhouse"
            )
        if known[number].digest != digest:
            raise StoreUnavailable(
                f"migration {known[number].name} was edited after it was applied: restore the file as it was released"
            )
