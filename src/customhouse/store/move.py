# SPDX-License-Identifier: Apache-2.0
"""Moving every row of a SQLite file into an empty PostgreSQL database: one state here, one transaction there.

Rules kept:
- The file is held by a write transaction of our own (BEGIN IMMEDIATE): no process writes it until the end.
- The target appears whole, when `commit` returns, or not at all. Its tables are locked meanwhile, so nobody serves a
  half of it.
- Row security is put aside for the tables' owner inside that transaction alone, since COPY refuses such tables
  (postgresql.org/docs/18/sql-copy.html, Notes), and is in force again before it ends.
- Rows stream: memory stays flat whatever the size.
SQL is put together here, from names that the catalogs gave (catalog.py), by the driver's own composition.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final, Literal, LiteralString, TypeVar, cast

import apsw
import msgspec
import psycopg
from psycopg import sql

from customhouse.domain.errors import MoveRefused, StoreUnavailable
from customhouse.store import queries
from customhouse.store.catalog import SEEDED, Table, moved_tables, target_tables
from customhouse.store.database import Row, Transaction, Value
from customhouse.store.migrate_postgres import MIGRATION_LOCK
from customhouse.store.postgres import PostgresTransaction, translated
from customhouse.store.postgres_session import CONNECT_TIMEOUT_S, unreachable

T = TypeVar("T")
Tell = Callable[[str], None]
Days = Callable[[Iterable[str]], frozenset[int]]
"""Gives the days (since 1970) of some trace ids that get partitions of their own."""

TOLD_EVERY: Final = 250_000
"""Rows after which a long copy says how far it is."""
_BATCH: Final = 10_000
_DAYED: Final = ("evidence", "payload")
_TYPES: Final[Mapping[str, str]] = {"text": "text", "bigint": "int8", "bytea": "bytea"}
_OPTIONS: Final = (
    "-c search_path=customhouse -c synchronous_commit=on -c timezone=UTC -c lock_timeout=5s -c statement_timeout=0"
    " -c idle_in_transaction_session_timeout=0"
)
_encode = msgspec.msgpack.encode  # tells text, bytes, numbers and NULL apart
_LOCKED: Final = "somebody uses the target: stop every server on it, then try again"


class Source:
    """A SQLite file that nobody else writes while this lives."""

    def __init__(self, path: Path) -> None:
        """Take the file's write lock. Raises StoreUnavailable when another process holds it for long."""
        self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        self._connection.set_busy_timeout(5000)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except apsw.Error as error:
            self._connection.close()
            raise StoreUnavailable(f"{path} is being written by another process: let it end, then try again") from error

    def close(self) -> None:
        """Let others write again; nothing was changed."""
        self._connection.close()

    def tables(self, target: tuple[Table, ...]) -> tuple[Table, ...]:
        """Return what is moved into a target that has these tables. Raises MoveRefused."""
        return moved_tables(self._connection, target)

    def count(self, table: Table) -> int:
        """Return how many rows a table has."""
        counted = sql.SQL("SELECT COUNT(*) FROM {}").format(sql.Identifier(table.name))
        return cast("int", self._connection.execute(counted.as_string()).fetchall()[0][0])

    def rows(self, table: Table) -> Iterator[Row]:
        """Yield a table's rows as they are kept on the other side."""
        names = list(table.columns)
        rows = cast("Iterator[Row]", self._connection.execute(_select(table).as_string()))
        return _storable(rows, names.index("name")) if table.name == "reference" else rows

    def last_number(self, table: Table) -> int:
        """Return the last number that a table gave by itself, 0 before the first."""
        asked = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,))
        found = cast("list[tuple[int]]", asked.fetchall())
        return found[0][0] if found else 0

    def days(self, days: Days) -> frozenset[int]:
        """Return the days of all traces. Cost: one pass over the indexes of traces."""
        found: set[int] = set()
        for table in _DAYED:
            # The first 8 digits of an id stand for 65 s: its first and its last trace tell every day in it.
            both = sql.SQL("SELECT MIN(trace_id), MAX(trace_id) FROM {} GROUP BY substr(trace_id, 1, 8)").format(
                sql.Identifier(table)
            )
            ends = cast("Iterator[tuple[str, str]]", self._connection.execute(both.as_string()))
            while batch := [trace_id for pair in islice(ends, _BATCH) for trace_id in pair]:
                found |= days(batch)
        return frozenset(found)


class Target:
    """A PostgreSQL database inside the one transaction of a move. Unless `commit` returned, nothing happened to it."""

    def __init__(self, url: str) -> None:
        """Connect as the tables' owner, lock the schema, and put row security aside. Raises MoveRefused."""
        try:
            self._connection = psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S, options=_OPTIONS)
        except psycopg.OperationalError as error:
            raise unreachable(url, None, error) from error
        try:
            # A server that starts meanwhile waits here for the end of the move.
            self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
            self.tables = target_tables(self._connection)
            self._secure("NO FORCE")
            names = sql.SQL(", ").join(sql.Identifier(table.name) for table in self.tables)
            self._connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(names))
        except psycopg.errors.LockNotAvailable as error:
            self._connection.close()
            raise MoveRefused(_LOCKED) from error
        except psycopg.Error as error:
            self._connection.close()
            raise MoveRefused(f"the login role must own the target's tables: {_first_line(error)}") from error

    def close(self) -> None:
        """End; what was not committed never was."""
        self._connection.close()

    def present(self) -> tuple[str, ...]:
        """Return the tables that have rows already; none when this is a database that nobody has used yet."""
        asked = [table for table in self.tables if table.name not in SEEDED]
        found = [table.name for table in asked if self._one("SELECT EXISTS (SELECT FROM {})", table.name)]
        return (*found, *(("sequencer",) if self._one("SELECT epoch > 0 FROM {}", "sequencer") else ()))

    def make_days(self, days: Iterable[int]) -> int:
        """Make the partitions of days; return how many tables were missing."""
        made = 0
        for day in sorted(days):
            row = self._connection.execute("SELECT ensure_day(DATE '1970-01-01' + %s::integer)", (day,)).fetchone()
            made += 0 if row is None else cast("int", row[0])
        return made

    def fill(self, table: Table, source: Source, tell: Tell) -> int:
        """Copy a table's rows, replacing what the schema put there; return how many. Raises MoveRefused."""
        total, count = source.count(table), 0
        if table.name in SEEDED:
            self._connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)))
        columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table.name), columns)
        try:
            with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
                copy.set_types([_TYPES[kind] for kind in table.columns.values()])
                for count, row in enumerate(source.rows(table), start=1):
                    copy.write_row(row)
                    if count % TOLD_EVERY == 0:
                        tell(f"copy {table.name}: {count:,} of {total:,} rows")
        except psycopg.Error as error:
            raise MoveRefused(f"row {count} of {table.name} is not taken: {_first_line(error)}") from error
        if table.identity is not None:
            self._connection.execute(
                "SELECT setval(pg_get_serial_sequence(%s, %s), %s, true) WHERE %s > 0",
                (f"customhouse.{table.name}", table.identity, *[source.last_number(table)] * 2),
            )
        return count

    def secure(self) -> None:
        """Put row security into force again, and let the server look at what it has now (ANALYZE)."""
        self._secure("FORCE")
        for table in self.tables:
            self._connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table.name)))

    def rows(self, table: Table) -> Iterator[Row]:
        """Yield a table's rows as the server has them now, before `secure`."""
        with self._connection.cursor("moved", scrollable=False) as cursor:
            cursor.itersize = _BATCH
            cursor.execute(_select(table), binary=True)
            yield from cast("Iterator[Row]", cursor)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` as the auditor, who may read only, on what stands in this transaction: for fsck."""
        self._connection.execute("SET LOCAL ROLE customhouse_auditor")
        named = {name: translated(text) for name, text in queries.load("postgres").items()}
        try:
            return work(PostgresTransaction(self._connection, named))
        finally:
            self._connection.execute("RESET ROLE")

    def commit(self) -> None:
        """Let everybody see it; on return it is durable. Raises StoreUnavailable: then nobody knows."""
        try:
            self._connection.commit()
        except psycopg.Error as error:
            raise StoreUnavailable("the target did not answer to COMMIT: run `customhouse migrate` again") from error

    def _secure(self, mode: Literal["FORCE", "NO FORCE"]) -> None:
        statement: LiteralString = "ALTER TABLE {} FORCE ROW LEVEL SECURITY"
        if mode == "NO FORCE":
            statement = "ALTER TABLE {} NO FORCE ROW LEVEL SECURITY"
        for table in self.tables:
            if table.secured:
                self._connection.execute(sql.SQL(statement).format(sql.Identifier(table.name)))

    def _one(self, statement: LiteralString, table: str) -> bool:
        row = self._connection.execute(sql.SQL(statement).format(sql.Identifier(table))).fetchone()
        return row is not None and bool(row[0])


def digest(rows: Iterable[Row]) -> tuple[int, str]:
    """Return how many rows there are and the sum of their SHA-256 (mod 2^256), in hex: the same in any order.

    Tells rows that were lost, doubled or altered by mistake; it is no proof against somebody who chooses rows. Cost:
    some 2 µs a row.
    """
    total = count = 0
    for row in rows:
        count += 1
        total = (total + int.from_bytes(hashlib.sha256(_encode(row)).digest(), "big")) % 2**256
    return count, f"{total:064x}"


def _select(table: Table) -> sql.Composed:
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    return sql.SQL("SELECT {} FROM {}").format(columns, sql.Identifier(table.name))


def _storable(rows: Iterable[Row], place: int) -> Iterator[Row]:
    """Yield rows with the id at `place` as the ledger looks it up: PostgreSQL's text holds no NUL."""
    for row in rows:
        name: Value = row[place]
        yield (*row[:place], str(name).replace("\x00", "\ufffd"), *row[place + 1 :])


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
