# SPDX-License-Identifier: Apache-2.0
"""Which appends may commit on the event loop: those of a turn that runs alone, and is refused when the ledger fails."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.ledger.book import CLOCK, ROOT, record
from tests.store.test_begin_here import Timer, where

from customhouse.domain.errors import LedgerUnavailable
from customhouse.ledger.append import Ledger
from customhouse.ledger.entry import Entry, Leaf
from customhouse.ledger.placing import CHAINED
from customhouse.store.database import Transaction
from customhouse.store.sqlite import QUICK_COMMITS, open_sqlite


@dataclass
class Watched:
    """Extends logs as the store does, and notes whether on the event loop; `lone` as the composition root has it."""

    lone: bool = True
    broken: bool = False
    here: list[bool] = field(default_factory=list[bool])

    def extend(self, tx: Transaction, tenant: str, leaves: Sequence[Leaf], replica: str) -> None:
        self.here.append(threading.current_thread() is threading.main_thread())
        if self.broken:
            raise LedgerUnavailable
        CHAINED.extend(tx, tenant, leaves, replica)


def in_quick_ledger(path: Path, story: Callable[[Ledger, Watched], Awaitable[None]]) -> None:
    async def main() -> None:
        database = await open_sqlite(path / "db", timer=Timer())
        try:
            watched = Watched()
            ledger = Ledger(database, ROOT, CLOCK, placing=CHAINED._replace(extend=watched.extend))
            for _ in range(QUICK_COMMITS):
                await database.begin(where)
            await ledger.append([Entry(record())])
            assert watched.here == [False], "a command says nothing of turns"
            watched.here.clear()
            ledger.commit_here_while(lambda: watched.lone)
            await story(ledger, watched)
        finally:
            await database.close()

    asyncio.run(main())


def test_a_lone_turn_that_would_be_refused_commits_on_the_event_loop(tmp_path: Path) -> None:
    async def story(ledger: Ledger, watched: Watched) -> None:
        for _ in range(3):
            await ledger.append([Entry(record()), Entry(record("model.called"))])
        assert watched.here == [True] * 3

    in_quick_ledger(tmp_path, story)


def test_a_turn_beside_others_holds_none_of_them_up(tmp_path: Path) -> None:
    async def story(ledger: Ledger, watched: Watched) -> None:
        watched.lone = False
        await ledger.append([Entry(record())])
        assert watched.here == [False]

    in_quick_ledger(tmp_path, story)


def test_a_turn_that_goes_on_without_the_ledger_is_never_held_up_by_it(tmp_path: Path) -> None:
    """Its deadline has to pass while a commit hangs, which it cannot while the event loop stands still."""

    async def story(ledger: Ledger, watched: Watched) -> None:
        await ledger.append([Entry(record())], "spool")
        await ledger.append([Entry(record())], "open")
        assert watched.here == [False, False]

    in_quick_ledger(tmp_path, story)


def test_what_fails_on_the_event_loop_is_refused_as_elsewhere(tmp_path: Path) -> None:
    async def story(ledger: Ledger, watched: Watched) -> None:
        watched.broken = True
        with pytest.raises(LedgerUnavailable):
            await ledger.append([Entry(record())])
        watched.broken = False
        await ledger.append([Entry(record())])
        assert watched.here == [True, True]

    in_quick_ledger(tmp_path, story)


def test_a_caller_that_leaves_has_written_all_the_same(tmp_path: Path) -> None:
    async def story(ledger: Ledger, watched: Watched) -> None:
        leaving = asyncio.ensure_future(ledger.append([Entry(record())]))
        asyncio.get_running_loop().call_soon(leaving.cancel)
        await asyncio.wait([leaving])
        await ledger.append([Entry(record())])
        assert watched.here == [True, True]

    in_quick_ledger(tmp_path, story)
