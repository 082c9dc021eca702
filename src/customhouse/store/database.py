# SPDX-License-Identifier: Apache-2.0
"""What the rooms need of a database: named queries inside transactions that are durable when they return."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import LiteralString, Protocol, TypeVar

T = TypeVar("T")
Value = str | int | bytes | None
Row = tuple[Value, ...]


class DuplicateRow(Exception):  # noqa: N818 - a fact that the caller expects and decides on, not a failure
    """A unique constraint refused a row: someone else was first. Raised by `Transaction.run` and `Transaction.row`.

    It ends the work: one that goes on all the same changes nothing, and its caller gets this in any case.
    """


class TenantUnset(Exception):  # noqa: N818 - a mistake of the caller's code, told apart from a refusal
    """A query touched a tenant's table before `Transaction.act_for` said whose rows it may see. Nothing was done."""


class RowRefused(Exception):  # noqa: N818 - as above
    """A query named another tenant than the one that the transaction acts for. Nothing was done."""


class ValueRefused(Exception):  # noqa: N818 - as above
    """A text holds a NUL character, which PostgreSQL keeps in none. Nothing was done."""


class Transaction(Protocol):
    """One transaction. Queries are named after their `-- name --` header in store/sql; values are bound by name."""

    def act_for(self, tenant: str, /) -> None:
        """Say whose rows the following queries may touch, until the next call or the transaction's end.

        Without it a query on a tenant's table raises TenantUnset; with it, one that names another tenant raises
        RowRefused, and on PostgreSQL row security hides every other tenant's rows from a query that names none.
        """
        ...

    def rows(self, query: LiteralString, /, **values: Value) -> list[Row]:
        """Run a query and return its rows, in the query's column order."""
        ...

    def row(self, query: LiteralString, /, **values: Value) -> Row | None:
        """Run a query that gives at most one row."""
        ...

    def rows_of_each(self, query: LiteralString, each: Sequence[Mapping[str, Value]], /) -> list[list[Row]]:
        """Run a query once for each row of values, acting for the :tenant that it names; return the rows of each.

        Cost on PostgreSQL: one round trip, however many there are.
        """
        ...

    def run(self, query: LiteralString, /, **values: Value) -> int:
        """Run a statement and return how many rows it changed."""
        ...

    def run_many(self, query: LiteralString, rows: Sequence[Mapping[str, Value]], /) -> int:
        """Run a statement once for each row of values, which all have the same names; return how many rows changed."""
        ...

    def put_many(self, query: LiteralString, rows: Sequence[Mapping[str, Value]], /) -> None:
        """Like `run_many`, for whoever needs no count: what the database refuses is raised here or at the commit."""
        ...


class Readable(Protocol):
    """A database as whoever only reads it needs it."""

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on one consistent state of the database, without writing."""
        ...


class Database(Protocol):
    """A database. Raises StoreUnavailable when it cannot answer; an exception from `work` undoes that work alone."""

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one serialised writing transaction; on return it is durable (fsync).

        Works may share a commit. When one of them raises, each is run again by itself, so a work must change nothing
        but the database.
        """
        ...

    def begin(self, work: Callable[[Transaction], T]) -> "asyncio.Future[T]":
        """Queue a turn's `work` and return at once; the future ends as `transact` would.

        On PostgreSQL such works run beside each other: they add rows and compare nothing that others change.
        """
        ...

    def begin_here(self, work: Callable[[Transaction], T]) -> "asyncio.Future[T]":
        """As `begin`; a store may run the `work` before it returns, while nothing else waits and its disk is quick.

        For whoever knows that nobody else's turn would wait meanwhile: the event loop stands still for as long.
        """
        ...

    def begin_unflushed(self, work: Callable[[Transaction], T]) -> "asyncio.Future[T]":
        """Queue a `work` that waits for no disk: when the future ends others see it, and a crash may still forget it.

        It is durable as soon as anything is that was committed after it: both stores have one log, written in order.
        """
        ...

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on one consistent state of the database, without writing."""
        ...

    async def changed(self, timeout_s: float) -> bool:
        """Wait until another process may have changed pins, switches, keys or people; False after `timeout_s`.

        A hint that makes replicas quick: whoever waits here looks again in either case. Raises StoreUnavailable.
        """
        ...

    async def close(self) -> None:
        """Finish what was queued, then close."""
        ...
