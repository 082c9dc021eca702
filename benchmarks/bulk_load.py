# SPDX-License-Identifier: Apache-2.0
"""Fills a store with records by the million, past its ledger: COPY on PostgreSQL, executemany on SQLite.

Tables are filled first and indexed after; what comes out is the schema of the migrations, row security included. Only
who owns the database can do this: no role of a server may.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import apsw
import psycopg
from benchmarks.bulk_records import Bulk, Row, Turn
from benchmarks.measure import ROOT
from psycopg import sql

from customhouse.ledger import partition

LINES: Final = 4000
"""Rows handed to the store at once."""
_DAY_FIRST: Final = (
    "CREATE TABLE {day} (LIKE evidence INCLUDING DEFAULTS)",
    "ALTER TABLE {day} SET (autovacuum_enabled = false)",
)
_DAY_LAST: Final = (
    "ALTER TABLE {day} ADD PRIMARY KEY (tenant_id, trace_id, position)",
    "CREATE INDEX ON {day} (tenant_id, position)",
    "ALTER TABLE {day} ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE {day} FORCE ROW LEVEL SECURITY",
    "ALTER TABLE {day} RESET (autovacuum_enabled)",
    "ANALYZE {day}",
    "ALTER TABLE evidence ATTACH PARTITION {day} FOR VALUES FROM ({first}) TO ({last})",
)


@dataclass(slots=True)
class Loaded:
    """What was loaded: how many records, where each chain stands, and one id of each kind of some turns."""

    records: int = 0
    heads: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    samples: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def note(self, turn: Turn, every: int) -> None:
        """Count a turn, and keep the ids of one in `every`."""
        self.records += len(turn.rows)
        if self.records // every != (self.records - len(turn.rows)) // every:
            self.samples.append(turn.ids)

    def finish(self, bulk: Bulk) -> None:
        """Keep where the chains stand."""
        self.heads = {tenant: (size, link.hex()) for tenant, (size, link) in bulk.heads.items()}


def copy_days(url: str, bulk: Bulk, days: Sequence[int], records: int, every: int) -> Loaded:
    """Fill the tables of days with a share of the records; one process of several, each with tenants of its own."""
    loaded = Loaded()
    with (
        psycopg.connect(url, options="-c search_path=customhouse") as rows,
        psycopg.connect(url, options="-c search_path=customhouse") as names,
    ):
        for day in days:
            place = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(_table(day)))
            with (
                rows.cursor() as one,
                names.cursor() as two,
                one.copy(place) as evidence,
                two.copy("COPY reference FROM STDIN") as reference,
            ):
                lines, named = list[str](), list[str]()
                for turn in bulk.day(day, records // len(days)):
                    loaded.note(turn, every)
                    lines += map(_line, turn.rows)
                    first = turn.rows[0]
                    named += (f"{first.tenant}\t{name}\t{first.trace_id}\n" for name in turn.names)
                    if len(lines) >= LINES:
                        evidence.write("".join(lines))
                        reference.write("".join(named))
                        lines, named = [], []
                evidence.write("".join(lines))
                reference.write("".join(named))
            rows.commit()
            names.commit()
    loaded.finish(bulk)
    return loaded


def fill_postgres(url: str, days: Sequence[int], worker: Callable[[int], list[str]], workers: int) -> Loaded:
    """Fill PostgreSQL by so many processes (`worker` gives each one's command), then index and attach."""
    for day in days:
        _run(url, _DAY_FIRST, day)
    _run(url, ("ALTER TABLE reference DROP CONSTRAINT reference_pkey",))
    running = [
        subprocess.Popen([sys.executable, *worker(number)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for number in range(workers)
    ]
    loaded = Loaded()
    for process in running:
        said, _ = process.communicate()
        if process.returncode:
            raise RuntimeError("a process that loads records failed")
        part = Loaded(**json.loads(said))
        loaded.records += part.records
        loaded.heads |= part.heads
        loaded.samples += part.samples
    with ThreadPoolExecutor(workers) as pool:
        indexed = pool.submit(_run, url, ("ALTER TABLE reference ADD PRIMARY KEY (tenant_id, name, trace_id)",))
        attached = [pool.submit(_run, url, _DAY_LAST, day) for day in days]
        for each in (*attached, indexed):
            each.result()
    with psycopg.connect(url, options="-c search_path=customhouse", autocommit=True) as connection:
        connection.cursor().executemany(
            "INSERT INTO chain_head (tenant_id, size, hash) VALUES (%s, %s, %s)",
            [(tenant, size, bytes.fromhex(link)) for tenant, (size, link) in loaded.heads.items()],
        )
        connection.execute("ANALYZE")
    return loaded


def fill_sqlite(path: Path, bulk: Bulk, days: Sequence[int], records: int, every: int) -> Loaded:
    """Fill a SQLite file that nobody else has open."""
    loaded = Loaded()
    connection = apsw.Connection(str(path))
    for statement in (
        "PRAGMA journal_mode = OFF",
        "PRAGMA synchronous = OFF",
        "PRAGMA cache_size = -1000000",
        "PRAGMA temp_store = FILE",
        "DROP INDEX evidence_trace",
        "CREATE TEMP TABLE named (tenant_id TEXT, name TEXT, trace_id TEXT)",
    ):
        connection.execute(statement)
    for day in days:
        with connection:
            for turns in _batches(bulk.day(day, records // len(days))):
                for turn in turns:
                    loaded.note(turn, every)
                connection.executemany(
                    "INSERT INTO evidence VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (row for turn in turns for row in turn.rows)
                )
                connection.executemany(
                    "INSERT INTO named VALUES (?, ?, ?)",
                    ((turn.rows[0].tenant, name, turn.rows[0].trace_id) for turn in turns for name in turn.names),
                )
    loaded.finish(bulk)
    heads = [(tenant, size, bytes.fromhex(link)) for tenant, (size, link) in loaded.heads.items()]
    connection.executemany("INSERT INTO chain_head VALUES (?, ?, ?)", heads)
    for statement in (
        "INSERT OR IGNORE INTO reference SELECT tenant_id, name, trace_id FROM named ORDER BY 1, 2, 3",
        "DROP TABLE named",
        "CREATE INDEX evidence_trace ON evidence (tenant_id, trace_id, position)",
        "PRAGMA journal_mode = WAL",
    ):
        connection.execute(statement)
    connection.close()
    return loaded


def _table(day: int) -> str:
    return f"evidence_{partition.iso(day).replace('-', '')}"


def _line(row: Row) -> str:
    tenant, position, record_id, trace_id, kind, canonical, leaf, link = row
    return (
        f"{tenant}\t{position}\t{record_id}\t{trace_id}\t{kind}"
        f"\t\\\\x{canonical.hex()}\t\\\\x{leaf.hex()}\t\\\\x{link.hex()}\n"
    )


def _batches(turns: Iterable[Turn]) -> Iterable[list[Turn]]:
    batch: list[Turn] = []
    for turn in turns:
        batch.append(turn)
        if len(batch) == LINES // 5:
            yield batch
            batch = []
    yield batch


def _run(url: str, statements: Sequence[Any], day: int | None = None) -> None:
    with psycopg.connect(url, options="-c search_path=customhouse", autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '512MB'")
        for statement in statements:
            if day is None:
                connection.execute(statement)
                continue
            limits = {"first": partition.first_id(day), "last": partition.first_id(day + 1)}
            values = {name: sql.Literal(value) for name, value in limits.items()}
            connection.execute(sql.SQL(statement).format(day=sql.Identifier(_table(day)), **values))
