# SPDX-License-Identifier: Apache-2.0
"""Records of an older file are copied into ordinary rows: all of them, byte for byte, or the file stays as it was."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

import apsw
import pytest
from tests.store.faulty_vfs import NAME, faulty_vfs

from customhouse.domain.errors import StoreUnavailable
from customhouse.store.migrate import migrate
from customhouse.store.migration import packaged
from customhouse.store.sqlite import open_sqlite

BEFORE, STEP = packaged("sqlite")[:6], packaged("sqlite")[6]
SIZES: Final = (1, 700, 1100, 4100, 8192)
"""Bytes of records: whole pages are 4096, a record has at most 8192."""
ALL: Final = "SELECT * FROM evidence ORDER BY tenant_id, position"


def older(path: Path) -> apsw.Connection:
    """Return a file of the version before, with logs whose traces overlap as turns do."""
    connection = apsw.Connection(str(path))
    migrate(connection, BEFORE, 17)
    with connection:
        for tenant in ("bolt", "acme"):
            for position in range(300):
                canonical = (f"{position} {tenant} ".encode() + b"\xff" * 8192)[: SIZES[position % len(SIZES)]]
                trace_id = f"019ab000-0000-7000-8000-{position // 4 + position % 2:012d}"
                row = (tenant, position, f"id-{position}", trace_id, "model.called", canonical, b"\x07" * 32, b"\x00")
                connection.execute("INSERT INTO evidence VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    return connection


def rows(connection: apsw.Connection, sql: str = ALL) -> list[tuple[object, ...]]:
    """Return what a query gives."""
    return cast("list[tuple[object, ...]]", connection.execute(sql).fetchall())


def test_every_record_is_copied_byte_for_byte(tmp_path: Path) -> None:
    connection = older(tmp_path / "db")
    before = rows(connection)
    assert migrate(connection, (*BEFORE, STEP), 18) == 1
    assert rows(connection) == before
    assert len(before) == 600
    assert rows(connection, "PRAGMA integrity_check") == [("ok",)]
    assert rows(connection, "SELECT DISTINCT tbl_name FROM sqlite_schema WHERE sql LIKE '%leaf_hash%'") == [
        ("evidence",)
    ]
    connection.close()


def test_two_records_at_one_place_are_still_refused(tmp_path: Path) -> None:
    connection = older(tmp_path / "db")
    migrate(connection, (*BEFORE, STEP), 18)
    with pytest.raises(
        apsw.ConstraintError, match=r"UNIQUE constraint failed: evidence\.tenant_id, evidence\.position"
    ):
        connection.execute("INSERT INTO evidence SELECT * FROM evidence WHERE position = 7")
    connection.close()


@pytest.mark.parametrize(
    "careless",
    [
        ("FROM evidence_before ORDER", "FROM evidence_before WHERE position <> 299 ORDER"),
        ("kind, canonical, leaf_hash, link_hash FROM", "kind, substr(canonical, 1, 4096), leaf_hash, link_hash FROM"),
        ("kind, canonical, leaf_hash, link_hash FROM", "kind, canonical, link_hash, leaf_hash FROM"),
    ],
    ids=["the last of each log is forgotten", "one is cut short", "hashes change places"],
)
def test_a_copy_that_lacks_anything_stops_the_upgrade_and_changes_nothing(
    tmp_path: Path, careless: tuple[str, str]
) -> None:
    connection = older(tmp_path / "db")
    before, schema = rows(connection), rows(connection, "SELECT name, sql FROM sqlite_schema ORDER BY name")
    assert careless[0] in STEP.sql
    with pytest.raises(apsw.ConstraintError, match="CHECK constraint failed: records = 0"):
        migrate(connection, (*BEFORE, replace(STEP, sql=STEP.sql.replace(*careless))), 18)
    assert rows(connection) == before
    assert rows(connection, "SELECT name, sql FROM sqlite_schema ORDER BY name") == schema
    connection.close()


@pytest.mark.parametrize("fault", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("after", [0, 40, 400])
def test_a_disk_that_fails_meanwhile_leaves_the_file_as_it_was(tmp_path: Path, fault: str, after: int) -> None:
    path = tmp_path / "db"
    connection = older(path)
    connection.execute("PRAGMA journal_mode = WAL")
    before = rows(connection)
    connection.close()

    async def opened(vfs: str) -> None:
        await (await open_sqlite(path, vfs)).close()

    with faulty_vfs() as faults:
        faults.fault, faults.after = fault, after
        with pytest.raises(StoreUnavailable, match=fault):
            asyncio.run(opened(NAME))
        assert faults.met > 0
        faults.fault = None
        left = apsw.Connection(str(path))
        assert rows(left) == before
        assert rows(left, "SELECT MAX(number) FROM schema_migration") == [(len(BEFORE),)]
        left.close()
        asyncio.run(opened(NAME))
    after_all = apsw.Connection(str(path))
    assert rows(after_all) == before
    assert rows(after_all, "SELECT MAX(number) FROM schema_migration") == [(len(packaged("sqlite")),)]
    after_all.close()
