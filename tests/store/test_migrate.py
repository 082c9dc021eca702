# SPDX-License-Identifier: Apache-2.0
"""Migrations of a SQLite file; what both stores promise is asked in tests/conformance/test_migrations.py."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Thread
from typing import Final, cast

import apsw
import pytest

from customhouse.domain.errors import StoreUnavailable
from customhouse.store.migrate import migrate
from customhouse.store.migration import Migration, packaged
from customhouse.store.sqlite import open_sqlite

FIRST: Final = Migration(1, "0001_first", "CREATE TABLE shelf (name TEXT NOT NULL) STRICT;")
SECOND: Final = Migration(
    2, "0002_count", "ALTER TABLE shelf ADD COLUMN books INTEGER NOT NULL DEFAULT 0;\nUPDATE shelf SET books = 7;"
)


@contextmanager
def opened(path: Path) -> Generator[apsw.Connection]:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(5000)
    try:
        yield connection
    finally:
        connection.close()


def rows(connection: apsw.Connection, sql: str) -> list[tuple[object, ...]]:
    return cast("list[tuple[object, ...]]", connection.execute(sql).fetchall())


def test_each_step_runs_once_and_is_noted_with_its_digest(tmp_path: Path) -> None:
    with opened(tmp_path / "db") as connection:
        assert migrate(connection, (FIRST, SECOND), 17) == 2
        assert migrate(connection, (FIRST, SECOND), 18) == 0
        assert rows(connection, "SELECT number, name, digest, applied_at_us FROM schema_migration ORDER BY number") == [
            (1, "0001_first", FIRST.digest, 17),
            (2, "0002_count", SECOND.digest, 17),
        ]


def test_two_first_starts_migrate_once(tmp_path: Path) -> None:
    together, applied = Barrier(4), list[int]()

    def start() -> None:
        with opened(tmp_path / "db") as connection:
            together.wait(10)
            applied.append(migrate(connection, packaged("sqlite"), 1))

    threads = [Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(applied) == [0, 0, 0, len(packaged("sqlite"))]


def test_the_packages_steps_are_numbered_without_a_gap() -> None:
    assert [step.number for step in packaged("sqlite")] == list(range(1, len(packaged("sqlite")) + 1))
    assert packaged("sqlite")[0].name == "0001_first"


def test_a_file_that_is_no_database_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "customhouse.db"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreUnavailable, match=r"customhouse\.db cannot be opened"):
        asyncio.run(open_sqlite(path))


def test_a_newer_database_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "customhouse.db"
    with opened(path) as connection:
        migrate(connection, (*packaged("sqlite"), Migration(len(packaged("sqlite")) + 1, "9999_later", "SELECT 1;")), 1)
    with pytest.raises(StoreUnavailable, match=r"newer version"):
        asyncio.run(open_sqlite(path))
