# SPDX-License-Identifier: Apache-2.0
"""Who is waited for, what each replica reports, and what becomes of those that ended without a word: on both stores."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import psycopg
import pytest
from tests.ledger.book import Book, in_book, record
from tests.postgres import rows

from customhouse.app import build, installation
from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import StoreUnavailable
from customhouse.ledger.entry import Entry
from customhouse.registry import dead_replicas, replica_tables
from customhouse.registry.presence import Presence
from customhouse.registry.replica import MARGIN_S, Replica, State, live
from customhouse.registry.replicas import views
from customhouse.settings import Settings
from customhouse.store.database import Database, Transaction
from customhouse.vault.keyring import root_key

STATE = State(stale_refuse_s=30, ledger="ok", turns=2, sequencer=7)


def replica(*, seen_s: float, ended: bool) -> Replica:
    return Replica("id", "a", "1", 0, int(seen_s * 1e6), 1 if ended else None, STATE, {}, {})


LIVE = [
    # how long unheard of, ended, whether it may still answer turns
    (0, False, True),
    (30 + MARGIN_S, False, True),
    (30 + MARGIN_S + 0.1, False, False),
    (0, True, False),
]


@pytest.mark.parametrize(("unheard_s", "ended", "expected"), LIVE)
def test_who_may_still_answer(unheard_s: float, ended: bool, expected: bool) -> None:  # noqa: FBT001 - a row
    assert live(replica(seen_s=100, ended=ended), int((100 + unheard_s) * 1e6)) is expected


def test_one_replica_leads_whatever_killed_ones_last_said() -> None:
    """Found by hand: for half a minute after a kill -9, `replicas` showed two sequencers."""

    def named(name: str, epoch: int | None, *, ended: bool = False) -> Replica:
        seen = replica(seen_s=100, ended=ended)
        return seen._replace(id=name, state=msgspec.structs.replace(STATE, sequencer=epoch))

    found = (named("killed", 1), named("leads", 2), named("follows", None))
    assert [each.sequencer for each in views(found, 100_000_000)] == [None, 2, None]
    assert [each.sequencer for each in views((named("gone", 3, ended=True),), 100_000_000)] == [None]


class Hasty(SystemClock):
    """The machine's clock, which a test moves forward."""

    ahead_us = 0

    def elapsed_us(self) -> int:
        return super().elapsed_us() + self.ahead_us


async def known(book: Book) -> tuple[Replica, ...]:
    return await book.control.read(replica_tables.replicas)


def presence(book: Book, clock: Hasty, name: str = "a") -> Presence:
    return Presence(book.control, clock, replica=f"id-{name}", name=name, version="1", shared=True, state=lambda: STATE)


async def reported(
    book: Book, wanted: Callable[[tuple[Replica, ...]], bool], say: Callable[[], None]
) -> tuple[Replica, ...]:
    """Return what is known as soon as it is as wanted; until then `say` is called again and again, as servers do."""
    async with asyncio.timeout(20):
        while True:
            say()
            if wanted(found := await known(book)):
                return found


def test_a_replica_says_what_it_has_and_that_it_ends(place: Path | str) -> None:
    async def story(book: Book) -> None:
        clock = Hasty()
        here = presence(book, clock)
        (found,) = await reported(book, lambda each: len(each) == 1, lambda: here.report({"dev": 3, "access": 1}))
        assert (found.id, found.name, found.state, found.generations) == ("id-a", "a", STATE, {"dev": 3, "access": 1})
        first_applied = found.applied_at_us["access"]

        def say() -> None:
            here.report({"dev": 4, "access": 1})

        (found,) = await reported(book, lambda each: each[0].generations["dev"] == 4, say)
        assert found.applied_at_us["access"] == first_applied, "the time is that of the first report"
        seen_at_us = found.seen_at_us
        clock.ahead_us = 2_000_000  # nothing is new, and a report is due
        (found,) = await reported(book, lambda each: each[0].seen_at_us > seen_at_us, say)
        await here.end()
        (found,) = await known(book)
        assert found.ended_at_us is not None
        assert not live(found, found.seen_at_us)
        again = presence(book, clock)
        (found,) = await reported(book, lambda each: each[0].ended_at_us is None, lambda: again.report({"dev": 4}))

    in_book(place, story)


def test_a_report_that_failed_is_made_whole_by_the_next(tmp_path: Path) -> None:
    async def story(book: Book) -> None:
        clock = Hasty()
        here = presence(book, clock)
        book.asked("ALTER TABLE acknowledgement RENAME TO elsewhere")
        here.report({"dev": 3})
        await book.control.transact(lambda _: None)  # behind the report in the queue
        assert await known_ids(book) == []
        book.asked("ALTER TABLE elsewhere RENAME TO acknowledgement")
        clock.ahead_us = 2_000_000
        (found,) = await reported(book, lambda each: len(each) == 1, lambda: here.report({"dev": 3}))
        assert found.generations == {"dev": 3}

    in_book(tmp_path, story)


def test_a_replica_is_known_before_it_reads_what_is_in_force(home: Path, postgres: str) -> None:
    """What moves while it starts is waited for: it would answer its first turns from what it read before."""
    settings = msgspec.structs.replace(Settings(home=str(home), port=0), database=postgres)

    async def starting() -> None:
        async with build(settings):
            pass

    async def main() -> None:
        async with installation(settings):
            pass  # the schema, and the roles, are there
        with psycopg.connect(postgres) as reader:
            reader.execute("LOCK TABLE customhouse.access_generation, customhouse.environment")
            start = asyncio.ensure_future(starting())
            while not start.done() and rows(postgres, KNOWN) != [(1, 0, 0)]:  # noqa: ASYNC110 - only the store tells
                await asyncio.sleep(0)
            assert not start.done(), "it read what is in force before anybody could know of it"
        await start
        assert rows(postgres, KNOWN)[0][1] == 1, "it ended in order"

    asyncio.run(main())


KNOWN = "SELECT count(*), count(ended_at_us), (SELECT count(*) FROM acknowledgement) FROM replica"


class Delayed:
    """A database whose first work waits until the test lets it begin."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.go_on = asyncio.Event()
        self._held = False

    def begin(self, work: Callable[[Transaction], None]) -> "asyncio.Future[None]":
        if self._held:
            return self._database.begin(work)
        self._held = True
        return asyncio.ensure_future(self._later(work))

    async def _later(self, work: Callable[[Transaction], None]) -> None:
        await self.go_on.wait()
        await self._database.begin(work)


def test_no_report_on_its_way_brings_a_replica_back_that_has_ended(tmp_path: Path) -> None:
    async def story(book: Book) -> None:
        delayed = Delayed(book.control)
        here = Presence(delayed, Hasty(), replica="id-a", name="a", version="1", shared=True, state=lambda: STATE)
        here.report({"dev": 3})
        ending = asyncio.ensure_future(here.end())
        await asyncio.sleep(0)
        await book.control.transact(lambda _: None)  # whatever was queued until now is written
        delayed.go_on.set()
        await ending
        (found,) = await known(book)
        assert found.ended_at_us is not None

    in_book(tmp_path, story)


def test_what_moves_while_a_report_is_written_is_told_right_after_it(tmp_path: Path) -> None:
    async def story(book: Book) -> None:
        delayed = Delayed(book.control)
        here = Presence(delayed, Hasty(), replica="id-a", name="a", version="1", shared=True, state=lambda: STATE)
        here.report({"dev": 3})
        here.report({"dev": 4})
        delayed.go_on.set()
        await reported(book, lambda each: bool(each) and each[0].generations["dev"] == 4, lambda: None)

    in_book(tmp_path, story)


async def known_ids(book: Book) -> list[str]:
    return [str(row[0]) for row in book.asked("SELECT id FROM replica")]


async def opened(book: Book, holder: str, span: str) -> None:
    """Leave a model call open, as a replica does that is killed in the middle of it."""
    entry = Entry(record("model.called", span_id=span), opens=True)
    await book.ledger.append([entry])
    book.asked("UPDATE open_call SET replica = ? WHERE span_id = ?", holder, span)


def test_the_calls_of_who_ended_become_unknown_at_once_and_of_who_is_silent_when_watched(postgres: str) -> None:
    async def story(book: Book) -> None:
        clock = Hasty()
        for name in ("a", "b"):
            presence(book, clock, name).report({"dev": 1})
        await reported(book, lambda each: len(each) == 2, lambda: None)
        book.asked("UPDATE replica SET ended_at_us = 1 WHERE id = 'id-a'")
        await opened(book, "id-a", "s1")
        await opened(book, "id-b", "s2")
        await opened(book, "id-gone", "s3")

        async def buried(*, watched: bool) -> int:
            ledger = book.ledger
            return await book.settling.transact(lambda tx: dead_replicas.bury(tx, ledger, clock, watched=watched))

        spooling = msgspec.json.encode(msgspec.structs.replace(STATE, ledger="spooling"))
        book.asked("UPDATE replica SET state = ? WHERE id = 'id-a'", spooling.decode())
        assert await buried(watched=False) == 0, "a stopped with outcomes in its spool"
        book.asked("UPDATE replica SET state = ? WHERE id = 'id-a'", msgspec.json.encode(STATE).decode())
        assert await buried(watched=False) == 1, "a said that it ended"
        assert await buried(watched=True) == 1, "nobody knows the third; b was heard of"
        book.asked("UPDATE replica SET seen_at_us = 1 WHERE id = 'id-b'")
        assert await buried(watched=False) == 0
        assert await buried(watched=True) == 1
        await book.settle()
        kinds = [str(row[0]) for row in book.asked("SELECT kind FROM evidence WHERE kind = 'model.unknown'")]
        assert kinds == ["model.unknown"] * 3
        assert book.asked("SELECT count(*) FROM open_call") == [(0,)]
        assert await known_ids(book) == ["id-a"], "who was not heard of for a week is forgotten"

    in_book(postgres, story)


def test_a_leader_calls_nobody_dead_before_it_has_watched_for_a_minute() -> None:
    clock = Hasty()
    watch = dead_replicas.Watch(clock)
    assert not watch.look()
    for second in range(5, 65, 5):
        clock.ahead_us = second * 1_000_000
        assert watch.look() == (second >= dead_replicas.DEAD_AFTER_S)
    clock.ahead_us += 300_000_000  # the leader was away itself
    assert not watch.look()


@pytest.mark.parametrize("shared", [True, False], ids=["postgres", "sqlite"])
def test_a_server_with_another_root_key_does_not_start(home: Path, tmp_path: Path, postgres: str, shared: bool) -> None:  # noqa: FBT001 - a row
    """It would make keys for new tenants that nobody else can open."""
    database = postgres if shared else ""

    async def start(keys: str) -> None:
        async with build(Settings(home=str(home), database=database, keys=str(tmp_path / keys))):
            pass

    asyncio.run(start("ours"))
    with pytest.raises(StoreUnavailable, match=r"there is no .*/made-by-accident/root\.key"):
        asyncio.run(start("made-by-accident"))
    (tmp_path / "others").mkdir(mode=0o700)
    root_key(tmp_path / "others", SystemClock())
    with pytest.raises(StoreUnavailable, match=r"others/root\.key is not the root key of this database"):
        asyncio.run(start("others"))
    asyncio.run(start("ours"))
