# SPDX-License-Identifier: Apache-2.0
"""The schema's history on both stores: once, in order, whole or not at all, whoever starts at the same time."""

import subprocess
import sys
import uuid
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import apsw
import psycopg
import pytest
from tests import postgres as servers
from tests.conformance.stores import Store

from customhouse.domain.errors import StoreUnavailable
from customhouse.store import migrate as sqlite
from customhouse.store import migrate_postgres
from customhouse.store.migration import Migration, StoreName, packaged

ROOT: Final = Path(__file__).parent.parent.parent
FIRST: Final = Migration(1, "0001_first", "CREATE TABLE shelf (name TEXT NOT NULL);")
SECOND: Final = Migration(
    2, "0002_count", "ALTER TABLE shelf ADD COLUMN books INTEGER NOT NULL DEFAULT 0;\nUPDATE shelf SET books = 7;"
)
BROKEN: Final = Migration(2, "0002_broken", "CREATE TABLE other (a TEXT);\nINSERT INTO nowhere VALUES (1);")
LANDED: Final[dict[tuple[StoreName, int], str]] = {
    ("sqlite", 1): "e67adcec39972ef11da7fb6c57167fb57aa770820f7fa16075d09ae7391cbad2",
    ("sqlite", 2): "784a50a48fb1c4f87c675baa5de8b014f919fc13e2a04e633e63a52035d49d19",
    ("sqlite", 3): "10ae9289d6f9961a1a1248ccdc85a90339f573d5da069c3fb1efe9f05eb61f1e",
    ("sqlite", 4): "7de00fc3dba4437d251700164a3998ea6c561612244ab571425ee285d28360e4",
    ("sqlite", 5): "6f9e9e52458229486e6222430c38771796ebcabe8c4db3d1280f676b41f4c56b",
    ("sqlite", 6): "dd871c57127dd3dd6ff8aa62847a9dc60dc44d6b5597db3034904eb71ffb66e0",
    ("sqlite", 7): "64288120f73f49836c42cfb077fd882f6cd23be5bc5b172d853c53f40b43f8f8",
    ("sqlite", 8): "d14e76cd7d9347c10f91c1cdd41d3e623aca6e63cd3a05ce6c8a6d7d8b54377f",
    ("sqlite", 9): "7e15ac4fb2938cc4b66fe978c242eec88579f51c8ba8b5d23777e621a91095f6",
    ("sqlite", 10): "9b0ce2d351740c5117b41db810e44870e18701a913afc7de9508c56c355f4968",
    ("postgres", 1): "9d27ba594023015319882c7b75c2a60e22343c399905173dda687a116741e54c",
    ("postgres", 2): "7da65837f22d07a15545b42dbee0faac83feca045920287ce9e75c54448d2e28",
    ("postgres", 3): "26899620cc50d286d65d0a3cc667f6b9d95f8d60d5b65bee2db3c5c82a35c0f8",
    ("postgres", 4): "2759145f6a75c915f040a03544fef57ab1eaf28c4138733b53eba0e97d27bdd5",
    ("postgres", 5): "d28be517f17751f61eb398ee227875a437525b66af470903a63cb3be5842d037",
    ("postgres", 6): "2f3e4903ea46f00087a60674ecc4bf9d9f6a9c14d25264ab6aeac420131b3930",
    ("postgres", 7): "9abfbd816dea53d95929deb06a02785e885c47b535bc0ee69f472298b0661315",
    ("postgres", 8): "95934d869f09bf7cc464624b0029fa149378f0a2b8db1cae10171fdfeb26f3cc",
}
"""Steps that installations have applied: a file that differs by one byte refuses every one of them."""


SHAPE: Final[dict[StoreName, tuple[str, ...]]] = {
    "sqlite": ("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name",),
    "postgres": (
        """SELECT table_name, ordinal_position, column_name, data_type, is_nullable, collation_name
             FROM information_schema.columns WHERE table_schema = 'customhouse' ORDER BY 1, 2""",
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'customhouse' ORDER BY 1",
        """SELECT proname, prosrc, proacl::text FROM pg_proc
            WHERE pronamespace = 'customhouse'::regnamespace ORDER BY 1""",
        """SELECT relname, relacl::text, relrowsecurity, relforcerowsecurity FROM pg_class
            WHERE relnamespace = 'customhouse'::regnamespace ORDER BY 1""",
        "SELECT tablename, policyname, roles::text, cmd, qual, with_check FROM pg_policies ORDER BY 1, 2",
    ),
}


@dataclass(frozen=True, slots=True)
class Blank:
    """A store with no schema yet."""

    store: Store

    @property
    def name(self) -> StoreName:
        """Return which store it is."""
        return "postgres" if self.store.shared else "sqlite"

    def migrate(self, *steps: Migration) -> int:
        """Bring it up to date with these steps."""
        if isinstance(self.store.place, str):
            return migrate_postgres.migrate(self.store.place, steps)
        connection = apsw.Connection(str(self.store.place))
        try:
            connection.set_busy_timeout(10_000)
            return sqlite.migrate(connection, steps, 17)
        finally:
            connection.close()

    def tables(self) -> set[str]:
        """Return the names of its tables."""
        asked = "SELECT tablename FROM pg_tables WHERE schemaname = 'customhouse'"
        return {
            str(row[0]) for row in self.store.asked(asked if self.store.shared else "SELECT name FROM sqlite_schema")
        }


@pytest.fixture(params=["sqlite", "postgres"])
def blank(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Blank]:
    """Return a store with nothing in it."""
    if request.param == "sqlite":
        yield Blank(Store(tmp_path / "customhouse.db"))
        return
    server, name = str(request.getfixturevalue("postgres_server")), f"customhouse_blank_{uuid.uuid4().hex[:12]}"
    servers.execute(server, "CREATE DATABASE {}", name)
    try:
        yield Blank(Store(servers.named(server, name)))
    finally:
        servers.execute(server, "DROP DATABASE {} WITH (FORCE)", name)


def test_each_step_runs_once_and_what_was_there_is_kept(blank: Blank) -> None:
    assert blank.migrate(FIRST) == 1
    blank.store.asked("INSERT INTO shelf (name) VALUES ('history')")
    assert [blank.migrate(FIRST, SECOND), blank.migrate(FIRST, SECOND)] == [1, 0]
    assert blank.store.asked("SELECT name, books FROM shelf") == [("history", 7)]
    noted = blank.store.asked("SELECT number, name, digest FROM schema_migration ORDER BY number")
    assert noted == [(1, "0001_first", FIRST.digest), (2, "0002_count", SECOND.digest)]


def test_edited_history_is_refused_and_nothing_is_touched(blank: Blank) -> None:
    edited = Migration(1, FIRST.name, FIRST.sql + "\nCREATE TABLE extra (a TEXT);")
    blank.migrate(FIRST)
    with pytest.raises(StoreUnavailable, match=r"0001_first was edited after it was applied: restore the file"):
        blank.migrate(edited, SECOND)
    assert blank.tables() == {"schema_migration", "shelf"}
    assert blank.migrate(FIRST, SECOND) == 1


def test_a_database_of_a_newer_version_is_refused(blank: Blank) -> None:
    blank.migrate(FIRST, SECOND)
    with pytest.raises(StoreUnavailable, match=r"migration 2, this package ends at 1.*upgrade customhouse"):
        blank.migrate(FIRST)


def test_a_step_that_fails_leaves_nothing_of_itself_or_of_those_before_it(blank: Blank) -> None:
    with pytest.raises((apsw.SQLError, StoreUnavailable)):
        blank.migrate(FIRST, BROKEN)
    assert blank.tables() == set()
    assert blank.migrate(FIRST, SECOND) == 2


def test_processes_that_start_together_migrate_once(blank: Blank) -> None:
    command = [sys.executable, "-m", "tests.conformance.migrating_child", str(blank.store.place)]
    started = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60) for process in started]
    assert [err for _, err in said if err] == []
    assert sorted(int(out) for out, _ in said) == [0, 0, len(packaged(blank.name))]


def shape(blank: Blank) -> list[Any]:
    """Return the schema as the store tells it, with everything that was granted and every function."""
    return [list(blank.store.asked(query)) for query in SHAPE[blank.name]]


def test_a_database_of_every_earlier_version_ends_as_a_new_one(blank: Blank, postgres: str, tmp_path: Path) -> None:
    steps = packaged(blank.name)
    new = Blank(Store(postgres if blank.store.shared else tmp_path / "new.db"))
    new.migrate(*steps)
    for count in range(1, len(steps) + 1):
        assert blank.migrate(*steps[:count]) == 1, "one step after the other"
    assert shape(blank) == shape(new)


@pytest.mark.parametrize(("step", "digest"), LANDED.items(), ids=str)
def test_a_step_that_landed_is_never_edited(step: tuple[StoreName, int], digest: str) -> None:
    store, number = step
    assert packaged(store)[number - 1].digest == digest, "put the difference into a later step"


def test_what_keeps_a_schema_from_being_upgraded_is_told(postgres: str) -> None:
    """Another server holds the lock for longer than this database lets anybody wait: it is reachable all the same."""
    database = urlsplit(postgres).path[1:]
    servers.execute(postgres, "ALTER DATABASE {} SET lock_timeout = '50ms'", database)
    with psycopg.connect(postgres) as other:
        other.execute("SELECT pg_advisory_xact_lock(7002)")
        with pytest.raises(StoreUnavailable, match="could not be brought up to date: canceling statement due to lock"):
            migrate_postgres.migrate(postgres, packaged("postgres"))
