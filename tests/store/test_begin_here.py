# SPDX-License-Identifier: Apache-2.0
"""A commit runs on the event loop only where nothing waits and the disk was quick; everything else goes to the thread.

The timer is the test's, so that a busy machine makes no commit slow and a quick one none quick.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest
from tests.store.faulty_vfs import faulty_vfs
from tests.store.test_sqlite import Held, add_once, names, put

from customhouse.domain.errors import StoreUnavailable
from customhouse.store.database import DuplicateRow, Transaction
from customhouse.store.sqlite import (
    CHECKPOINT_PAGES,
    QUICK_COMMITS,
    QUICK_S,
    SqliteDatabase,
    SqliteTransaction,
    open_sqlite,
)

Story = Callable[[SqliteDatabase], Awaitable[None]]


@dataclass
class Timer:
    """Shows every commit as long as `step_s`."""

    step_s: float = 0
    now_s: float = 0

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


def in_quick_store(
    path: Path,
    story: Story,
    *,
    timer: Callable[[], float] | None = None,
    still_here: Callable[[], None] = lambda: None,
    vfs: str | None = None,
) -> None:
    """Tell a story of a store whose last commits were quick, unless the timer says otherwise."""

    async def main() -> None:
        database = await open_sqlite(path, vfs, still_here=still_here, timer=timer or Timer())
        try:
            for _ in range(QUICK_COMMITS):
                await database.begin(where)
            await story(database)
        finally:
            await database.close()

    asyncio.run(main())


def where(_tx: Transaction) -> bool:
    """Return whether the work runs on the event loop."""
    return threading.current_thread() is threading.main_thread()


def test_a_work_that_nothing_waits_beside_runs_before_begin_returns(tmp_path: Path) -> None:
    async def story(database: SqliteDatabase) -> None:
        begun = database.begin_here(put("a"))
        assert begun.done()
        assert await begun == 1
        assert names(tmp_path / "db") == {"a"}
        assert await database.begin_here(where)

    in_quick_store(tmp_path / "db", story)


def test_a_new_store_has_to_prove_first_that_it_is_quick(tmp_path: Path) -> None:
    async def main() -> None:
        database = await open_sqlite(tmp_path / "db", timer=Timer())
        ran = [await database.begin_here(where) for _ in range(QUICK_COMMITS + 1)]
        assert ran == [False] * QUICK_COMMITS + [True]
        await database.close()

    asyncio.run(main())


def test_while_the_thread_has_work_it_takes_all_of_it_in_order(tmp_path: Path) -> None:
    order: list[str] = []

    def note(name: str) -> Callable[[Transaction], bool]:
        def work(tx: Transaction) -> bool:
            order.append(name)
            return where(tx)

        return work

    async def story(database: SqliteDatabase) -> None:
        held = Held(database)
        await held.entered()
        begun = [database.begin(note("first")), database.begin_here(note("second"))]
        await held.go()
        assert await asyncio.gather(*begun) == [False, False]
        begun = [database.begin_unflushed(note("third")), database.begin_here(note("fourth"))]
        assert await asyncio.gather(*begun) == [False, False]
        assert order == ["first", "second", "third", "fourth"]
        assert await database.begin_here(where)

    in_quick_store(tmp_path / "db", story)


def test_one_slow_commit_sends_those_after_it_to_the_thread(tmp_path: Path) -> None:
    timer = Timer()

    async def story(database: SqliteDatabase) -> None:
        timer.step_s = 2 * QUICK_S
        assert await database.begin_here(where)
        timer.step_s = 0
        ran = [await database.begin_here(where) for _ in range(QUICK_COMMITS + 1)]
        assert ran == [False] * QUICK_COMMITS + [True]

    in_quick_store(tmp_path / "db", story, timer=timer)


def test_a_slow_disk_never_holds_up_the_event_loop(tmp_path: Path) -> None:
    async def main() -> None:
        with faulty_vfs() as faults:
            database = await open_sqlite(tmp_path / "db", "faulty")
            faults.slow_s = 2 * QUICK_S
            for n in range(2 * QUICK_COMMITS):
                begun = database.begin_here(put(f"{n}"))
                assert not begun.done()
                assert await begun == 1
            faults.slow_s = 0
            await database.close()

    asyncio.run(main())


def test_a_commit_that_waits_for_no_disk_says_nothing_about_the_disk(tmp_path: Path) -> None:
    timer = Timer(2 * QUICK_S)

    async def story(database: SqliteDatabase) -> None:
        timer.step_s = 0
        for _ in range(QUICK_COMMITS):
            await database.begin_unflushed(where)
        assert not await database.begin_here(where)

    in_quick_store(tmp_path / "db", story, timer=timer)


def test_a_work_that_raises_changes_nothing_and_the_next_one_runs(tmp_path: Path) -> None:
    def wrong(tx: Transaction) -> None:
        put("wrong")(tx)
        raise LookupError("mine")

    def careless(tx: Transaction) -> None:
        """Let a refused row pass: the transaction is refused all the same."""
        put("careless")(tx)
        with pytest.raises(DuplicateRow):
            add_once(tx)

    async def story(database: SqliteDatabase) -> None:
        await database.begin_here(add_once)
        with pytest.raises(LookupError, match="mine"):
            await database.begin_here(wrong)
        with pytest.raises(DuplicateRow):
            await database.begin_here(careless)
        assert names(tmp_path / "db") == set()
        assert await database.begin_here(where)
        await database.begin_here(put("a"))
        assert names(tmp_path / "db") == {"a"}

    in_quick_store(tmp_path / "db", story)


def test_another_process_that_writes_is_waited_for_by_the_thread(tmp_path: Path) -> None:
    def patience_ms(tx: Transaction) -> object:
        assert isinstance(tx, SqliteTransaction)
        return tx._connection.execute("PRAGMA busy_timeout").fetchone()  # pyright: ignore[reportPrivateUsage]

    async def story(database: SqliteDatabase) -> None:
        assert await database.begin_here(patience_ms) == (0,)
        other = apsw.Connection(str(tmp_path / "db"))
        other.execute("BEGIN IMMEDIATE")
        begun = database.begin_here(where)
        assert not begun.done()
        other.execute("ROLLBACK")
        other.close()
        assert not await begun

    in_quick_store(tmp_path / "db", story)


def test_a_failing_disk_is_told_and_the_fsync_of_a_commit_here_is_a_real_one(tmp_path: Path) -> None:
    async def story(database: SqliteDatabase) -> None:
        await database.begin_unflushed(put("soon"))
        faults.fault = "fsync"
        begun = database.begin_here(put("lost"))
        assert begun.done()
        with pytest.raises(StoreUnavailable, match="nothing was changed"):
            await begun
        assert faults.met == 1
        faults.fault = None
        await database.begin_here(put("a"))
        assert names(tmp_path / "db") == {"soon", "a"}

    with faulty_vfs() as faults:
        in_quick_store(tmp_path / "db", story, vfs="faulty")


def test_a_file_that_has_moved_away_takes_nothing(tmp_path: Path) -> None:
    moved = threading.Event()

    def still_here() -> None:
        if moved.is_set():
            raise StoreUnavailable("moved")

    async def story(database: SqliteDatabase) -> None:
        moved.set()
        with pytest.raises(StoreUnavailable, match="moved"):
            await database.begin_here(put("late"))
        assert names(tmp_path / "db") == set()

    in_quick_store(tmp_path / "db", story, still_here=still_here)


def test_a_closed_database_takes_no_work_here_either(tmp_path: Path) -> None:
    async def story(database: SqliteDatabase) -> None:
        await database.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            await database.begin_here(put("late"))

    in_quick_store(tmp_path / "db", story)
    assert names(tmp_path / "db") == set()


def test_where_two_event_loops_share_a_database_nothing_runs_here(tmp_path: Path) -> None:
    """Who is idle is counted without a lock, on one loop."""

    async def story(database: SqliteDatabase) -> None:
        async def elsewhere() -> None:
            await database.transact(put("there"))

        await asyncio.to_thread(asyncio.run, elsewhere())
        assert not await database.begin_here(where)
        assert names(tmp_path / "db") == {"there"}

    in_quick_store(tmp_path / "db", story)


def test_a_long_log_is_copied_by_the_thread(tmp_path: Path) -> None:
    def add_much(tx: Transaction) -> None:
        tx.act_for("much")
        tx.run("tenant_key_insert", tenant="much", wrapped=bytes(CHECKPOINT_PAGES * 4096), now_us=0)

    async def story(database: SqliteDatabase) -> None:
        path = tmp_path / "db"
        await database.begin_here(add_much)
        assert path.stat().st_size < CHECKPOINT_PAGES * 4096
        assert not await database.begin_here(where)
        await database.begin(put("a"))
        assert path.stat().st_size > CHECKPOINT_PAGES * 4096

    in_quick_store(tmp_path / "db", story)
