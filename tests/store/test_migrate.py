# SPDX-License-Identifier: Apache-2.0
"""Migrations of a SQLite file; what both stores promise is asked in tests/conformance/test_migrations.py."""

import asyncio
import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Thread
from typing import Final, cast

import apsw
import pytest
from click.testing import CliRunner

from customhouse.cli.main import customhouse
from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import StoreUnavailable
from customhouse.settings import Settings
from customhouse.store.migrate import migrate
from customhouse.store.migration import Migration, packaged
from customhouse.store.sqlite import open_sqlite
from customhouse.vault.keyring import root_key
from customhouse.vault.sign import open_release_key

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


def test_who_only_looks_at_a_file_of_an_older_version_changes_nothing(home: Path) -> None:
    home.mkdir(mode=0o700)
    path = home / "customhouse.db"
    path.touch(mode=0o600)
    with opened(path) as connection:
        migrate(connection, packaged("sqlite")[:1], 17)
    settings = Settings(home=str(home))
    root_key(settings.keys_path, SystemClock())
    open_release_key(settings.keys_path)
    looked = CliRunner().invoke(customhouse, ["--home", str(home), "fsck"])
    assert looked.exit_code == 1
    steps = len(packaged("sqlite"))
    assert f"the file is of an older version, its schema lacks {steps - 1} of {steps} steps" in looked.output
    seen = json.loads(CliRunner().invoke(customhouse, ["--local", "--home", str(home), "doctor", "--json"]).stdout)
    assert [(each["check"], each["state"]) for each in seen["findings"] if each["check"] == "schema"] == [
        ("schema", "warn")
    ]
    with opened(path) as connection:
        assert rows(connection, "SELECT number FROM schema_migration") == [(1,)]
