# SPDX-License-Identifier: Apache-2.0
"""SQLite: one writing thread with group commit, one reading thread. Nobody else in this house uses threads.

Durability: WAL with synchronous=FULL, so a commit returns after fsync of the log (sqlite.org/wal.html, "Performance
Considerations"). Works that queue up while a commit runs share the next one: under load one fsync serves many turns.
Several processes may open one file; BEGIN IMMEDIATE serialises them. Where nothing waits and the disk is quick, a
commit may run in its caller's thread (`begin_here`), which saves handing it over twice: docs/adr/0043.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, LiteralString, TypeVar, cast

import apsw

from customhouse.domain.errors import CustomhouseError, StoreUnavailable
from customhouse.store import acting, queries
from customhouse.store.database import DuplicateRow, Row, Transaction, Value
from customhouse.store.migrate import migrate, require_current
from customhouse.store.migration import packaged
from customhouse.store.worker import Job, Worker, settle

T = TypeVar("T")

CHECKPOINT_PAGES: Final = 8000
"""Pages in the log before it is copied into the database (32 MB): hot pages are then copied once for many writes."""
BUSY_TIMEOUT_MS: Final = 5000
"""How long to wait for another process's transaction (the CLI's are a few milliseconds)."""
QUICK_S: Final = 0.002
"""Seconds that a commit may take to count as quick: the event loop stands still for one that runs on it."""
QUICK_COMMITS: Final = 8
"""Commits in a row that must have been quick before one runs on the event loop: one slow one sends 8 to the thread."""
_UNIQUE: Final = frozenset(
    {apsw.SQLITE_CONSTRAINT_UNIQUE, apsw.SQLITE_CONSTRAINT_PRIMARYKEY, apsw.SQLITE_CONSTRAINT_ROWID}
)


class SqliteTransaction:
    """One transaction on one connection; lives only while its work runs.

    SQLite has no row security. What can be checked is checked here, so that both stores refuse the same mistakes: a
    query that binds :tenant must name the tenant that the transaction acts for.
    """

    __slots__ = ("_connection", "_queries", "_tenant", "refused")

    def __init__(self, connection: apsw.Connection, named: dict[str, str]) -> None:
        """Wrap a connection that is inside a transaction."""
        self._connection = connection
        self._queries = named
        self._tenant: str | None = None
        self.refused: DuplicateRow | None = None

    def act_for(self, tenant: str, /) -> None:
        """Say whose rows the following queries may touch."""
        self._tenant = tenant

    def rows(self, query: LiteralString, /, **values: Value) -> list[Row]:
        """Run a query and return its rows, in the query's column order."""
        acting.check(query, values, self._tenant)
        try:
            return cast("list[Row]", self._connection.execute(self._queries[query], values).fetchall())
        except apsw.ConstraintError as error:
            raise self._constraint(query, error) from error

    def row(self, query: LiteralString, /, **values: Value) -> Row | None:
        """Run a query that gives at most one row."""
        found = self.rows(query, **values)
        return found[0] if found else None

    def rows_of_each(self, query: LiteralString, each: Sequence[Mapping[str, Value]], /) -> list[list[Row]]:
        """Run a query once for each row of values, acting for the tenant that it names."""
        found: list[list[Row]] = []
        for values in each:
            self.act_for(cast("str", values["tenant"]))
            found.append(self.rows(query, **values))
        return found

    def run(self, query: LiteralString, /, **values: Value) -> int:
        """Run a statement and return how many rows it changed."""
        acting.check(query, values, self._tenant)
        try:
            self._connection.execute(self._queries[query], values)
        except apsw.ConstraintError as error:
            raise self._constraint(query, error) from error
        return self._connection.changes()

    def run_many(self, query: LiteralString, rows: Sequence[Mapping[str, Value]], /) -> int:
        """Run a statement once for each row of values; return how many rows changed."""
        if not rows:
            return 0
        for values in rows:
            acting.check(query, values, self._tenant)
        try:
            before = self._connection.total_changes()
            self._connection.executemany(self._queries[query], rows)
        except apsw.ConstraintError as error:
            raise self._constraint(query, error) from error
        return self._connection.total_changes() - before

    def put_many(self, query: LiteralString, rows: Sequence[Mapping[str, Value]], /) -> None:
        """Run a statement once for each row of values."""
        self.run_many(query, rows)

    def _constraint(self, query: str, error: apsw.ConstraintError) -> Exception:
        """Return DuplicateRow for a unique constraint; any other is a mistake, and fails the transaction as such."""
        code: int = getattr(error, "extendedresult", 0)  # the driver's types lack it
        if code not in _UNIQUE:
            return error
        self.refused = DuplicateRow(query)
        return self.refused


class SqliteDatabase:
    """A database file. Invariant: after `transact` returned, its effects survive kill -9 and loss of power."""

    def __init__(self, path: Path, vfs: str | None, still_here: Callable[[], None], timer: Callable[[], float]) -> None:
        """Prepare; `open_sqlite` starts it."""
        self._path = path
        self._still_here = still_here
        self._vfs = vfs
        self._timer = timer
        self._queries = queries.load("sqlite")
        self._writer = Worker("customhouse-writer", lambda: _connect(path, vfs), self._write_batch)
        self._reader = Worker("customhouse-reader", lambda: _connect(path, vfs), self._read_batch)
        self._here: apsw.Connection | None = None
        self._quick_commits = 0
        self._log_is_long = False

    def start(self, *, upgrade: bool) -> None:
        """Migrate in the calling thread, or require that somebody did; then start both threads.

        Raises StoreUnavailable.
        """
        try:
            with closing(_connect(self._path, self._vfs)) as connection:
                if upgrade:
                    migrate(connection, packaged("sqlite"), time.time_ns() // 1000)
                else:
                    require_current(connection, packaged("sqlite"))
            self._here = self._connect_here()
        except apsw.Error as error:
            raise StoreUnavailable(f"{self._path} cannot be opened: {error}") from error
        self._writer.start()
        self._reader.start()

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one serialised writing transaction; on return it is durable. May share a commit."""
        return await self.begin(work)

    def begin(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Queue `work` as `transact` does and return at once; the future ends as `transact` would."""
        return cast("asyncio.Future[T]", self._writer.submit(work))

    def begin_here(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Run `work` before returning, where nothing waits for the writing thread and commits are quick; else `begin`.

        A connection of its own, so that a mistake about who is idle could only cost time: SQLite serialises the two.
        It waits for nobody, and copies no log into the database: both are the thread's, which may stand still.
        """
        here = self._here
        if here is None or not self._writer.idle or self._quick_commits < QUICK_COMMITS or self._log_is_long:
            self._log_is_long = False
            return self.begin(work)
        loop = asyncio.get_running_loop()
        job = Job(work, loop.create_future(), loop)
        try:
            self._commit(here, [job])
        except apsw.BusyError:  # another process is writing, and nothing of this work was written
            return self.begin(work)
        except (apsw.Error, StoreUnavailable) as error:
            job.error = _translated(error)
        settle([job])
        return cast("asyncio.Future[T]", job.done)

    def begin_unflushed(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Queue a `work` whose commit waits for no disk, unless it shares one with a work that does."""
        return cast("asyncio.Future[T]", self._writer.submit(work, flush=False))

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on one consistent state of the database, without writing."""
        return cast("T", await self._reader.submit(work))

    async def changed(self, timeout_s: float) -> bool:
        """Wait: a SQLite file tells nobody of its changes, so they are found by looking."""
        await asyncio.sleep(timeout_s)
        return False

    @property
    def unsettled(self) -> int:
        """Return how many works wait for a thread."""
        return self._writer.waiting + self._reader.waiting

    async def close(self) -> None:
        """Finish what was queued, then close."""
        here, self._here = self._here, None
        if here is not None:
            here.close()
        await self._writer.stop()
        await self._reader.stop()

    def _connect_here(self) -> apsw.Connection:
        """Return the connection of `begin_here`, which says when the log is so long that the thread shall copy it.

        Its hook stands in place of SQLite's own, which would copy the log (sqlite.org/c3ref/wal_hook.html).
        """
        connection = _connect(self._path, self._vfs)
        connection.set_busy_timeout(0)

        def committed(_connection: apsw.Connection, _name: str, pages: int) -> int:
            self._log_is_long = pages >= CHECKPOINT_PAGES
            return apsw.SQLITE_OK

        connection.set_wal_hook(committed)
        return connection

    def _write_batch(self, connection: apsw.Connection, jobs: list[Job]) -> None:
        """Run works in one commit; when one raises, run each in a commit of its own, so that it fails alone.

        Cheaper than a savepoint around each work, which costs two statements for something that hardly ever happens.
        """
        try:
            together = self._commit(connection, jobs)
        except (apsw.Error, StoreUnavailable) as error:
            # The database itself failed (busy, full, broken, moved): nothing was written, for any of them.
            for job in jobs:
                job.error = _translated(error)
            return
        if not together and len(jobs) > 1:
            for job in jobs:
                job.error = None
                self._write_batch(connection, [job])

    def _commit(self, connection: apsw.Connection, jobs: list[Job]) -> bool:
        """Run works and commit; return False, with everything undone, when a work raised."""
        flushed = any(job.flush for job in jobs)
        if not flushed:  # written to the log and not waited for: the next commit that is flushed flushes it too
            connection.execute("PRAGMA synchronous = NORMAL")
        began_s = self._timer()
        try:
            return self._committed(connection, jobs)
        finally:
            if flushed:
                quick = self._timer() - began_s < QUICK_S
                self._quick_commits = self._quick_commits + 1 if quick else 0
            else:
                connection.execute("PRAGMA synchronous = FULL")

    def _committed(self, connection: apsw.Connection, jobs: list[Job]) -> bool:
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._still_here()
            for job in jobs:
                try:
                    transaction = SqliteTransaction(connection, self._queries)
                    job.result = job.work(transaction)
                except Exception as error:  # noqa: BLE001 - the error belongs to the caller of this work
                    job.error = _translated(error)
                    return False
                if transaction.refused is not None:
                    job.error = transaction.refused
                    return False
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        return True

    def _read_batch(self, connection: apsw.Connection, jobs: list[Job]) -> None:
        for job in jobs:
            try:
                connection.execute("BEGIN")
                job.result = job.work(SqliteTransaction(connection, self._queries))
            except Exception as error:  # noqa: BLE001 - as above
                job.error = _translated(error)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")


def _translated(error: Exception) -> Exception:
    """Return SQLite's own errors as StoreUnavailable; what a work raised by itself stays as it is."""
    if not isinstance(error, apsw.Error) or isinstance(error, CustomhouseError):
        return error
    translated = StoreUnavailable("the database refused the transaction; nothing was changed")
    translated.__cause__ = error
    return translated


def _connect(path: Path, vfs: str | None) -> apsw.Connection:
    connection = apsw.Connection(str(path), vfs=vfs)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    return connection


def _here() -> None:
    """Say nothing: whoever opens a file by itself knows what it is."""


async def open_sqlite(
    path: Path,
    vfs: str | None = None,
    *,
    still_here: Callable[[], None] = _here,
    upgrade: bool = True,
    timer: Callable[[], float] = time.perf_counter,
) -> SqliteDatabase:
    """Open (and create, and migrate) a database file. Raises StoreUnavailable with what is wrong.

    `vfs` names the layer between SQLite and the files (sqlite.org/vfs.html), None the system's own. `still_here` is
    asked whenever the file's write lock is held, before anything is written; it raises StoreUnavailable. Who only looks
    says `upgrade` False: a file of an older version is then refused (SchemaBehind), not migrated. `timer` gives the
    seconds by which commits are quick or not.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    database = SqliteDatabase(path, vfs, still_here, timer)
    database.start(upgrade=upgrade)
    return database
