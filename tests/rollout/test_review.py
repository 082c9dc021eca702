# SPDX-License-Identifier: Apache-2.0
"""Review: who may sign off, when it takes effect, and what makes a change stale."""

import asyncio
from pathlib import Path

import pytest
from tests.rollout.yard import (
    BEN,
    CHARTER,
    DANA,
    DREW,
    LOCAL,
    OLA,
    PAT,
    READ,
    REFUND,
    Yard,
    documents,
    in_yard,
    moved,
    person,
    waits,
    wider,
)

from customhouse.domain.errors import (
    ChangeClosed,
    ChangeStale,
    ChangeUnknown,
    CustomhouseError,
    SecondPersonRequired,
    VerbRefused,
)
from customhouse.domain.plane import Plane
from customhouse.domain.principal import Actor
from customhouse.registry.charter import Charter

WITH_REFUND = {"search": READ, "refund": REFUND}


async def asked(yard: Yard, actor: Actor = DANA) -> str:
    """Have support@1 in production, and a change that waits to let it refund; return the change."""
    await yard.in_production(documents("one"))
    await yard.publish(documents("one", tools=WITH_REFUND))
    return waits(await yard.promote(2, actor=actor)).change


def test_the_last_signature_moves_the_pins(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        change = await asked(yard)
        reviewed = await yard.review(change, OLA)
        assert (reviewed.state, reviewed.approvals, reviewed.needed) == ("approved", 1, 1)
        assert reviewed.moved is not None
        assert reviewed.moved.stamp == "support@2"
        (_, second) = [each for each in await yard.evidence("pin.moved") if each["environment"] == "production"]
        assert (second["requested_by"], second["reviewers"], second["change"]) == (DANA.name, [OLA.name], change)
        assert second["loosened"] is True
        with pytest.raises(ChangeClosed, match="approved already"):
            await yard.review(change, PAT)

    in_yard(tmp_path, story)


def test_what_a_local_actor_asked_for_needs_two_people(tmp_path: Path) -> None:
    """Dana asks as local on the server's machine; her own key alone must not sign it off."""

    async def story(yard: Yard) -> None:
        change = await asked(yard, LOCAL)
        first = await yard.review(change, DANA)
        assert (first.state, first.approvals, first.needed, first.moved) == ("requested", 1, 2, None)
        second = await yard.review(change, OLA)
        assert (second.state, second.approvals) == ("approved", 2)
        assert second.moved is not None

    in_yard(tmp_path, story)


@pytest.mark.parametrize(
    ("requester", "reviewer", "error", "why"),
    [
        (DANA, DANA, SecondPersonRequired, "the requester, although she has the role"),
        (DANA, LOCAL, SecondPersonRequired, "a local actor is nobody"),
        (LOCAL, LOCAL, SecondPersonRequired, "twice nobody"),
        (LOCAL, Actor("local:1", "local", frozenset({"approver"})), SecondPersonRequired, "roles do not help it"),
        (DANA, BEN, VerbRefused, "a captain without the approver's role"),
        (DANA, person("sam", "auditor", "admin"), VerbRefused, "an auditor only looks"),
        (DANA, person("nobody"), VerbRefused, "no role at all"),
    ],
)
@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_who_may_not_review(
    tmp_path: Path, requester: Actor, reviewer: Actor, error: type[CustomhouseError], why: str, verdict: str
) -> None:
    async def story(yard: Yard) -> None:
        change = await asked(yard, requester)
        before = await yard.pins("production")
        with pytest.raises(error):
            await yard.review(change, reviewer, "approve" if verdict == "approve" else "reject")
        assert await yard.pins("production") == before
        assert [each.state for each in await yard.waiting()] == ["requested"]

    assert why
    in_yard(tmp_path, story)


def test_one_rejection_ends_it(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        change = await asked(yard)
        assert (await yard.review(change, OLA, "reject")).state == "rejected"
        with pytest.raises(ChangeClosed):
            await yard.review(change, PAT)
        assert await yard.base("production") == 1

    in_yard(tmp_path, story)


def test_each_person_counts_once_and_raising_the_number_counts_for_what_waits(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        change = await asked(yard)
        await yard.publish(documents("two"), None, actor=LOCAL, reviewers={"production": 2})
        first = await yard.review(change, OLA)
        assert (first.state, first.approvals, first.needed, first.moved) == ("requested", 1, 2, None)
        with pytest.raises(ChangeClosed, match="answered"):
            await yard.review(change, OLA)
        assert (await yard.review(change, PAT)).state == "approved"

    in_yard(tmp_path, story)


def test_what_nobody_in_particular_asked_for_needs_one_person_more(tmp_path: Path) -> None:
    """Dana opens the store on the server, asks as local:0, and approves with her own key: that is one person."""

    async def story(yard: Yard) -> None:
        change = await asked(yard, LOCAL)
        first = await yard.review(change, DANA)
        assert (first.state, first.approvals, first.needed) == ("requested", 1, 2)
        assert (await yard.review(change, OLA)).state == "approved"

    in_yard(tmp_path, story)


def test_a_change_is_stale_once_the_pins_have_moved(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.in_production(documents("zero"))
        change = await asked_after(yard)
        await yard.rollback(Plane.PROMPT, environment="production", actor=OLA)
        before = await yard.pins("production")
        assert await yard.waiting() == (), "stale in the same transaction"
        assert await yard.pins("production") == before
        with pytest.raises(ChangeClosed, match="stale already"):
            await yard.review(change, PAT)
        states = [each["state"] for each in await yard.evidence("change.reviewed")]
        assert states[-1] == "stale"

    in_yard(tmp_path, story)


async def asked_after(yard: Yard) -> str:
    """Put another prompt into production, then ask for refunds."""
    second = await yard.publish(documents("one"))
    moved(await yard.promote(second.release.statement.number))
    third = await yard.publish(documents("one", tools=WITH_REFUND))
    return waits(await yard.promote(third.release.statement.number)).change


def test_a_change_that_was_not_seen_to_become_stale_is_found_so_when_it_is_signed(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.in_production(documents("zero"))
        change = await asked_after(yard)
        await yard.rollback(Plane.PROMPT, environment="production", actor=OLA)
        yard.tamper("UPDATE change SET state = 'requested' WHERE id = ?", change)
        with pytest.raises(ChangeStale):
            await yard.review(change, PAT)
        assert await yard.waiting() == ()

    in_yard(tmp_path, story)


def test_the_same_move_asked_for_twice_is_one_change(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        change = await asked(yard)
        again = waits(await yard.promote(2))
        by_her_deputy = waits(await yard.promote(2, actor=DREW))
        assert again.change == by_her_deputy.change == change
        assert [each.id for each in await yard.waiting()] == [change]
        with pytest.raises(SecondPersonRequired):
            await yard.review(change, DANA)
        other = await yard.publish(documents("other", tools=WITH_REFUND))
        assert waits(await yard.promote(other.release.statement.number)).change != change
        assert (await yard.review(change, OLA)).state == "approved"
        assert await yard.waiting() == (), "the other promotion was made for pins that are gone"
        states = [(each["change"] == change, each["state"]) for each in await yard.evidence("change.reviewed")]
        assert sorted(states[-2:]) == [(False, "stale"), (True, "approved")]

    in_yard(tmp_path, story)


def test_the_same_terms_asked_for_twice_are_one_change(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.in_production(documents("one"))
        first = await yard.publish(documents("two"), charter=wider(wider(), BEN.name))
        again = await yard.publish(documents("three"), charter=wider(wider(), BEN.name))
        assert first.terms is not None
        assert again.terms is not None
        assert first.terms.change == again.terms.change

    in_yard(tmp_path, story)


def test_pins_that_moved_and_came_back_are_the_same_pins(tmp_path: Path) -> None:
    """The comparison is by what is pinned, not by the generation: another assistant's move makes nothing stale."""

    async def story(yard: Yard) -> None:
        change = await asked(yard)
        other = await yard.publish(documents("other"), "production", assistant="other")
        assert (await yard.review(waits(other.outcome).change, OLA)).state == "approved"
        assert (await yard.review(change, OLA)).state == "approved"

    in_yard(tmp_path, story)


def test_a_rollback_that_waited_holds_what_it_rolls_back(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.in_production(documents("one", tools=WITH_REFUND), documents("one"))
        change = waits(await yard.rollback(Plane.TOOLS, environment="production", actor=OLA)).change
        assert await yard.holds("production") == ()
        with pytest.raises(SecondPersonRequired):
            await yard.review(change, OLA)
        reviewed = await yard.review(change, PAT)
        assert reviewed.moved is not None
        assert reviewed.moved.stamp == "support@2+tools@1"
        assert [(hold.plane, hold.held_by) for hold in await yard.holds("production")] == [(Plane.TOOLS, OLA.name)]

    in_yard(tmp_path, story)


def test_two_reviewers_at_once_apply_it_once(tmp_path: Path) -> None:
    async def attempt(yard: Yard, change: str, actor: Actor) -> str:
        try:
            return (await yard.review(change, actor)).state
        except ChangeClosed:
            return "closed"

    async def story(yard: Yard) -> None:
        change = await asked(yard)
        people = [person(f"p{number}", "approver") for number in range(20)]
        async with asyncio.TaskGroup() as tasks:
            racing = [tasks.create_task(attempt(yard, change, actor)) for actor in people]
        assert sorted(racer.result() for racer in racing) == ["approved", *["closed"] * 19]
        assert await yard.generation("production") == 2

    in_yard(tmp_path, story)


def test_an_unknown_change(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        with pytest.raises(ChangeUnknown):
            await yard.review("chg_000000000000", OLA)

    in_yard(tmp_path, story)


def test_a_charter_that_waits_goes_stale_when_another_came_first(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.in_production(documents("one"))
        published = await yard.publish(documents("two"), charter=wider(wider(), BEN.name))
        assert published.terms is not None
        tighter = Charter(owner=DANA.name, deputy=DREW.name, on_call="x", fallback=CHARTER.fallback)
        assert (await yard.publish(documents("three"), charter=tighter)).terms is None
        with pytest.raises(ChangeStale):
            await yard.review(published.terms.change, OLA)
        assert await yard.charter() == tighter

    in_yard(tmp_path, story)
