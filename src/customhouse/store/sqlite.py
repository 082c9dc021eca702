# SPDX-License-Identifier: Apache-2.0
"""SQLite: one writing thread with group commit, one reading thread. Nobody else in this house uses threads.

Durability: WAL with synchronous=FULL, so a commit returns after fsync of the log (sqlite.org/wal.html, "Performance
Considerations"). Works that queue up while a commit runs share the next one: under load one fsync serves many turns.
Several processes may open one file; BEGIN IMMEDIATE serialises them.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, LiteralString, TypeVar, cast

import apsw

from customhouse.domain.errors import CustomhouseError, StoreUnavailable
from customhouse.store import acting, queries
from customhouse.store.database import DuplicateRow, Row, Transaction, Value
from customhouse.store.migrate import migrate, require_current
from customhouse.store.migration import packaged

T = TypeVar("T")

MAX_QUEUED: Final = 4096
"""Works waiting for a thread at most, far above what max_turns can queue; one more is refused, and said so."""
MAX_BATCH: Final = 256
"""Works in one commit at most, which bounds how long the first of them waits."""
CHECKPOINT_PAGES: Final = 8000
"""Pages in the log before it is copied into the database (32 MB): hot pages are then copied once for many writes."""
BUSY_TIMEOUT_MS: Final = 5000
"""How long to wait for another process's transaction (the CLI's are a few milliseconds)."""
_UNIQUE: Final = frozenset(
    {apsw.SQLITE_CONSTRAINT_UNIQUE, apsw.SQLITE_CONSTRAINT_PRIMARYKEY, apsw.SQLITE_CONSTRAINT_ROWID}
)


@dataclass(slots=True)
class _Job:
    work: Callable[[Transaction], object]
    done: asyncio.Future[object]
    loop: asyncio.AbstractEventLoop
    flush: bool = True
    result: object = None
    error: BaseException | None = None


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

    def __init__(self, path: Path, vfs: str | None, still_here: Callable[[], None]) -> None:
        """Prepare; `open_sqlite` starts it."""
        self._path = path
        self._still_here = still_here
        self._vfs = vfs
        self._queries = queries.load("sqlite")
        self._writer = _Worker("customhouse-writer", lambda: _connect(path, vfs), self._write_batch)
        self._reader = _Worker("customhouse-reader", lambda: _connect(path, vfs), self._read_batch)

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
        await self._writer.stop()
        await self._reader.stop()

    def _write_batch(self, connection: apsw.Connection, jobs: list[_Job]) -> None:
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

    def _commit(self, connection: apsw.Connection, jobs: list[_Job]) -> bool:
        """Run works and commit; return False, with everything undone, when a work raised."""
        flushed = any(job.flush for job in jobs)
        if not flushed:  # written to the log and not waited for: the next commit that is flushed flushes it too
            connection.execute("PRAGMA synchronous = NORMAL")
        try:
            return self._committed(connection, jobs)
        finally:
            if not flushed:
                connection.execute("PRAGMA synchronous = FULL")

    def _committed(self, connection: apsw.Connection, jobs: list[_Job]) -> bool:
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

    def _read_batch(self, connection: apsw.Connection, jobs: list[_Job]) -> None:
        for job in jobs:
            try:
                connection.execute("BEGIN")
                job.result = job.work(SqliteTransaction(connection, self._queries))
            except Exception as error:  # noqa: BLE001 - as above
                job.error = _translated(error)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")


class _Worker:
    """A thread with a bounded queue that takes as many jobs at once as are waiting."""

    def __init__(
        self, name: str, connect: Callable[[], apsw.Connection], work: Callable[[apsw.Connection, list[_Job]], None]
    ) -> None:
        self._connect = connect
        self._work = work
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._stopped = False

    def start(self) -> None:
        self._thread.start()

    def submit(self, work: Callable[[Transaction], object], *, flush: bool = True) -> asyncio.Future[object]:
        """Queue a work. A caller that is cancelled no longer waits; the work runs all the same."""
        loop = asyncio.get_running_loop()
        job = _Job(work, loop.create_future(), loop, flush)
        if self._stopped:
            job.done.set_exception(StoreUnavailable("the database is closed"))
        elif self._queue.qsize() >= MAX_QUEUED:
            job.done.set_exception(StoreUnavailable("too many transactions are waiting; try again"))
        else:
            self._queue.put(job)
        return job.done

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    async def stop(self) -> None:
        if not self._stopped and self._thread.is_alive():
            self._stopped = True
            self._queue.put(None)
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        connection = self._connect()
        while (job := self._queue.get()) is not None:
            jobs = [job]
            while len(jobs) < MAX_BATCH and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    self._queue.put(None)
                    break
                jobs.append(following)
            self._work(connection, jobs)
            for loop in {each.loop for each in jobs}:
                _deliver_on(loop, [each for each in jobs if each.loop is loop])
        connection.close()


def _deliver_on(loop: asyncio.AbstractEventLoop, jobs: list[_Job]) -> None:
    """Wake the callers with one call into their loop for the whole batch; a loop that is gone has nobody waiting."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(_deliver, jobs)


def _deliver(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.done.cancelled():
            continue
        if job.error is not None:
            job.done.set_exception(job.error)
        else:
            job.done.set_result(job.result)


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
    path: Path, vfs: str | None = None, *, still_here: Callable[[], None] = _here, upgrade: bool = True
) -> SqliteDatabase:
    """Open (and create, and migrate) a database file. Raises StoreUnavailable with what is wrong.

    `vfs` names the layer between SQLite and the files (sqlite.org/vfs.html), None the system's own. `still_here` is
    asked whenever the file's write lock is held, before anything is written; it raises StoreUnavailable. Who only looks
    says `upgrade` False: a file of an older version is then refused (SchemaBehind), not migrated.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    database = SqliteDatabase(path, vfs, still_here)
    database.start(upgrade=upgrade)
    return database
