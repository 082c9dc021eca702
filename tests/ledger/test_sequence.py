# SPDX-License-Identifier: Apache-2.0
"""The sequencer: contiguous places in the order of acknowledgement, one leader, a fence that an old one cannot pass."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import psycopg
import pytest
from tests.ledger.book import CLOCK, Book, asked, in_book, open_book, record

from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import LedgerUnavailable, StoreUnavailable
from customhouse.ledger import leader, partition, sequence_tables, tables, trace
from customhouse.ledger.entry import Entry
from customhouse.ledger.sequence import BATCH, Duty, Fenced, Sequencer
from customhouse.store.database import Database, DuplicateRow, Transaction
from customhouse.store.leadership import SEQUENCER_LOCK, Leadership
from customhouse.store.postgres import open_postgres


def entries(count: int, tenant: str = "default", trace_id: str = "trace") -> list[Entry]:
    return [Entry(record(tenant=tenant, trace_id=trace_id, detail={"n": n})) for n in range(count)]


class AlwaysElected:
    """An election that everybody wins: what remains when the lock is lost without anybody noticing."""

    async def win(self) -> bool:
        return True

    async def keep(self) -> bool:
        return True

    async def resign(self) -> None:
        pass


class Unanswered(AlwaysElected):
    """An election that cannot be held, because the database is away: asked `times`, then nobody is elected."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.over = asyncio.Event()

    async def win(self) -> bool:
        self.times -= 1
        if self.times < 0:
            self.over.set()
            return False
        raise StoreUnavailable("the database is away")


@asynccontextmanager
async def sequencers(url: str, count: int) -> AsyncGenerator[list[Sequencer]]:
    databases: list[Database] = [await open_postgres(url, "sequencer") for _ in range(count)]
    try:
        yield [
            Sequencer(database, AlwaysElected(), CLOCK, f"replica-{n}") for n, database in enumerate(databases, start=1)
        ]
    finally:
        for database in databases:
            await database.close()


def test_staged_records_get_contiguous_places_in_each_log(postgres: str) -> None:
    async def story(book: Book) -> None:
        for number in range(5):
            await book.ledger.append(entries(300, ("acme", "bolt")[number % 2]))
        assert [(await book.verdict(tenant)).size for tenant in ("acme", "bolt")] == [900, 600]
        for tenant, size in (("acme", 900), ("bolt", 600)):
            found = book.asked("SELECT position FROM evidence WHERE tenant_id = ? ORDER BY position", tenant)
            assert [row[0] for row in found] == list(range(size))
        assert book.asked("SELECT COUNT(*) FROM evidence_staged") == [(0,)]

    in_book(postgres, story)


def test_records_keep_the_order_in_which_they_were_acknowledged(postgres: str) -> None:
    """Several replicas write one trace, each after the one before was acknowledged, while the sequencer works."""

    async def story(book: Book) -> None:
        assert book.sequencer is not None
        async with open_book(postgres) as other:
            running = asyncio.ensure_future(book.sequencer.run())
            for turn in range(60):
                ledger = (book, other)[turn % 2].ledger
                noise = [ledger.append(entries(3, "noise", f"noise-{turn}-{n}")) for n in range(4)]
                await ledger.append([Entry(record(detail={"n": turn}))])
                await asyncio.gather(*noise)
            running.cancel()
            await asyncio.wait([running])
        await book.settle()
        found = await book.control.read(lambda tx: trace.read(tx, "default", "trace"))
        assert [(step.record.detail or {})["n"] for step in found.steps] == list(range(60))
        assert [step.position for step in found.steps] == list(range(60))

    in_book(postgres, story)


def test_more_than_a_batch_is_placed_in_several(postgres: str) -> None:
    async def story(book: Book) -> None:
        assert book.sequencer is not None
        await book.ledger.append(entries(BATCH + 5))
        await book.sequencer.elect()
        assert [await book.sequencer.step() for _ in range(3)] == [BATCH, 5, 0]

    in_book(postgres, story)


def test_a_leader_that_goes_on_after_another_was_elected_writes_nothing(postgres: str) -> None:
    async def story(book: Book) -> None:
        async with sequencers(postgres, 2) as (old, new):
            await old.elect()
            await book.ledger.append(entries(3))
            assert await old.step() == 3
            await book.ledger.append(entries(4))
            assert await new.elect() == 2
            with pytest.raises(Fenced, match="epoch 1 is over"):
                await old.step()
            assert await new.step() == 4
            await book.ledger.append(entries(2))
            with pytest.raises(Fenced):
                await old.step()
        assert (await book.verdict()).size == 9
        terms = book.asked("SELECT epoch, replica FROM sequencer_term ORDER BY epoch")
        assert terms[:2] == [(1, "replica-1"), (2, "replica-2")]

    in_book(postgres, story)


def test_two_sequencers_that_both_believe_they_lead_make_one_chain(postgres: str) -> None:
    """Neither asks for a lock, each elects itself whenever it was fenced off: the fence alone keeps the log whole."""

    async def lead(sequencer: Sequencer, until: asyncio.Event) -> int:
        fenced = 0
        while not until.is_set():
            try:
                await sequencer.step()
            except (Fenced, DuplicateRow, StoreUnavailable):
                fenced += 1
                await sequencer.elect()
        return fenced

    async def story(book: Book) -> None:
        done = asyncio.Event()
        async with sequencers(postgres, 2) as both:
            leading = [asyncio.ensure_future(lead(each, done)) for each in both]
            for number in range(40):
                await asyncio.gather(*(book.ledger.append(entries(5, tenant, f"t{number}")) for tenant in ("a", "b")))
            done.set()
            fenced = await asyncio.gather(*leading)
        assert sum(fenced) > 2
        assert [(await book.verdict(tenant)).size for tenant in ("a", "b")] == [200, 200]
        assert [(await book.verdict(tenant)).broken_at for tenant in ("a", "b")] == [None, None]

    in_book(postgres, story)


def test_a_fenced_leader_in_the_middle_of_a_batch_holds_the_next_one_up_only_until_its_transaction_ends(
    postgres: str,
) -> None:
    async def story(book: Book) -> None:
        async with sequencers(postgres, 2) as (old, new):
            epoch = await old.elect()
            assert epoch is not None
            held, go = asyncio.Event(), asyncio.Event()
            loop = asyncio.get_running_loop()

            def paused(tx: Transaction) -> bool:
                fenced = sequence_tables.holds_term(tx, epoch)
                loop.call_soon_threadsafe(held.set)
                asyncio.run_coroutine_threadsafe(go.wait(), loop).result(10)
                return fenced

            pausing = old._database.begin(paused)  # pyright: ignore[reportPrivateUsage]
            await held.wait()
            electing = asyncio.ensure_future(new.elect())
            await book.ledger.append(entries(1))
            assert not electing.done()
            go.set()
            assert await pausing is True
            assert await electing == epoch + 1

    in_book(postgres, story)


def test_one_of_several_replicas_leads_and_the_next_follows_when_its_session_ends(postgres: str) -> None:
    async def story(_: Book) -> None:
        one, two = (Leadership(postgres, "sequencer", SEQUENCER_LOCK) for _ in range(2))
        assert (await one.win(), await two.win()) == (True, False)
        assert (await one.keep(), await two.keep()) == (True, False)
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s AND state = 'idle'"
        asked(postgres, ended, "customhouse-sequencer-lock")
        assert await one.keep() is False
        with pytest.raises(StoreUnavailable):
            await two.win()  # its session ended too, and it says so before it asks anew
        assert (await two.win(), await one.win()) == (True, False)
        await two.resign()
        while not await one.win():  # the server frees the lock when it notices that the session has ended
            pass
        await one.resign()

    in_book(postgres, story)


FAILURES = [StoreUnavailable("this one never works"), ValueError("a newer replica's record"), LedgerUnavailable()]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_a_duty_runs_under_the_fence_and_a_failing_one_stops_nothing(postgres: str, failure: Exception) -> None:
    async def story(book: Book) -> None:
        assert book.sequencer is not None
        done, tried = asyncio.Event(), list[str]()
        loop = asyncio.get_running_loop()

        def note(tx: Transaction) -> None:
            tried.append("note")
            assert tables.logs(tx) is not None
            loop.call_soon_threadsafe(done.set)

        def fail(_tx: Transaction) -> None:
            tried.append("fail")
            raise failure

        database = await open_postgres(postgres, "sequencer")
        leadership = Leadership(postgres, "sequencer", SEQUENCER_LOCK)
        sequencer = Sequencer(database, leadership, CLOCK, "r", (Duty("fails", fail), Duty("notes", note)))
        running = asyncio.ensure_future(sequencer.run())
        await done.wait()
        assert sequencer.progress.epoch is not None
        running.cancel()
        await asyncio.wait([running])
        assert tried[:2] == ["fail", "note"]
        assert sequencer.progress.epoch is None
        assert await book.sequencer.elect() is not None, "the lock is free at once"
        await database.close()

    in_book(postgres, story)


def test_a_staged_record_is_in_its_trace_before_it_has_a_place(postgres: str) -> None:
    async def story(book: Book) -> None:
        await book.ledger.append([Entry(record("request.accepted"), references=("name",))])
        assert await book.control.read(lambda tx: trace.find(tx, "name", None)) == (("default", "trace"),)
        assert await book.control.read(lambda tx: trace.find(tx, "trace", None)) == (("default", "trace"),)
        assert await book.control.read(lambda tx: trace.last(tx, None)) == ("default", "trace")
        await book.settle()
        await book.ledger.append([Entry(record("response.completed"))])
        found = await book.control.read(lambda tx: trace.read(tx, "default", "trace"))
        assert [(step.position, step.record.kind) for step in found.steps] == [
            (0, "request.accepted"),
            (None, "response.completed"),
        ]
        assert found.intact
        await book.ledger.append([Entry(record("request.accepted", trace_id="newer"))])
        assert await book.control.read(lambda tx: trace.last(tx, None)) == ("default", "newer")

        def ids(tx: Transaction) -> frozenset[str]:
            tx.act_for("default")
            return tables.record_ids(tx, "default", "trace")

        assert await book.database.read(ids) == {step.record.id for step in found.steps}

    in_book(postgres, story)


def test_records_of_a_day_without_a_partition_get_one(postgres: str) -> None:
    three_days_ago = CLOCK.now_us() // 1000 - 3 * 86_400_000
    stamp = f"{three_days_ago:012x}"
    trace_id = f"{stamp[:8]}-{stamp[8:]}-7000-8000-000000000000"

    async def story(book: Book) -> None:
        before = book.asked("SELECT COUNT(*) FROM pg_inherits")[0][0]
        await book.ledger.append(entries(2, trace_id=trace_id))
        await book.settle()
        assert book.asked("SELECT COUNT(*) FROM evidence_default") == [(0,)]
        assert book.asked("SELECT COUNT(*) FROM pg_inherits")[0][0] > before

    in_book(postgres, story)


class SetBack(SystemClock):
    """A clock that somebody sets back by an hour whenever it is read."""

    read = 0

    def now_us(self) -> int:
        self.read += 1
        return super().now_us() - self.read * 3_600_000_000


def test_no_step_of_the_wall_clock_keeps_a_leader_from_its_duties(postgres: str) -> None:
    """Nor from its heartbeat: a leader that says nothing for ten seconds loses its lock."""

    async def main() -> None:
        database = await open_postgres(postgres, "sequencer")
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        times: list[int] = []

        def note(_: Transaction) -> None:
            times.append(1)
            if len(times) == 3:
                loop.call_soon_threadsafe(done.set)

        sequencer = Sequencer(database, AlwaysElected(), SetBack(), "r", (Duty("notes", note, every_s=0.01),))
        running = asyncio.ensure_future(sequencer.run())
        async with asyncio.timeout(20):
            await done.wait()
        running.cancel()
        await asyncio.wait([running])
        await database.close()

    asyncio.run(main())


@pytest.mark.slow
def test_a_replica_that_does_not_lead_says_once_that_it_cannot_stand(
    postgres: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Found by hand: during an outage each replica wrote "no longer the sequencer" twice a second."""

    async def main() -> None:
        database = await open_postgres(postgres, "sequencer")
        try:
            election = Unanswered(3)
            running = asyncio.create_task(Sequencer(database, election, CLOCK, "replica-1").run())
            await election.over.wait()
            running.cancel()
            await asyncio.wait([running])
        finally:
            await database.close()

    asyncio.run(main())
    said = [record.getMessage() for record in caplog.records if record.name == "customhouse.ledger.sequence"]
    assert said == ["cannot ask who is the sequencer, and goes on asking: the database is away"]


def test_records_of_a_new_day_get_their_places_while_a_backup_holds_every_table(postgres: str) -> None:
    """pg_dump reads for hours; a day's partition cannot be attached meanwhile, and nobody's records wait for that."""

    async def story(book: Book) -> None:
        assert book.sequencer is not None
        day = partition.day_of_us(CLOCK.now_us()) - 100
        await book.ledger.append(entries(2, trace_id=f"{partition.first_id(day)}-7000-8000-000000000001"))
        await book.ledger.append(entries(1, trace_id=CLOCK.uuid7()))
        await book.sequencer.elect()
        with psycopg.connect(postgres) as backup:
            backup.execute("LOCK TABLE customhouse.evidence, customhouse.payload IN ACCESS SHARE MODE")
            assert await book.sequencer.step() == 3
        assert book.asked("SELECT COUNT(*) FROM evidence_default") == [(2,)]

    in_book(postgres, story)


def test_a_server_starts_while_a_backup_holds_every_table(postgres: str) -> None:
    """It was midnight, and the partition of the day in a week is missing."""

    async def story(book: Book) -> None:
        last = partition.day_of_us(CLOCK.now_us()) + partition.DAYS_AHEAD
        stamp = partition.iso(last).replace("-", "")
        book.asked(f"DROP TABLE evidence_{stamp}, payload_{stamp}")
        with psycopg.connect(postgres) as backup:
            backup.execute("LOCK TABLE customhouse.evidence, customhouse.payload IN ACCESS SHARE MODE")
            await leader.make_days(book.settling, CLOCK)
        assert await book.settling.begin(lambda tx: leader.ensure_days(tx, CLOCK)) == 2, "and later they are made"

    in_book(postgres, story)
