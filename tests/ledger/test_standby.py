# SPDX-License-Identifier: Apache-2.0
"""Evidence while the database fails: refused, kept or counted; nothing acknowledged is lost or doubled."""

import asyncio
import contextlib
import random
from pathlib import Path
from typing import Final, get_args

import pytest
from tests.ledger.book import CLOCK, record
from tests.ledger.failing import MEBIBYTE, House, in_house, open_house
from tests.store.faulty_vfs import faulty_vfs

from customhouse.domain.errors import LedgerUnavailable, StoreUnavailable
from customhouse.domain.failure_mode import FailureMode
from customhouse.ledger import catch_up
from customhouse.ledger.entry import Entry
from customhouse.ledger.recover import settle_open_calls

FAULTS: Final = ("ENOSPC", "EIO", "fsync")
MODES: Final[tuple[FailureMode, ...]] = get_args(FailureMode)


@pytest.mark.parametrize("fault", FAULTS)
def test_spool_keeps_what_the_database_does_not_take(tmp_path: Path, fault: str) -> None:
    async def story(house: House) -> None:
        before = await house.append("spool")
        house.faults.fault = fault
        during = [*await house.append("spool"), *await house.append("spool")]
        assert house.faults.met == 1, "one append met the failure; the others went to the spool at once"
        state = house.ledger.state
        assert (state.status, state.down, state.spool_entries) == ("spooling", True, 2)
        with pytest.raises(StoreUnavailable):
            await house.catch_up()
        house.faults.fault = None
        await house.catch_up()
        after = await house.append("spool")
        assert house.ids() == [*before, *during, *after]
        assert [found.get("late", False) for found in house.stored()] == [False, True, True, False]
        assert (house.ledger.state.status, house.gaps()) == ("ok", [])
        assert (await house.book.verdict()).broken_at is None

    in_house(tmp_path, story)


@pytest.mark.parametrize("fault", FAULTS)
def test_closed_refuses_and_says_later_how_often(tmp_path: Path, fault: str) -> None:
    async def story(house: House) -> None:
        house.faults.fault = fault
        for _ in range(3):
            with pytest.raises(LedgerUnavailable):
                await house.append("closed")
        assert (house.ledger.state.status, house.ledger.state.refused) == ("refusing", 3)
        house.faults.fault = None
        await house.catch_up()
        after = await house.append("closed")
        assert house.ids() == list(after)
        [gap] = house.gaps()
        assert (gap["refused"], gap["count"], gap["reason"]) == (3, 0, "ledger.unavailable")
        assert house.ledger.state.status == "ok"

    in_house(tmp_path, story)


@pytest.mark.parametrize("fault", FAULTS)
def test_open_goes_on_and_declares_the_gap_to_each_tenant(tmp_path: Path, fault: str) -> None:
    async def story(house: House) -> None:
        house.faults.fault = fault
        for tenant in ("acme", "acme", "zeta", "acme"):
            await house.append("open", Entry(record(tenant=tenant)))
        assert (house.ledger.state.status, house.ledger.state.skipped) == ("open", 4)
        house.faults.fault = None
        await house.catch_up()
        assert [gap["count"] for gap in house.gaps("acme")] == [3]
        assert [gap["count"] for gap in house.gaps("zeta")] == [1]
        [total] = house.gaps()
        assert (total["count"], total["tenants"], "at_least" in total) == (4, 2, False)
        assert total["from"] < total["to"]
        assert not {"acme", "zeta"} & set(str(house.gaps()).split("'")), "no tenant is named in another's log"
        assert (house.ids(), house.ledger.state.status, house.standby.spool.gaps) == ([], "ok", ())

    in_house(tmp_path, story)


def test_a_database_that_does_not_answer_is_not_waited_for_twice(tmp_path: Path) -> None:
    """An fsync hangs: the first append waits for the timeout, and its record is written once all the same."""

    async def story(house: House) -> None:
        house.faults.hold = True
        first = await house.append("spool")
        assert house.faults.held.is_set()
        with pytest.raises(LedgerUnavailable):
            await house.append("closed")
        second = await house.append("spool")
        assert house.ledger.state.reason == "ledger.slow"
        catching = asyncio.ensure_future(house.catch_up())
        house.faults.hold = False
        house.faults.free.set()
        await catching
        assert house.ids() == [*first, *second], "the commit that hung had written the first; it is not there twice"
        assert (await house.book.verdict()).broken_at is None

    in_house(tmp_path, story, timeout_s=0.05)


def test_a_caller_that_is_cancelled_has_handed_its_records_over(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.faults.hold = True
        entry = Entry(record())
        caller = asyncio.ensure_future(house.append("spool", entry))
        await asyncio.to_thread(house.faults.held.wait, 30)
        house.faults.fault = "fsync"
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        house.faults.hold = False
        house.faults.free.set()
        while not house.ledger.down:  # noqa: ASYNC110 - the flush tells nobody else that it failed
            await asyncio.sleep(0)
        second = await house.append("spool", Entry(record()))
        house.faults.fault = None
        await house.catch_up()
        assert house.ids() == [entry.record.id, *second]

    in_house(tmp_path, story)


def test_a_trace_keeps_its_order_while_the_spool_is_drained(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.faults.fault = "ENOSPC"
        ids = [*await house.append("spool")]
        house.faults.fault = None
        for _ in range(3):  # more than one transaction drains
            ids += await house.append("spool", *(Entry(record()) for _ in range(200)))
        catching = asyncio.ensure_future(house.catch_up())
        while not catching.done():
            ids += await house.append("spool")
        await catching
        await house.catch_up()
        ids += await house.append("spool")
        assert house.ids() == ids
        assert house.ledger.state.status == "ok"

    in_house(tmp_path, story)


def test_turns_of_the_closed_mode_are_answered_while_the_spool_is_drained(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.faults.fault = "ENOSPC"
        await house.append("spool")
        house.faults.fault = None
        house.standby.answered()
        await house.append("closed")
        assert house.ledger.state.status == "spooling"

    in_house(tmp_path, story)


@pytest.mark.parametrize("fault", ["ENOSPC", "EIO", "short", "fsync"])
@pytest.mark.parametrize("mode", ["spool", "open"])
def test_a_local_disk_that_fails_too_refuses(tmp_path: Path, fault: str, mode: FailureMode) -> None:
    async def story(house: House) -> None:
        house.faults.fault = "ENOSPC"
        house.disk.fault = fault
        with pytest.raises(LedgerUnavailable, match="local disk"):
            await house.append(mode)
        house.disk.fault = None
        kept = await house.append(mode)
        house.faults.fault = None
        await house.catch_up()
        assert house.ids() == (list(kept) if mode == "spool" else [])
        skipped = [] if mode == "spool" else [(1, None)]
        assert [(gap["count"], gap.get("refused")) for gap in house.gaps()] == [*skipped, (0, 1)]

    in_house(tmp_path, story)


@pytest.mark.parametrize("mode", ["spool", "open"])
def test_a_local_disk_that_hangs_refuses(tmp_path: Path, mode: FailureMode) -> None:
    async def story(house: House) -> None:
        house.faults.fault = "ENOSPC"
        house.disk.hold = True
        with pytest.raises(LedgerUnavailable, match="local disk"):
            await house.append(mode)
        house.disk.hold = False
        house.disk.free.set()

    in_house(tmp_path, story, timeout_s=0.05)


def test_the_gap_is_marked_on_a_full_disk(tmp_path: Path) -> None:
    """No file can grow or be created: the mark was there before, in full."""

    async def story(house: House) -> None:
        house.faults.fault, house.disk.fault, house.disk.only = "ENOSPC", "ENOSPC", ".new"
        await house.append("open")
        assert len(house.standby.spool.gaps) == 1

    in_house(tmp_path, story)


def test_a_gap_survives_the_process(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_house(tmp_path, faults) as house:
            faults.fault = "ENOSPC"
            for _ in range(5):
                await house.append("open")
        faults.fault = None
        for _ in range(2):  # the second start has nothing left to declare
            async with open_house(tmp_path, faults) as house:
                [gap] = house.gaps("default")
                assert (gap["count"], gap["at_least"]) == (4, True)

    with faulty_vfs() as faults:
        asyncio.run(main())


def test_a_spool_survives_the_process_and_closes_its_calls_first(tmp_path: Path) -> None:
    """The database holds the call, the spool its outcome: after the restart it is no unknown call."""

    async def main() -> None:
        async with open_house(tmp_path, faults) as house:
            await house.append("spool", Entry(record("model.called", span_id="a"), opens=True))
            faults.fault = "ENOSPC"
            await house.append("spool", Entry(record("model.answered", span_id="a"), closes="a"))
            await house.append("spool", Entry(record("model.called", span_id="b"), opens=True))
        faults.fault = None
        async with open_house(tmp_path, faults) as house:
            assert await settle_open_calls(house.book.database, house.ledger, CLOCK) == 1
            assert [(found["kind"], found["span_id"]) for found in house.stored()] == [
                ("model.called", "a"),
                ("model.answered", "a"),
                ("model.called", "b"),
                ("model.unknown", "b"),
            ]

    with faulty_vfs() as faults:
        asyncio.run(main())


def test_a_call_whose_outcome_was_skipped_is_to_be_settled(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await house.append("open", Entry(record("model.called", span_id="a"), opens=True))
        house.faults.fault = "ENOSPC"
        await house.append("open", Entry(record("model.answered", span_id="a"), closes="a"))
        await house.append("open", Entry(record("model.called", span_id="b"), opens=True))
        await house.append("open", Entry(record("model.answered", span_id="b"), closes="b"))
        assert house.standby.unsettled == {"a"}

    in_house(tmp_path, story)


def test_a_tenant_whose_key_is_not_in_memory_is_refused(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await house.ledger.tenant_key("acme")
        house.faults.fault = "ENOSPC"
        await house.append("spool")
        await house.ledger.tenant_key("acme")
        with pytest.raises(LedgerUnavailable, match="key is not in memory"):
            await house.ledger.tenant_key("zeta")

    in_house(tmp_path, story)


def test_the_first_key_of_a_tenant_is_not_waited_for_twice(tmp_path: Path) -> None:
    """Found by hand: a replica without a turn yet let each turn wait out the deadline, and said that it was well."""

    async def story(house: House) -> None:
        house.faults.hold = True
        with pytest.raises(LedgerUnavailable):
            await house.ledger.tenant_key("zeta")
        assert (house.ledger.state.status, house.ledger.state.reason) == ("refusing", "ledger.slow")
        with pytest.raises(LedgerUnavailable, match="key is not in memory"):
            await house.ledger.tenant_key("zeta")
        house.faults.hold = False
        house.faults.free.set()
        await house.catch_up()
        await house.ledger.tenant_key("zeta")
        assert house.ledger.state.status == "ok"

    in_house(tmp_path, story, timeout_s=0.05)


def test_the_spool_is_bounded_in_size(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.faults.fault = "ENOSPC"
        kept: list[str] = []
        with pytest.raises(LedgerUnavailable, match="holds as much as it may"):  # noqa: PT012 - however many fit
            while True:
                kept += await house.append("spool", Entry(record(detail={"text": "x" * 8000})))
        assert 100 < len(kept) < MEBIBYTE / 8000
        assert house.ledger.state.refused == 1
        house.faults.fault = None
        await house.catch_up()
        assert house.ids() == kept
        assert [gap["refused"] for gap in house.gaps()] == [1], "what is refused is said, whatever the mode"
        assert house.ledger.state.status == "ok"

    in_house(tmp_path, story, max_bytes=MEBIBYTE)


def test_the_spool_is_bounded_in_age(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.faults.fault = "ENOSPC"
        await house.append("spool")
        with pytest.raises(LedgerUnavailable, match="spool_max_age_s"):
            await house.append("spool")
        assert house.ledger.state.refused == 1

    in_house(tmp_path, story, max_age_s=0)


def test_a_declaration_that_is_tried_again_says_the_same_once(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        house.faults.fault = "ENOSPC"
        await house.append("open")
        with pytest.raises(StoreUnavailable):
            await house.catch_up()
        await house.append("open")
        await house.append("open")
        house.faults.fault = None
        await house.catch_up()
        assert [gap["count"] for gap in house.gaps()] == [1, 2]

    in_house(tmp_path, story)


def test_it_catches_up_by_itself(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        orphans: set[str] = set()
        keeper = asyncio.ensure_future(catch_up.tend(house.ledger, house.standby, orphans))
        house.faults.fault = "ENOSPC"
        kept = await house.append("spool")
        await house.append("open", Entry(record("model.answered", span_id="a"), closes="a"))
        house.faults.fault = None
        while not (house.standby.done and orphans):  # noqa: ASYNC110 - the task tells nobody when it is done
            await asyncio.sleep(0)
        keeper.cancel()
        assert (house.ids(), orphans, len(house.gaps())) == (list(kept), {"a"}, 1)

    in_house(tmp_path, story)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_fails_in_whichever_order_nothing_acknowledged_is_lost(tmp_path: Path, seed: int) -> None:
    """Random faults on both sides: what was acknowledged is in the ledger once, what was skipped is declared."""
    dice = random.Random(seed)  # noqa: S311 - a test's dice

    async def story(house: House) -> None:
        kept: list[str] = []
        skipped = 0
        for _ in range(300):
            house.faults.fault = dice.choice([None, None, *FAULTS])
            house.faults.after = dice.randrange(3)
            house.disk.fault = dice.choice([None, None, None, "ENOSPC", "EIO", "short", "fsync"])
            house.disk.only = dice.choice(["", ".segment", "mark"])
            mode, down = dice.choice(MODES), house.ledger.down
            try:
                ids = await house.append(mode)
            except LedgerUnavailable:
                pass
            else:
                if mode == "open" and (down or house.ledger.down):
                    skipped += 1
                else:
                    kept += ids
            if dice.random() < 0.2:
                with contextlib.suppress(StoreUnavailable, LedgerUnavailable):
                    await house.catch_up()
        house.faults.fault = house.disk.fault = None
        await house.catch_up()
        stored = house.ids()
        assert len(stored) == len(set(stored))
        assert set(kept) <= set(stored)
        assert sum(gap["count"] for gap in house.gaps("default")) == skipped
        assert house.ledger.state.status == "ok"
        assert (await house.book.verdict()).broken_at is None

    in_house(tmp_path, story)
