# SPDX-License-Identifier: Apache-2.0
"""Charter and reviewers: what gives power waits, everything else is in force at once."""

from pathlib import Path

import msgspec
import pytest
from tests.rollout.yard import (
    BEN,
    CHARTER,
    DANA,
    DREW,
    LOCAL,
    OLA,
    PAT,
    Yard,
    documents,
    in_yard,
    moved,
    person,
    waits,
    wider,
)

from customhouse.domain.errors import ChangeStale, DeputyMissing, SecondPersonRequired
from customhouse.registry.charter import Charter
from customhouse.rollout.terms import powers_given


def changed(**fields: object) -> Charter:
    """Return the charter with other fields."""
    return msgspec.convert({**msgspec.to_builtins(CHARTER), **fields}, Charter)


@pytest.mark.parametrize(
    ("after", "expected", "why"),
    [
        (CHARTER, [], "nothing changed"),
        (changed(on_call="b", purpose="p", regulation=["gdpr"]), [], "words give no power"),
        (changed(fallback="Sorry"), ["+ the fallback answer becomes: Sorry"], "users read it, and nobody did before"),
        (changed(groups={}), [], "a group that is gone approves nothing"),
        (changed(groups={"refunds": []}), [], "fewer members"),
        (changed(deputy=None), [], "one person fewer"),
        (changed(owner=BEN.name), ["+ ben@acme.test becomes owner and may release, promote and roll back"], "owner"),
        (changed(deputy=BEN.name), ["+ ben@acme.test becomes deputy and may release, promote and roll back"], "deputy"),
        (
            changed(owner=DREW.name, deputy=DANA.name),
            ["+ drew@acme.test, deputy until now, becomes owner: calls held for the captain come to them"],
            "the captain decides held calls",
        ),
        (wider(CHARTER, BEN.name), ["+ group refunds gains ben@acme.test"], "one more approver"),
        (
            changed(groups={"refunds": [OLA.name], "new": [BEN.name]}),
            ["+ group new gains ben@acme.test"],
            "a document may name the new group already",
        ),
        (
            changed(groups={"refunds": [BEN.name]}),
            ["+ group refunds gains ben@acme.test"],
            "as many as before, and another one",
        ),
    ],
)
def test_powers_given(after: Charter, expected: list[str], why: str) -> None:
    assert list(powers_given(CHARTER, after)) == expected, why
    assert powers_given(None, after) == ()


def test_a_wider_charter_waits_although_dev_asks_for_nobody(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.in_production(documents("one"))
        published = await yard.publish(documents("two"), "dev", charter=wider(CHARTER, BEN.name))
        assert moved(published.outcome).stamp == "support@2"
        assert published.terms is not None
        assert published.terms.effects == ("+ group refunds gains ben@acme.test",)
        assert await yard.charter() == CHARTER
        with pytest.raises(SecondPersonRequired):
            await yard.review(published.terms.change, DANA)
        assert (await yard.review(published.terms.change, OLA)).state == "approved"
        assert await yard.charter() == wider(CHARTER, BEN.name)

    in_yard(tmp_path, story)


def test_a_wider_charter_is_in_force_at_once_where_nobody_reviews(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"))
        assert (await yard.publish(documents("two"), charter=wider(CHARTER, BEN.name))).terms is None
        assert await yard.charter() == wider(CHARTER, BEN.name)

    in_yard(tmp_path, story)


def test_a_wider_charter_waits_while_a_promotion_to_production_waits(tmp_path: Path) -> None:
    """Otherwise the reviewer would sign one charter off, and another one would be in force when the pins move."""

    async def story(yard: Yard) -> None:
        await yard.publish(documents("one"))
        waits(await yard.promote(1))
        assert (await yard.publish(documents("two"), charter=wider(CHARTER, BEN.name))).terms is not None

    in_yard(tmp_path, story)


def test_a_narrower_charter_never_waits(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.in_production(documents("one"))
        assert (await yard.publish(documents("two"), charter=changed(groups={}))).terms is None
        assert await yard.charter() == changed(groups={})

    in_yard(tmp_path, story)


def test_production_keeps_its_deputy(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        await yard.in_production(documents("one"))
        with pytest.raises(DeputyMissing):
            await yard.publish(documents("two"), "dev", charter=changed(deputy=None))

    in_yard(tmp_path, story)


def test_more_reviewers_at_once_fewer_by_review(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        published = await yard.publish(documents("one"), actor=LOCAL, reviewers={"production": 2, "staging": 1})
        assert published.terms is None
        assert (await yard.reviewers(), await yard.reviewers("staging")) == (2, 1)
        lower = await yard.publish(documents("two"), reviewers={"production": 0, "staging": 1})
        assert lower.terms is not None
        assert lower.terms.effects == ("+ production asks for 0 reviewers, not 2",)
        assert await yard.reviewers() == 2
        assert (
            await yard.review(lower.terms.change, OLA)
        ).state == "requested"  # two are asked for until it is in force
        assert (await yard.review(lower.terms.change, PAT)).state == "approved"
        assert await yard.reviewers() == 0
        details = await yard.evidence("environment.changed")
        assert [(each["environment"], each["reviewers"]) for each in details] == [
            ("production", 2),
            ("staging", 1),
            ("production", 0),
        ]

    in_yard(tmp_path, story)


def test_a_captain_does_not_set_the_reviewers_of_everybody(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        published = await yard.publish(documents("one"), reviewers={"production": 5, "staging": 3})
        assert published.terms is not None
        assert published.terms.effects == (
            "+ production asks for 5 reviewers, not 1",
            "+ staging asks for 3 reviewers, not 0",
        )
        assert (await yard.reviewers(), await yard.reviewers("staging")) == (1, 0)
        assert (await yard.review(published.terms.change, OLA)).state == "approved"
        assert (await yard.reviewers(), await yard.reviewers("staging")) == (5, 3)

    in_yard(tmp_path, story)


def test_an_admin_raises_at_once_and_lowers_by_review(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        admin = person("dana", "captain", "admin")
        assert (await yard.publish(documents("one"), actor=admin, reviewers={"production": 2})).terms is None
        lower = await yard.publish(documents("two"), actor=admin, reviewers={"production": 1})
        assert lower.terms is not None
        assert await yard.reviewers() == 2

    in_yard(tmp_path, story)


def test_reviewers_that_moved_meanwhile_make_the_change_stale(tmp_path: Path) -> None:
    """Ola would sign "2, not 1" off, and take somebody's 3 away."""

    async def story(yard: Yard) -> None:
        raised = await yard.publish(documents("one"), reviewers={"production": 2})
        await yard.publish(documents("two"), actor=LOCAL, reviewers={"production": 3})
        assert raised.terms is not None
        await yard.review(raised.terms.change, OLA)
        await yard.review(raised.terms.change, PAT)
        with pytest.raises(ChangeStale):
            await yard.review(raised.terms.change, person("ben", "approver"))
        assert await yard.reviewers() == 3

    in_yard(tmp_path, story)
