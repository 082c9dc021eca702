# SPDX-License-Identifier: Apache-2.0
"""Transactions: durable on return, one after the other for people, one failure alone, one state for one read."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from tests.conformance.stores import Held, Store, Story, put, queued

from customhouse.domain.errors import StoreUnavailable
from customhouse.store.database import Database, DuplicateRow, RowRefused, TenantUnset, Transaction, ValueRefused

ROOT: Final = Path(__file__).parent.parent.parent
HUGE: Final = 2**63 - 1
TEXTS: Final = (
    "",
    "plain",
    "Straße ☃ 日本語 🏠",
    "e\u0301",
    "a\nb\tc\x01\x7f",
    "'; DROP TABLE pin; --",
    "%s :name ?",
    "\ufffd",
)
BYTES: Final = (b"", b"\x00", b"a\x00b\x00", bytes(range(256)), b"\\x00", b"\xff" * 70_000)


def tell(store: Store, story: Story, role: str = "control") -> None:
    async def main() -> None:
        async with store.opened("gateway" if role == "gateway" else "control") as database:
            await story(database)

    asyncio.run(main())


def key(tenant: str, wrapped: bytes = b"k") -> Callable[[Transaction], int]:
    """Return a work that keeps a tenant's key: a second one is a duplicate."""

    def work(tx: Transaction) -> int:
        tx.act_for(tenant)
        return tx.run("tenant_key_insert", tenant=tenant, wrapped=wrapped, now_us=1)

    return work


def keys(store: Store) -> set[str]:
    return {str(row[0]) for row in store.asked("SELECT tenant_id FROM tenant_key")}


def test_what_returned_is_seen_by_everybody_else(store: Store) -> None:
    async def story(database: Database) -> None:
        for number in range(20):
            assert await database.transact(put(f"bot-{number}")) == 1
            assert store.names() == {f"bot-{n}" for n in range(number + 1)}

    tell(store, story)


@pytest.mark.parametrize("role", ["control", "gateway"])
def test_what_waits_for_no_disk_is_seen_by_everybody_else_all_the_same(store: Store, role: str) -> None:
    async def story(database: Database) -> None:
        assert await database.begin_unflushed(key("acme")) == 1
        assert keys(store) == {"acme"}
        with pytest.raises(DuplicateRow):
            await database.begin_unflushed(key("acme"))
        works = [database.begin_unflushed(key("bolt")), database.begin(key("coil"))]
        assert await asyncio.gather(*works) == [1, 1]
        assert keys(store) == {"acme", "bolt", "coil"}

    tell(store, story, role)


def test_what_returned_survives_the_process(store: Store) -> None:
    command = [sys.executable, "-m", "tests.conformance.writing_child", str(store.place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().strip() for _ in range(40)]
        process.kill()
        said += process.stdout.read().split("\n")[:-1]  # what was printed whole before it died
    assert len({*said}) >= 40
    assert {*said} <= store.names()


def add_one(tx: Transaction) -> None:
    """Read a number, then write the next one: two of these at a time would lose one."""
    found = tx.row("environment_get", name="dev")
    assert found is not None
    assert isinstance(found[2], int)
    tx.run("environment_set_reviewers", name="dev", reviewers=found[2] + 1)


def test_verbs_run_one_after_the_other_also_from_other_objects(store: Store) -> None:
    async def many() -> None:
        async with store.opened() as database:
            await asyncio.gather(*(database.transact(add_one) for _ in range(40)))

    async def story(database: Database) -> None:
        await database.transact(lambda tx: tx.run("environment_ensure", name="dev", reviewers=0))
        await asyncio.gather(*(many() for _ in range(3)))

    tell(store, story)
    assert store.asked("SELECT reviewers FROM environment") == [(120,)]


@pytest.mark.parametrize("role", ["control", "gateway"])
def test_a_work_that_raises_is_undone_alone_and_its_error_is_its_callers(store: Store, role: str) -> None:
    """Works may share a commit: then each is run again by itself, and every row is there once all the same."""

    def wrong(tx: Transaction) -> None:
        key("wrong")(tx)
        raise LookupError("mine")

    async def story(database: Database) -> None:
        works = [key("a"), wrong, key("b"), key("taken"), key("taken"), wrong, key("c")]
        results = await asyncio.gather(*(database.begin(work) for work in works), return_exceptions=True)
        kinds = [type(result) if isinstance(result, Exception) else result for result in results]
        assert [*kinds[:3], *kinds[5:]] == [1, LookupError, 1, LookupError, 1]
        assert sorted(kinds[3:5], key=str) == [1, DuplicateRow]

    tell(store, story, role)
    assert keys(store) == {"a", "b", "c", "taken"}


@pytest.mark.parametrize("role", ["control", "gateway"])
@pytest.mark.parametrize("verb", ["row", "run", "run_many"])
def test_a_duplicate_ends_the_work_even_one_that_goes_on(store: Store, role: str, verb: str) -> None:
    """PostgreSQL rolls such a transaction back at its COMMIT, and says so to nobody who does not ask."""

    def again(tx: Transaction) -> None:
        values = {"tenant": "taken", "wrapped": b"", "now_us": 2}
        match verb:
            case "row":
                tx.row("tenant_key_insert", **values)
            case "run":
                tx.run("tenant_key_insert", **values)
            case _:
                tx.run_many("tenant_key_insert", [values])

    def stubborn(tx: Transaction) -> str:
        key("other")(tx)
        tx.act_for("taken")
        try:
            again(tx)
        except DuplicateRow:
            return "it does not matter"
        return "new"

    async def story(database: Database) -> None:
        await database.begin(key("taken"))
        with pytest.raises(DuplicateRow):
            await database.begin(stubborn)
        assert keys(store) == {"taken"}, "half a work is no work"
        assert await database.begin(key("later")) == 1, "and the next one is not concerned"

    tell(store, story, role)


def test_many_rows_are_one_statement_that_counts_or_does_not(store: Store) -> None:
    def works(tx: Transaction) -> list[int]:
        tx.act_for("acme")
        rows = [{"tenant": "acme", "name": f"n{n}", "trace_id": "t"} for n in range(5)]
        counts = [tx.run_many("reference_insert", rows), tx.run_many("reference_insert", rows[:2])]
        tx.put_many("reference_insert", [{"tenant": "acme", "name": "put", "trace_id": "t"}])
        tx.put_many("reference_insert", [])
        return [*counts, tx.run_many("reference_insert", [])]

    tell(store, lambda database: _equals(database.begin(works), [5, 0, 0]), "gateway")
    assert {row[0] for row in store.asked("SELECT name FROM reference")} == {"n0", "n1", "n2", "n3", "n4", "put"}


async def _equals(done: "asyncio.Future[list[int]]", expected: list[int]) -> None:
    assert await done == expected


def test_whoever_acts_for_nobody_or_another_is_stopped(store: Store) -> None:
    def unset(tx: Transaction) -> None:
        tx.rows("tenant_key_get", tenant="acme")

    def other(tx: Transaction) -> None:
        tx.act_for("acme")
        tx.rows("tenant_key_get", tenant="bolt")

    def later(tx: Transaction) -> None:
        key("first")(tx)
        other(tx)

    def many(tx: Transaction) -> None:
        tx.act_for("acme")
        rows = [{"tenant": tenant, "name": "n", "trace_id": "t"} for tenant in ("acme", "bolt")]
        tx.put_many("reference_insert", rows)

    async def story(database: Database) -> None:
        for call in (database.begin, database.transact, database.read):
            for work, error in ((unset, TenantUnset), (other, RowRefused), (many, RowRefused)):
                with pytest.raises(error):
                    await call(work)
        with pytest.raises(RowRefused):
            await database.transact(later)

    tell(store, story)
    assert keys(store) == set()
    assert store.asked("SELECT name FROM reference") == []


@pytest.mark.parametrize("role", ["control", "gateway"])
def test_a_query_for_each_tenant_acts_for_each_of_them(store: Store, role: str) -> None:
    def write(tx: Transaction) -> None:
        for tenant in ("acme", "bolt"):
            tx.act_for(tenant)
            tx.put_many("reference_insert", [{"tenant": tenant, "name": "n", "trace_id": f"of {tenant}"}])

    def look(tx: Transaction) -> object:
        found = tx.rows_of_each(
            "reference_find", [{"tenant": each, "name": "n"} for each in ("bolt", "nobody", "acme")]
        )
        alone = tx.rows("reference_find", tenant="acme", name="n")
        assert tx.rows_of_each("reference_find", []) == []
        return [[tuple(row) for row in rows] for rows in (*found, alone)]

    async def story(database: Database) -> None:
        await database.begin(write)
        expected = [[("of bolt",)], [], [("of acme",)], [("of acme",)]]
        assert await database.read(look) == expected
        assert await database.begin(look) == expected
        with pytest.raises(ValueRefused):
            await database.read(lambda tx: tx.rows_of_each("reference_find", [{"tenant": "acme", "name": "\x00"}]))

    tell(store, story, role)


def test_a_tenant_lasts_no_longer_than_its_transaction(store: Store) -> None:
    async def story(database: Database) -> None:
        await database.transact(key("acme"))
        for _ in range(10):  # whichever connection it gets
            with pytest.raises(TenantUnset):
                await database.read(lambda tx: tx.rows("tenant_key_get", tenant="acme"))

    tell(store, story)


def test_a_read_sees_one_state_and_writes_nothing(store: Store) -> None:
    begun, written = threading.Event(), threading.Event()

    def twice(tx: Transaction) -> list[int]:
        first = len(tx.rows("environments"))
        begun.set()
        assert written.wait(30)
        return [first, len(tx.rows("environments"))]

    async def story(database: Database) -> None:
        (reading,) = await queued(database.read(twice))
        assert await asyncio.to_thread(begun.wait, 30)
        await database.transact(lambda tx: tx.run("environment_ensure", name="dev", reviewers=0))
        written.set()
        assert await reading == [0, 0]
        assert len(await database.read(lambda tx: tx.rows("environments"))) == 1
        for work in (put("sneaked in"), add_one):
            try:
                await database.read(work)
            except StoreUnavailable:
                assert store.shared, "PostgreSQL says so, SQLite takes it back"

    tell(store, story)
    assert store.names() == set()
    assert store.asked("SELECT reviewers FROM environment") == [(0,)]


def test_values_come_back_as_they_went_in(store: Store) -> None:
    def write(tx: Transaction) -> None:
        for number, text in enumerate(TEXTS):
            values = {"id": f"k{number}", "key_hash": b"h%d" % number, "assistant": text, "environment": "dev"}
            tx.run(
                "api_key_insert",
                **values,
                tenants="t",
                delegate="",
                note=text,
                created_by=text,
                now_us=HUGE - number,
                workflow=text,
            )
        for number, content in enumerate(BYTES):
            tx.act_for(f"t{number}")
            tx.run("tenant_key_insert", tenant=f"t{number}", wrapped=content, now_us=-HUGE)

    def read(tx: Transaction) -> None:
        for number, text in enumerate(TEXTS):
            found = tx.row("api_key_get", id=f"k{number}")
            assert found == (f"k{number}", text, "dev", "t", "", text, text, HUGE - number, None, text)
        for number, content in enumerate(BYTES):
            tx.act_for(f"t{number}")
            assert tx.row("tenant_key_get", tenant=f"t{number}") == (content,)

    async def story(database: Database) -> None:
        await database.transact(write)
        await database.read(read)
        await database.transact(read)

    tell(store, story)


def test_rows_sort_by_bytes(store: Store) -> None:
    """Whatever the server's collation is: the same names stand in the same order on both stores."""
    names = ["Z", "a", "B", "ä", "z", "_", "é", "🏠"]

    def write(tx: Transaction) -> None:
        for name in names:
            tx.run("environment_ensure", name=name, reviewers=0)

    async def story(database: Database) -> None:
        await database.transact(write)
        found = [row[0] for row in await database.read(lambda tx: tx.rows("environments"))]
        assert found == sorted(names, key=str.encode)

    tell(store, story)


@pytest.mark.parametrize("role", ["control", "gateway"])
def test_a_text_with_nul_is_refused_and_alone(store: Store, role: str) -> None:
    """PostgreSQL cannot keep one; if SQLite did, an installation could not move."""

    def refused(tx: Transaction) -> None:
        tx.act_for("acme")
        tx.put_many("reference_insert", [{"tenant": "acme", "name": "call\x00", "trace_id": "t"}])

    def looked_up(tx: Transaction) -> None:
        tx.act_for("acme")
        tx.rows("reference_find", tenant="acme", name="\x00")

    async def story(database: Database) -> None:
        works = [key("a"), refused, key("b"), looked_up]
        results = await asyncio.gather(*(database.begin(work) for work in works), return_exceptions=True)
        assert [type(result) for result in results] == [int, ValueRefused, int, ValueRefused]

    tell(store, story, role)
    assert keys(store) == {"a", "b"}
    assert store.asked("SELECT name FROM reference") == []


def test_a_text_that_is_no_unicode_is_refused(store: Store) -> None:
    async def story(database: Database) -> None:
        with pytest.raises(UnicodeEncodeError):
            await database.transact(put("\ud800"))
        assert await database.transact(put("fine")) == 1

    tell(store, story)
    assert store.names() == {"fine"}


def test_the_queue_is_bounded_and_says_so(store: Store) -> None:
    async def story(database: Database) -> None:
        held = Held(database, store.threads)
        await held.entered()
        room = store.bound - (store.threads if store.shared else 0)
        works = [database.read(lambda tx: tx.rows("environments")) for _ in range(room + 1)]
        tasks = await queued(*works)
        with pytest.raises(StoreUnavailable, match=r"too many transactions are waiting"):
            await tasks[-1]
        assert not any(task.done() for task in tasks[:-1])
        await held.go()
        assert await asyncio.gather(*tasks[:-1]) == [[]] * room, "nothing was dropped"
        assert await database.read(lambda tx: tx.rows("environments")) == []

    tell(store, story)


def test_closing_finishes_what_was_queued_and_takes_no_more(store: Store) -> None:
    async def main() -> None:
        async with store.opened() as database:
            tasks = await queued(*(database.transact(put(f"{n}")) for n in range(60)))
            await database.close()
            assert await asyncio.gather(*tasks) == [1] * 60
            for late in (database.transact(put("late")), database.read(put("late"))):
                with pytest.raises(StoreUnavailable, match=r"closed"):
                    await late

    asyncio.run(main())
    assert store.names() == {f"{n}" for n in range(60)}


def test_the_work_of_a_caller_who_left_lands_all_the_same_or_not_at_all(store: Store) -> None:
    async def main() -> None:
        async with store.opened() as database:
            (left, stayed) = await queued(database.transact(put("left")), database.transact(put("stayed")))
            left.cancel()
            assert await stayed == 1
            assert left.cancelled()

    asyncio.run(main())
    assert store.names() == {"left", "stayed"}


def test_a_change_elsewhere_is_heard_of_or_waited_for(store: Store) -> None:
    """PostgreSQL tells; a SQLite file tells nobody, so whoever waits looks again after the time in any case."""

    async def story(database: Database) -> None:
        assert await database.changed(0.01) is store.shared, "nobody listened before the first call"
        assert await database.changed(0.01) is False
        async with store.opened() as other:
            bump: Callable[[Transaction], int] = lambda tx: tx.run("access_generation_bump")  # noqa: E731 - a value
            await other.transact(bump)
            if store.shared:
                assert await database.changed(20) is True
            assert await database.changed(0.01) is False
            with pytest.raises(LookupError):
                await other.transact(lambda tx: _undone(tx, bump))
        assert await database.changed(0.01) is False, "what was undone is no change"

    tell(store, story)


def _undone(tx: Transaction, work: Callable[[Transaction], int]) -> None:
    work(tx)
    raise LookupError
