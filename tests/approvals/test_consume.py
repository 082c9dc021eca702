# SPDX-License-Identifier: Apache-2.0
"""A held call is released once, however many ask at the same instant, on both stores."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast, get_args

import pytest
from tests.approvals.desk import Desk, in_desk
from tests.ledger.book import open_book

from customhouse.approvals import consume, tables
from customhouse.planes.tools.approval import ApprovalState
from customhouse.store.database import Transaction

Place = Path | str


class Undone(Exception):
    """A transaction that ends badly."""


def test_once(place: Place) -> None:
    async def story(desk: Desk) -> None:
        approval = await desk.ask()
        assert not await desk.take(approval), "nobody has said yes"
        await desk.say("ola", approval)
        assert [await desk.take(approval) for _ in range(3)] == [True, False, False]

    in_desk(place, story)


def test_of_many_connections_at_once_one_gets_it(place: Place) -> None:
    """Each has a database object of its own, as two replicas have."""

    async def story(desk: Desk) -> None:
        async with AsyncExitStack() as stack:
            books = [await stack.enter_async_context(open_book(desk.book.place)) for _ in range(4)]
            for _ in range(5):
                approval = await desk.ask()
                await desk.say("ola", approval)
                taken = await asyncio.gather(*(desk.take(approval, book.database) for book in books for _ in range(3)))
                assert sorted(taken) == [False] * 11 + [True]

    in_desk(place, story)


def test_a_transaction_that_fails_leaves_it_to_be_taken(place: Place) -> None:
    """Story: the gateway dies between taking the call and keeping the answer. Nothing is burnt."""

    async def story(desk: Desk) -> None:
        approval = await desk.ask()
        await desk.say("ola", approval)

        def work(tx: Transaction) -> None:
            tx.act_for("acme")
            found = tables.find(tx, "acme", approval.id)
            assert found is not None
            assert consume.consume(tx, found, desk.clock.now_us())
            raise Undone

        with pytest.raises(Undone):
            await desk.gateway.begin(work)
        assert await desk.state(approval) == "approved"
        assert await desk.take(approval)

    in_desk(place, story)


@pytest.mark.parametrize("state", [each for each in get_args(ApprovalState) if each != "approved"])
def test_nothing_but_what_is_approved_is_taken(tmp_path: Path, state: ApprovalState) -> None:
    async def story(desk: Desk) -> None:
        approval = await desk.ask()
        await desk.say("ola", approval)
        desk.book.asked("UPDATE approval SET state = ?", cast("str", state))
        assert not await desk.take(approval)

    in_desk(tmp_path, story)
