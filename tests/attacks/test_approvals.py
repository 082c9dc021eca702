# SPDX-License-Identifier: Apache-2.0
"""Attacks on held calls, one file each, on both stores: a story, the call, the steps before, the attack, how it ends.

What two do at the same instant stands below as code: on two connections, as two replicas have them.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tests.approvals.desk import CHARTER, LOCAL, PEOPLE, Desk, email, in_desk, person
from tests.approvals.holding import BOT
from tests.ledger.book import open_book

from customhouse.access import people
from customhouse.access.people import NewPerson
from customhouse.approvals.approval import Approval
from customhouse.domain.errors import CustomhouseError
from customhouse.domain.principal import Actor
from customhouse.registry import tables as registry
from customhouse.registry.charter import Charter

Place = Path | str
RULE: Final = ("group:refunds",)
ATTACKS: Final = sorted(Path(__file__).parent.glob("approval-*.json"))


def actor(name: str) -> Actor:
    """Return somebody as the attack has him: with the roles of a session that was opened at the beginning."""
    return LOCAL if name == "local" else person(name)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda path: path.stem)
def test_the_attack_gets_nothing(place: Place, attack: Path) -> None:
    told: dict[str, Any] = json.loads(attack.read_text(encoding="utf-8"))

    async def story(desk: Desk) -> None:
        approval = await desk.ask(**told["held"] | {"approvers": tuple(told["held"].get("approvers", RULE))})
        for step in told["before"]:
            assert await _do(desk, approval, step) is None, step
        assert await _do(desk, approval, told["attack"]) == told["expected"]["code"], told["story"]
        assert await desk.state(approval) == told["expected"]["state"], told["story"]
        if told["attack"]["do"] != "take":
            assert not await desk.take(approval) or told["expected"]["state"] == "approved"

    in_desk(place, story)


def test_there_are_enough_of_them() -> None:
    assert len(ATTACKS) > 35
    assert {json.loads(path.read_text(encoding="utf-8"))["attack"]["do"] for path in ATTACKS} == {
        "approve",
        "deny",
        "revoke",
        "take",
    }


async def _do(desk: Desk, approval: Approval, step: dict[str, Any]) -> str | None:
    """Do one step; return the code with which it was refused."""
    match step:
        case {"do": "approve" | "deny" as verdict, "actor": name}:
            return await _refused(desk.say(actor(name), approval, verdict))
        case {"do": "revoke", "actor": name}:
            return await _refused(desk.take_back(actor(name), approval))
        case {"do": "take"}:
            found = await desk.refusal(approval, step.get("tenant"))
            taken = found != "approval.unknown" and await desk.take(approval)
            assert not (taken and found), "what is refused is not taken"
            return found if found or taken else "not taken"
        case {"do": "pass", "seconds": seconds}:
            desk.pass_s(seconds)
        case {"do": "dismiss", "actor": name}:
            await desk.dismiss(name)
        case {"do": "add", "actor": name, "roles": roles}:
            await people.add(desk.control, LOCAL, NewPerson(email=email(name), roles=tuple(roles)), trace_id="t")
        case {"do": "charter", **changed}:
            await _charter(desk, changed.pop("assistant", BOT), changed)
        case other:
            raise AssertionError(f"no step {other}")
    return None


async def _refused(work: Awaitable[object]) -> str | None:
    try:
        await work
    except CustomhouseError as refused:
        return refused.code
    return None


async def _charter(desk: Desk, assistant: str, changed: dict[str, Any]) -> None:
    document = msgspec.convert({**msgspec.to_builtins(CHARTER), **changed}, Charter)
    await desk.control.database.transact(
        lambda tx: registry.insert_charter(tx, assistant, 2, document, email("dana"), desk.clock.now_us())
    )


@asynccontextmanager
async def beside(desk: Desk) -> AsyncGenerator[Desk]:
    """Open the same store once more, as another replica has it."""
    async with open_book(desk.book.place) as book:
        control = replace(desk.control, database=book.control, ledger=book.ledger)
        yield Desk(book, control, desk.clock)


def outcomes(found: Sequence[object]) -> list[str]:
    """Return states, or codes of refusals, sorted."""
    return sorted(each.code if isinstance(each, CustomhouseError) else getattr(each, "state", "") for each in found)


def test_of_two_approvers_at_once_one_completes_it(place: Place) -> None:
    async def story(desk: Desk) -> None:
        async with beside(desk) as other:
            for _ in range(5):
                approval = await desk.ask()
                both = (desk.say("ola", approval), other.say("ben", approval))
                found = await asyncio.gather(*both, return_exceptions=True)
                assert outcomes(found) == ["approval.closed", "approved"]
                assert [each.outcome for each in await desk.decisions(approval)] == ["approved"]

    in_desk(place, story)


def test_of_a_quorum_at_once_the_last_one_completes_it_once(place: Place) -> None:
    async def story(desk: Desk) -> None:
        await desk.charter(2, groups={"refunds": tuple(email(name) for name in PEOPLE)})
        async with beside(desk) as other:
            approval = await desk.ask(quorum=3)
            four = (desk.say("ola", approval), other.say("ben", approval), desk.say("pat", approval))
            found = await asyncio.gather(*four, other.say("mia", approval), return_exceptions=True)
            assert outcomes(found) == ["approval.closed", "approved", "requested", "requested"]

    in_desk(place, story)


def test_of_a_yes_and_a_no_at_once_one_counts(place: Place) -> None:
    async def story(desk: Desk) -> None:
        async with beside(desk) as other:
            for _ in range(5):
                approval = await desk.ask()
                both = (desk.say("ola", approval), other.say("ben", approval, "deny"))
                found = outcomes(await asyncio.gather(*both, return_exceptions=True))
                state = await desk.state(approval)
                assert found in (["approval.closed", "approved"], ["approval.closed", "denied"])
                assert state in found

    in_desk(place, story)


def test_one_person_at_once_on_two_replicas_counts_once(place: Place) -> None:
    async def story(desk: Desk) -> None:
        async with beside(desk) as other:
            approval = await desk.ask(quorum=2)
            both = (desk.say("ola", approval), other.say("ola", approval))
            assert outcomes(await asyncio.gather(*both, return_exceptions=True)) == ["approval.closed", "requested"]
            assert not await desk.take(approval)

    in_desk(place, story)


def test_of_two_replicas_that_release_at_once_one_does(place: Place) -> None:
    async def story(desk: Desk) -> None:
        async with beside(desk) as other:
            for _ in range(10):
                approval = await desk.ask()
                await desk.say("ola", approval)
                assert sorted(await asyncio.gather(desk.take(approval), other.take(approval))) == [False, True]

    in_desk(place, story)


def test_taken_back_and_released_at_once_is_one_of_both(place: Place) -> None:
    async def story(desk: Desk) -> None:
        ends: set[str] = set()
        async with beside(desk) as other:
            for number in range(8):
                approval = await desk.ask()
                await desk.say("ola", approval)
                pair = [desk.take_back("ola", approval), other.take(approval)]
                found = await asyncio.gather(*(pair if number % 2 else pair[::-1]), return_exceptions=True)
                taken, state = True in found, await desk.state(approval)
                assert state == ("consumed" if taken else "revoked")
                assert outcomes([each for each in found if not isinstance(each, bool)]) == [
                    "approval.closed" if taken else "revoked"
                ]
                ends.add(state)
        assert ends

    in_desk(place, story)
