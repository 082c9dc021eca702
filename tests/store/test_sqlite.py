# SPDX-License-Identifier: Apache-2.0
"""What the store promises: durable when it returns, one failure alone, no lost update, one state for one read."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, cast

import apsw
import pytest
from tests.store.faulty_vfs import faulty_vfs

from customhouse.domain.errors import StoreUnavailable
from customhouse.store.database import Database, DuplicateRow, Transaction
from customhouse.store.sqlite import SqliteDatabase, SqliteTransaction, open_sqlite

Story = Callable[[SqliteDatabase], Awaitable[None]]
COUNTER: Final = "counter"


def in_store(path: Path, story: Story) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            database = await open_sqlite(path)
            stack.push_async_callback(database.close)
            await story(database)

    asyncio.run(main())


def put(name: str) -> Callable[[Transaction], int]:
    """Return a work that adds one row."""
    return lambda tx: tx.run("base_put", environment="dev", assistant=name, release_number=1)


def add_once(tx: Transaction) -> None:
    tx.act_for("taken")
    tx.run("tenant_key_insert", tenant="taken", wrapped=b"", now_us=0)


def names(path: Path) -> set[str]:
    """Return the rows that `put` wrote, read by a connection of our own."""
    connection = apsw.Connection(str(path))
    try:
        return {
            str(name)
            for (name,) in cast("list[tuple[str]]", connection.execute("SELECT assistant FROM base_release").fetchall())
        }
    finally:
        connection.close()


class Held:
    """Keeps the writing thread busy until it is let go, so that what follows queues up behind it."""

    def __init__(self, database: Database) -> None:
        self._entered = threading.Event()
        self._go = threading.Event()
        self._done = asyncio.ensure_future(database.transact(self._work))

    def _work(self, _tx: Transaction) -> None:
        self._entered.set()
        assert self._go.wait(30)

    async def entered(self) -> None:
        await asyncio.to_thread(self._entered.wait, 30)

    async def go(self) -> None:
        self._go.set()
        await self._done


async def queued(*works: Awaitable[object]) -> Sequence[asyncio.Future[object]]:
    """Start works and return once each of them stands in the queue."""
    tasks = [asyncio.ensure_future(work) for work in works]
    await asyncio.sleep(0)  # every task runs up to its place in the queue
    return tasks


def test_works_that_wait_share_a_commit(tmp_path: Path) -> None:
    numbers = iter(range(5))

    def look_from_outside(tx: Transaction) -> object:
        put(f"bot-{next(numbers)}")(tx)
        return names(tmp_path / "db")

    async def story(database: SqliteDatabase) -> None:
        held = Held(database)
        await held.entered()
        tasks = await queued(*(database.transact(look_from_outside) for _ in range(5)))
        await held.go()
        # While the five ran, another connection saw none of them: one commit holds them all.
        assert await asyncio.gather(*tasks) == [set[str]()] * 5
        assert len(names(tmp_path / "db")) == 5

    in_store(tmp_path / "db", story)


def test_what_returned_is_seen_by_everybody(tmp_path: Path) -> None:
    async def story(database: SqliteDatabase) -> None:
        assert await database.transact(put("a")) == 1
        assert names(tmp_path / "db") == {"a"}

    in_store(tmp_path / "db", story)


def test_a_work_that_raises_fails_alone(tmp_path: Path) -> None:
    def wrong(tx: Transaction) -> None:
        put("wrong")(tx)
        raise LookupError("mine")

    async def story(database: SqliteDatabase) -> None:
        held = Held(database)
        await held.entered()
        works = [put("a"), wrong, put("b"), add_once, add_once, put("c")]
        tasks = await queued(*(database.transact(work) for work in works))
        await held.go()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        kinds = [type(result) if isinstance(result, Exception) else result for result in results]
        assert kinds == [1, LookupError, 1, None, DuplicateRow, 1]
        assert names(tmp_path / "db") == {"a", "b", "c"}

    in_store(tmp_path / "db", story)


def test_a_busy_database_refuses_all_who_wait_and_writes_nothing(tmp_path: Path) -> None:
    async def story(database: SqliteDatabase) -> None:
        def hurried(tx: Transaction) -> None:
            assert isinstance(tx, SqliteTransaction)
            tx._connection.set_busy_timeout(1)  # pyright: ignore[reportPrivateUsage]

        await database.transact(hurried)
        other = apsw.Connection(str(tmp_path / "db"))
        other.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(*(database.transact(put(f"{n}")) for n in range(9)), return_exceptions=True)
        assert {type(result) for result in results} == {StoreUnavailable}
        assert isinstance(cast("StoreUnavailable", results[0]).__cause__, apsw.BusyError)
        other.execute("ROLLBACK")
        assert names(tmp_path / "db") == set()
        await database.transact(put("later"))
        assert names(tmp_path / "db") == {"later"}
        other.close()

    in_store(tmp_path / "db", story)


def test_the_work_of_a_caller_who_left_lands_all_the_same(tmp_path: Path) -> None:
    async def story(database: SqliteDatabase) -> None:
        held = Held(database)
        await held.entered()
        (left, stayed) = await queued(database.transact(put("left")), database.transact(put("stayed")))
        left.cancel()
        await held.go()
        assert await stayed == 1
        assert left.cancelled()
        assert names(tmp_path / "db") == {"left", "stayed"}

    in_store(tmp_path / "db", story)


def test_closing_finishes_what_was_queued_and_takes_no_more(tmp_path: Path) -> None:
    async def main() -> None:
        database = await open_sqlite(tmp_path / "db")
        held = Held(database)
        await held.entered()
        tasks = await queued(*(database.transact(put(f"{n}")) for n in range(300)))
        (closing,) = await queued(database.close())
        await held.go()
        assert await asyncio.gather(*tasks) == [1] * 300
        await closing
        await database.close()
        for late in (database.transact(put("late")), database.read(lambda tx: tx.rows("environments"))):
            with pytest.raises(StoreUnavailable, match=r"closed"):
                await late

    asyncio.run(main())
    assert names(tmp_path / "db") == {f"{n}" for n in range(300)}


def test_sqlites_own_errors_are_told_as_unavailable(tmp_path: Path) -> None:
    def to_nowhere(tx: Transaction) -> None:
        put("undone")(tx)
        tx.run("environment_ensure", name="dev", reviewers=0)

    async def story(database: SqliteDatabase) -> None:
        vandal = apsw.Connection(str(tmp_path / "db"))
        vandal.execute("DROP TABLE environment")
        vandal.close()
        for call in (database.transact, database.read):
            with pytest.raises(StoreUnavailable, match=r"nothing was changed") as caught:
                await call(to_nowhere)
            assert isinstance(caught.value.__cause__, apsw.Error)
        with pytest.raises(KeyError):
            await database.transact(lambda tx: tx.run("no_such_query"))
        assert names(tmp_path / "db") == set()

    in_store(tmp_path / "db", story)


def test_a_read_writes_nothing(tmp_path: Path) -> None:
    async def story(database: SqliteDatabase) -> None:
        await database.read(put("sneaked in"))
        assert names(tmp_path / "db") == set()

    in_store(tmp_path / "db", story)


def advance(tx: Transaction) -> bool:
    """Move a generation by compare-and-set, as every change of pins does."""
    found = tx.row("environment_get", name=COUNTER)
    assert found is not None
    moved = tx.row("environment_advance", name=COUNTER, now_us=0, expected_generation=found[1])
    return moved is not None


async def count(path: Path, times: int) -> None:
    """Advance the counter, from an own database object, which a second process may do as well."""
    database = await open_sqlite(path)
    try:
        await database.transact(lambda tx: tx.run("environment_ensure", name=COUNTER, reviewers=0))
        results = await asyncio.gather(*(database.transact(advance) for _ in range(times)))
        assert all(results)
    finally:
        await database.close()


def generation(path: Path) -> object:
    connection = apsw.Connection(str(path))
    try:
        return connection.execute("SELECT generation FROM environment").fetchone()
    finally:
        connection.close()


def test_two_databases_on_one_file_lose_no_update(tmp_path: Path) -> None:
    async def main() -> None:
        await asyncio.gather(*(count(tmp_path / "db", 150) for _ in range(3)))

    asyncio.run(main())
    assert generation(tmp_path / "db") == (450,)


def test_two_processes_on_one_file_lose_no_update(tmp_path: Path) -> None:
    path = tmp_path / "db"
    program = f"import asyncio, pathlib, runpy\nmodule = runpy.run_path({__file__!r})\n"
    program += f"asyncio.run(module['count'](pathlib.Path({str(path)!r}), 100))\n"
    other = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    asyncio.run(count(path, 100))
    _, said = other.communicate(timeout=60)
    assert other.returncode == 0, said
    assert generation(path) == (200,)


def test_two_event_loops_may_share_a_database(tmp_path: Path) -> None:
    """The API's tests and the gateway's server do: each caller is woken in its own loop."""

    async def story(database: SqliteDatabase) -> None:
        def elsewhere() -> None:
            asyncio.run(put_all("there"))

        async def put_all(where: str) -> None:
            await asyncio.gather(*(database.transact(put(f"{where}-{n}")) for n in range(50)))

        await asyncio.gather(asyncio.to_thread(elsewhere), put_all("here"))
        assert len(names(tmp_path / "db")) == 100

    in_store(tmp_path / "db", story)


def test_a_new_database_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "customhouse.db"

    async def story(database: SqliteDatabase) -> None:
        await database.transact(put("a"))

    in_store(path, story)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_work_that_waits_for_no_disk_makes_no_fsync_and_the_next_one_does(tmp_path: Path) -> None:
    """One log, written in order: the fsync of a later commit makes durable what was committed before it."""

    async def story() -> None:
        with faulty_vfs() as faults:
            database = await open_sqlite(tmp_path / "db", "faulty")
            await database.transact(put("durable"))
            faults.fault = "fsync"
            assert await database.begin_unflushed(put("soon")) == 1
            assert faults.met == 0
            with pytest.raises(StoreUnavailable):
                await database.begin(put("durable too"))
            assert faults.met == 1
            faults.fault = None
            await database.close()

    asyncio.run(story())
