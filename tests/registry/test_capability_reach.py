# SPDX-License-Identifier: Apache-2.0
"""Which data may newly reach whom: said whichever document made it so, and a second person is asked."""

from dataclasses import replace
from typing import Any, Final

import msgspec
import pytest
from tests.rollout.yard import documents

from customhouse.planes.model.document import Choice, Deployment, Posture
from customhouse.registry.capability import compare
from customhouse.registry.capability_reach import reach_changes
from customhouse.registry.documents import Documents

HOME: Final = Deployment(
    name="small",
    provider="local",
    model="m",
    dialect="openai_chat",
    base_url="http://127.0.0.1:1/v1",
    posture="self_hosted",
    accepts="restricted",
    region="local",
)
AWAY: Final = msgspec.structs.replace(
    HOME, name="big", provider="away", posture="api", accepts="confidential", region="us"
)
SECRET: Final = Choice(use=("small",), when="data.classification >= confidential")
BOTH: Final = Choice(use=("big", "small"))


def house(*route: Choice, floor: str = "internal", residency: tuple[str, ...] = (), **model: Any) -> Documents:  # noqa: ANN401 - the document's own fields
    base = documents()
    routed = msgspec.structs.replace(
        base.model, deployments={"small": HOME, "big": AWAY}, route=route, posture=Posture(use="hybrid"), **model
    )
    safety = msgspec.structs.replace(base.safety, input_classification=floor, residency=residency)
    return replace(base, model=routed, safety=safety)


PLAIN: Final = house(SECRET, BOTH)
ROWS: Final[list[tuple[str, Documents, Documents, list[str] | None]]] = [
    # why, before, after, what is said
    ("nothing", PLAIN, PLAIN, []),
    ("the condition is gone", PLAIN, house(BOTH), ["+ confidential data may now reach away/big"]),
    ("and comes back", house(BOTH), PLAIN, ["- confidential data no longer reaches away/big"]),
    (
        "a condition that a client's word decides",
        PLAIN,
        house(Choice(use=("big",), when="task == 'draft'"), SECRET, BOTH),
        ["+ confidential data may now reach away/big"],
    ),
    (
        "a residency that falls away",
        house(BOTH, residency=("local",)),
        house(BOTH),
        ["+ internal and confidential data may now reach away/big"],
    ),
    (
        "a lower floor: what was treated as confidential is so no more",
        house(SECRET, BOTH, floor="confidential"),
        PLAIN,
        ["+ internal data may now reach away/big"],
    ),
    (
        "a higher floor",
        PLAIN,
        house(SECRET, BOTH, floor="confidential"),
        ["- internal data no longer reaches away/big"],
    ),
    (
        "the organisation allows less",
        PLAIN,
        house(SECRET, BOTH, postures_allowed=("self_hosted",)),
        [
            "- internal data no longer reaches away/big",
            "- internal and confidential and restricted data no longer reaches local/small",
        ],
    ),
    ("one that is new is said by itself", house(SECRET, Choice(use=("small",))), PLAIN, []),
    ("a route that nothing reads reaches nobody", house(Choice(use=("small",), when="nope")), PLAIN, None),
]


@pytest.mark.parametrize(("why", "before", "after", "said"), ROWS, ids=[row[0] for row in ROWS])
def test_what_reaches_whom(why: str, before: Documents, after: Documents, said: list[str] | None) -> None:
    found = reach_changes(before, after)
    if said is None:
        assert all(change.loosens for change in found), why
        return
    assert [change.text for change in found] == said, why
    assert [change.loosens for change in found] == [text.startswith("+") for text in said], why
    assert set(found) <= set(compare(before, after))


@pytest.mark.parametrize(
    ("before", "after", "text", "loosens"),
    [
        ((), ("hybrid",), "- the organisation allows hybrid (was any posture)", False),
        (("hybrid",), (), "+ the organisation allows any posture (was hybrid)", True),
        (("api", "hybrid"), ("hybrid",), "- the organisation allows hybrid (was api, hybrid)", False),
        (("api",), ("hybrid",), "+ the organisation allows hybrid (was api)", True),
    ],
)
def test_what_the_organisation_allows(
    before: tuple[str, ...], after: tuple[str, ...], text: str, *, loosens: bool
) -> None:
    found = compare(house(SECRET, BOTH, postures_allowed=before), house(SECRET, BOTH, postures_allowed=after))
    (change,) = (each for each in found if each.subject == "organization")
    assert (change.text, change.loosens) == (text, loosens)
