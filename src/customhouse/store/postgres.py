# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL: a pool of connections that all have one role, and works that run in threads of this file.

Rules kept:
- Every connection takes its role when it opens (schema: store/migrations/postgres), so that row security and grants
  hold even where the login role is a superuser, whom row security would let through. One that did not get it (a pooler
  in between that drops start-up options) is not used.
- Durable on return: synchronous_commit is on, whatever the server's default says.
- A work that gets no answer within `deadline_s` fails for its caller. Its thread goes on waiting and takes its work
  back (ROLLBACK) instead of committing it later; only a COMMIT that is on its way may still land.
- A connection that broke before the work began is replaced once, so that a restarted server costs nobody an error. One
  that has fallen silent is cut off (held.py); after either, no connection of the pool is trusted any more.
Works are blocking functions, as on SQLite: that is why there are threads, here and in no other room.
"""

import asyncio
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString, TypeVar, cast

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from customhouse.domain.errors import StoreUnavailable
from customhouse.store import acting, queries
from customhouse.store.database import DuplicateRow, Row, RowRefused, TenantUnset, Transaction, Value
from customhouse.store.held import Held
from customhouse.store.postgres_session import CONNECT_TIMEOUT_S, LINE, Role, refused, require_role, session

T = TypeVar("T")

CONNECTIONS: Final[Mapping[Role, int]] = {"control": 4, "gateway": 3, "sequencer": 1, "auditor": 1}
"""Connections of each role in one process at most. With one that listens and one that asks for the sequencer's lock a
replica holds ten, so nine replicas fit into a server's usual 100; the auditor's is `fsck`'s."""
MAX_QUEUED: Final = 1024
"""Works waiting for a connection at most; one more is refused, and said so."""
DEADLINE_S: Final = 5.0
"""How long a work may take before its caller gives up: a hundred times what the slowest usual one takes."""
SILENCE_S: Final = 1.0
"""How long after its deadline the server may still say that a work was too slow; then its connection is cut off."""
TENANT_UNSET: Final = "CH001"
"""The SQLSTATE of acting_tenant()."""

_PARAMETER: Final = re.compile(r"(?<![:\w]):([a-z_]+)\b")
_ARRAYS: Final = "unnest("
"""What a query reads that takes its values as arrays."""
_BEGIN: Final = "BEGIN"
# The advisory lock 7001 serialises the verbs of people on every replica.
_BEGIN_SERIALISED: Final = "BEGIN; SELECT pg_advisory_xact_lock(7001)"
# Its COMMIT does not wait for the disk (postgresql.org/docs/18/wal-async-commit.html).
_BEGIN_UNFLUSHED: Final = "BEGIN; SET LOCAL synchronous_commit = off"
_BEGIN_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_ACT_FOR: Final = "SELECT set_config('customhouse.tenant', %s, true)"

Connection = psycopg.Connection[Any]


class PostgresTransaction:
    """One transaction on one connection; lives only while its work runs."""

    __slots__ = ("_connection", "_pipeline", "_queries", "_tenant", "refused")

    def __init__(
        self, connection: Connection, named: Mapping[str, str], pipeline: psycopg.Pipeline | None = None
    ) -> None:
        """Wrap a connection that is inside a transaction, and in a pipeline or not."""
        self._connection = connection
        self._pipeline = pipeline
        self._queries = named
        self._tenant: str | None = None
        self.refused: DuplicateRow | None = None

    def act_for(self, tenant: str, /) -> None:
        """Say whose rows the following queries may touch; row security holds them to it. Cost: one round trip."""
        if tenant != self._tenant:
            self._connection.execute(_ACT_FOR, (tenant,))
            self._tenant = tenant

    def rows(self, query: LiteralString, /, **values: Value) -> list[Row]:
        """Run a query and return its rows, in the query's column order."""
        return cast("list[Row]", self._run(query, values).fetchall())

    def row(self, query: LiteralString, /, **values: Value) -> Row | None:
        """Run a query that gives at most one row."""
        found = self.rows(query, **values)
        return found[0] if found else None

    def rows_of_each(self, query: LiteralString, each: Sequence[Mapping[str, Value]], /) -> list[list[Row]]:
        """Run a query once for each row of values, acting for the tenant that it names; one round trip for all."""
        cursors: list[psycopg.Cursor[Any]] = []
        with self._connection.pipeline():
            for values in each:
                self.act_for(cast("str", values["tenant"]))
                cursors.append(self._run(query, values))
        return [cast("list[Row]", cursor.fetchall()) for cursor in cursors]

    def run(self, query: LiteralString, /, **values: Value) -> int:
        """Run a statement and return how many rows it changed."""
        cursor = self._run(query, values)
        if self._pipeline is not None:
            self._pipeline.sync()
        return cursor.rowcount

    def run_many(self, query: LiteralString, rows: Sequence[Mapping[str, Value]], /) -> int:
        """Run a statement once for each row of values, all at once where its variant takes arrays.

        Such a variant reads `unnest`; it gets each value as an array and :tenant, which all rows share, once. Returns
        how many rows changed.
        """
        if not rows:
            return 0
        cursor = self._run_many(query, rows)
        if self._pipeline is not None:
            self._pipeline.sync()
        return cursor.rowcount

    def put_many(self, query: LiteralString, rows: Sequence[Mapping[str, Value]], /) -> None:
        """Like `run_many` without waiting for the server: in a pipeline a refusal is raised by what comes later."""
        if rows:
            self._run_many(query, rows)

    def _run_many(self, query: str, rows: Sequence[Mapping[str, Value]]) -> psycopg.Cursor[Any]:
        for values in rows:
            acting.check(query, values, self._tenant)
        sql = self._queries[query]
        cursor = self._connection.cursor()
        try:
            if _ARRAYS in sql:
                arrays: dict[str, object] = {name: [values[name] for values in rows] for name in rows[0]}
                return cursor.execute(cast("LiteralString", sql), arrays | {"tenant": self._tenant})
            cursor.executemany(cast("LiteralString", sql), rows)
        except psycopg.errors.UniqueViolation as error:
            self.refused = DuplicateRow(query)
            raise self.refused from error
        return cursor

    def _run(self, query: str, values: Mapping[str, Value]) -> psycopg.Cursor[Any]:
        acting.check(query, values, self._tenant)
        try:
            return self._connection.execute(cast("LiteralString", self._queries[query]), values or None, binary=True)
        except psycopg.errors.UniqueViolation as error:
            self.refused = DuplicateRow(query)
            raise self.refused from error


@dataclass(slots=True)
class _Job:
    work: Callable[[Transaction], object]
    begin: LiteralString
    done: asyncio.Future[object]
    loop: asyncio.AbstractEventLoop
    given_up: bool = False
    held: Held = field(default_factory=Held)


class PostgresDatabase:
    """One role's view of a database. Invariant: after `transact` returned, its effects survive the server's crash."""

    def __init__(self, url: str, role: Role, *, deadline_s: float | None = DEADLINE_S) -> None:
        """Prepare; `open_postgres` starts it. `deadline_s` None waits as long as it takes (verification, migration)."""
        self._url = url
        self._role: Role = role
        self._deadline_s = deadline_s
        self._queries = {name: translated(sql) for name, sql in queries.load("postgres").items()}
        size = CONNECTIONS[role]
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            url,
            connection_class=psycopg.Connection,
            kwargs={"autocommit": True, "options": session(role, deadline_s), **LINE},
            configure=lambda connection: require_role(connection, role),
            min_size=1,
            max_size=size,
            open=False,
            name=f"customhouse-{role}",
            timeout=CONNECT_TIMEOUT_S,
            reconnect_timeout=CONNECT_TIMEOUT_S,
        )
        self._threads = ThreadPoolExecutor(size, thread_name_prefix=f"customhouse-{role}")
        # Protects the count: works end in their threads and are queued on the loop.
        self._count_lock = threading.Lock()
        self._waiting = 0
        self._listener: psycopg.AsyncConnection[Any] | None = None
        self._stopped = False

    def start(self) -> None:
        """Connect. Raises StoreUnavailable with what is wrong."""
        try:
            self._pool.open(wait=True, timeout=CONNECT_TIMEOUT_S)
        except PoolTimeout:
            self._pool.close()
            self._threads.shutdown()
            raise refused(self._url, self._role) from None

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one durable transaction; for people's verbs, one after the other on all replicas."""
        begin: LiteralString = _BEGIN_SERIALISED if self._role == "control" else _BEGIN
        return cast("T", await self._submit(work, begin))

    def begin(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Queue a turn's `work` and return at once; the future ends as `transact` would."""
        return cast("asyncio.Future[T]", self._submit(work, _BEGIN))

    def begin_here(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Queue a `work` as `begin` does: no event loop stands still for another machine."""
        return self.begin(work)

    def begin_unflushed(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Queue a `work` whose COMMIT waits for no disk; it is durable when anything is that was committed after it."""
        return cast("asyncio.Future[T]", self._submit(work, _BEGIN_UNFLUSHED))

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on one consistent state of the database, without writing."""
        return cast("T", await self._submit(work, _BEGIN_READ))

    async def changed(self, timeout_s: float) -> bool:
        """Wait until some process changed pins, switches, keys or people. Raises StoreUnavailable.

        The first call, and the first after a break, returns at once: nobody listened before it.
        """
        try:
            if self._listener is None:
                self._listener = await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, options=session(self._role, None), **LINE
                )
                await self._listener.execute("LISTEN customhouse")
                return True
            heard = [note async for note in self._listener.notifies(timeout=timeout_s, stop_after=1)]
            if heard:  # what else has arrived by now is seen by the same look
                heard += [note async for note in self._listener.notifies(timeout=0)]
            return bool(heard)
        except (psycopg.Error, OSError) as error:
            await self._stop_listening()
            raise StoreUnavailable("the database tells of no changes: its connection broke") from error

    @property
    def unsettled(self) -> int:
        """Return how many works are queued or running, those that their callers gave up included."""
        return self._waiting

    async def close(self) -> None:
        """Finish what was queued, then close."""
        if self._stopped:
            return
        self._stopped = True
        await self._stop_listening()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._threads.shutdown)
        await loop.run_in_executor(None, self._pool.close)

    def _submit(self, work: Callable[[Transaction], object], begin: LiteralString) -> asyncio.Future[object]:
        loop = asyncio.get_running_loop()
        job = _Job(work, begin, loop.create_future(), loop)
        if self._stopped:
            job.done.set_exception(StoreUnavailable("the database is closed"))
        elif self._waiting >= MAX_QUEUED:
            job.done.set_exception(StoreUnavailable("too many transactions are waiting; try again"))
        else:
            with self._count_lock:
                self._waiting += 1
            self._threads.submit(self._run, job)
            if self._deadline_s is not None:
                timer = loop.call_later(self._deadline_s, _give_up, job, self._deadline_s)
                job.done.add_done_callback(lambda _: timer.cancel())
        return job.done

    def _run(self, job: _Job) -> None:
        """Run a work in this thread and deliver how it ended."""
        result: object = None
        error: Exception | None = None
        try:
            result = self._in_transaction(job)
        except Exception as raised:  # noqa: BLE001 - the error belongs to the caller of this work
            error = _told(raised)
        finally:
            with self._count_lock:
                self._waiting -= 1
        if not job.loop.is_closed():
            job.loop.call_soon_threadsafe(_deliver, job.done, result, error)

    def _in_transaction(self, job: _Job) -> object:
        if job.given_up:  # a queue of such works must not keep a closing server waiting for each one's connection
            raise StoreUnavailable("the caller gave up before the work began")
        try:
            return self._once(job)
        except _NotBegun:
            # The server was restarted or cut us off while this connection lay idle: so may all others be.
            self._pool.drain()
        finally:
            if job.held.was_cut:
                self._pool.drain()
        return self._once(job)

    def _once(self, job: _Job) -> object:
        if job.given_up:
            raise StoreUnavailable("the caller gave up before the work began")
        with self._pool.connection() as connection, job.held.holding(connection):
            return self._attempt(connection, job)

    def _attempt(self, connection: Connection, job: _Job) -> object:
        try:
            connection.execute(job.begin)
        except psycopg.OperationalError as error:
            if connection.broken:
                raise _NotBegun from error
            connection.execute("ROLLBACK")
            raise
        try:
            result = self._work(connection, job)
        except BaseException as error:
            if not connection.broken:
                connection.execute("ROLLBACK")
            if isinstance(error, psycopg.errors.UniqueViolation):
                raise DuplicateRow(error.diag.constraint_name) from error
            raise
        if job.given_up:
            connection.execute("ROLLBACK")
            raise StoreUnavailable("the caller gave up; nothing was changed")
        try:
            connection.execute("COMMIT")
        except psycopg.OperationalError as error:
            if connection.broken:
                raise StoreUnavailable("the connection broke at COMMIT: it may or may not have been done") from error
            raise
        return result

    def _work(self, connection: Connection, job: _Job) -> object:
        """Run a work. Those of turns are in a pipeline: what they only write waits for no answer but the last."""
        if self._role != "gateway" or job.begin != _BEGIN:
            return _done(job, PostgresTransaction(connection, self._queries))
        with connection.pipeline() as pipeline:
            return _done(job, PostgresTransaction(connection, self._queries, pipeline))

    async def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()


class _NotBegun(psycopg.OperationalError):
    """The connection broke at BEGIN: nothing of the work was done, and it may be tried on another connection."""


def translated(sql: str) -> str:
    """Return a query with its `:name` parameters as the driver takes them.

    Arrays travel in binary: as text the driver escapes each element in Python, which was 40 % of an append's CPU time.
    """
    form = r"%(\1)b" if _ARRAYS in sql else r"%(\1)s"
    return _PARAMETER.sub(form, sql.replace("%", "%%"))


def _done(job: _Job, transaction: PostgresTransaction) -> object:
    """Run a work; one that went on after a refusal would be rolled back at its COMMIT, and told that it was done."""
    result = job.work(transaction)
    if transaction.refused is not None:
        raise transaction.refused
    return result


def _give_up(job: _Job, deadline_s: float) -> None:
    job.given_up = True
    job.loop.call_later(SILENCE_S, job.held.cut_off)
    if not job.done.done():
        job.done.set_exception(StoreUnavailable(f"the database did not answer within {deadline_s:g} s"))


def _deliver(done: asyncio.Future[object], result: object, error: Exception | None) -> None:
    if done.done():
        return
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(result)


def _told(error: Exception) -> Exception:
    """Return the driver's own errors as ours; what a work raised by itself stays as it is."""
    if isinstance(error, psycopg.Error):
        if error.sqlstate == TENANT_UNSET:
            return TenantUnset(str(error).splitlines()[0])
        if isinstance(error, psycopg.errors.InsufficientPrivilege) and "row-level security" in str(error):
            return RowRefused(str(error).splitlines()[0])
    elif not isinstance(error, PoolTimeout):
        return error
    refused = StoreUnavailable("the database refused the transaction; nothing was changed")
    refused.__cause__ = error
    return refused


async def open_postgres(url: str, role: Role, *, deadline_s: float | None = DEADLINE_S) -> PostgresDatabase:
    """Connect to a database whose schema is up to date (migrate_postgres.py). Raises StoreUnavailable."""
    database = PostgresDatabase(url, role, deadline_s=deadline_s)
    await asyncio.get_running_loop().run_in_executor(None, database.start)
    return database
