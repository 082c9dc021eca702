# SPDX-License-Identifier: Apache-2.0
"""What may answer a turn: never a deployment outside its class, posture or residency, whatever the route says."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customhouse.dialects.provider import PROVIDERS
from customhouse.domain.label import CLASSIFICATION_NAMES, Classification, classification
from customhouse.planes.model.document import Choice, Deployment, Document, Posture, PostureName
from customhouse.planes.model.select import Facts, Route, refusal

POSTURES: tuple[PostureName, ...] = ("api", "managed", "self_hosted", "hybrid", "embedded")
ALLOWED: dict[PostureName, set[PostureName]] = {
    "api": {"api"},
    "managed": {"managed"},
    "self_hosted": {"self_hosted", "embedded"},
    "embedded": {"embedded"},
    "hybrid": {"api", "managed", "self_hosted", "embedded"},
}
HOME = Deployment(
    name="home",
    provider="local",
    model="small",
    dialect="openai_chat",
    base_url="http://127.0.0.1:1/v1",
    posture="self_hosted",
    accepts="restricted",
    region="eu",
)
AWAY = msgspec.structs.replace(
    HOME, name="away", provider="acme", base_url="https://api.test/v1", posture="api", accepts="internal", region="us"
)
TURN = Facts(classification=Classification.INTERNAL, tenant="default", environment="dev")


def document(*route: Choice, posture: PostureName = "hybrid", **deployments: Deployment) -> Document:
    given_deployments = deployments or {"home": HOME, "away": AWAY}
    return Document(deployments=given_deployments, route=route, posture=Posture(use=posture))


def chosen(given_document: Document, facts: Facts = TURN) -> list[str]:
    return [deployment.name for deployment in Route(given_document).select(facts).deployments]


def facts(
    level: Classification = Classification.INTERNAL, *, tenant: str = "default", residency: tuple[str, ...] = ()
) -> Facts:
    return Facts(classification=level, tenant=tenant, environment="dev", residency=residency)


NAMES = ("a", "b", "c")
DEPLOYMENTS = st.fixed_dictionaries(
    {
        name: st.builds(
            Deployment,
            name=st.just(name),
            provider=st.just("p"),
            model=st.just("m"),
            dialect=st.sampled_from(["openai_chat", "openai_responses", "anthropic"]),
            base_url=st.just("https://api.test/v1"),
            posture=st.sampled_from(POSTURES),
            accepts=st.sampled_from(CLASSIFICATION_NAMES),
            region=st.sampled_from([None, "eu", "us", ""]),
        )
        for name in NAMES
    }
)
CONDITIONS = st.sampled_from(
    [
        None,
        "true",
        "false",
        "data.classification >= confidential",
        "data.classification < restricted",
        "tenant == 'acme'",
        "environment in ['dev', 'staging']",
        "tenant == 'acme' ? tenant < 1 : false",
    ]
)
ROUTES = st.lists(
    st.builds(Choice, use=st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(tuple), when=CONDITIONS),
    max_size=4,
).map(tuple)
FACTS = st.builds(
    Facts,
    classification=st.sampled_from(Classification),
    tenant=st.sampled_from(["acme", "default"]),
    environment=st.sampled_from(["dev", "staging", "production"]),
    residency=st.sampled_from([(), ("eu",), ("eu", "us"), ("nowhere",)]),
)


@given(DEPLOYMENTS, ROUTES, st.sampled_from(POSTURES), FACTS)
@settings(deadline=None, max_examples=300)
def test_nothing_outside_the_turns_bounds_ever_answers(
    deployments: dict[str, Deployment], route: tuple[Choice, ...], posture: PostureName, turn: Facts
) -> None:
    selection = Route(document(*route, posture=posture, **deployments)).select(turn)
    for deployment in selection.deployments:
        accepts = classification(deployment.accepts)
        assert accepts is not None
        assert turn.classification <= accepts
        assert deployment.posture in ALLOWED[posture]
        assert not turn.residency or deployment.region in turn.residency
        assert deployment.dialect in PROVIDERS
    named = {name for name, _ in selection.excluded}
    assert not named & {deployment.name for deployment in selection.deployments}
    used = [deployment.name for deployment in selection.deployments]
    assert used == [] or any([name for name in choice.use if name in used] == used for choice in route), (
        "one entry's order"
    )


@given(DEPLOYMENTS, ROUTES, st.sampled_from(POSTURES), FACTS)
@settings(deadline=None)
def test_more_sensitive_data_never_reaches_more_deployments_of_one_entry(
    deployments: dict[str, Deployment], route: tuple[Choice, ...], posture: PostureName, turn: Facts
) -> None:
    unconditional = tuple(Choice(use=choice.use) for choice in route)
    compiled = Route(document(*unconditional, posture=posture, **deployments))
    reached = [
        {d.name for d in compiled.select(facts(level, residency=turn.residency)).deployments}
        for level in Classification
    ]
    assert all(more >= fewer for more, fewer in pairwise(reached))


ROWS: list[tuple[str, Document, Facts, list[str], tuple[tuple[str, str], ...]]] = [
    ("both", document(Choice(use=("home", "away"))), TURN, ["home", "away"], ()),
    (
        "the story at the top of the file",
        document(Choice(use=("home", "away"))),
        facts(Classification.CONFIDENTIAL),
        ["home"],
        (("away", "route.classification"),),
    ),
    (
        "residency",
        document(Choice(use=("away", "home"))),
        facts(residency=("eu",)),
        ["home"],
        (("away", "route.residency"),),
    ),
    (
        "posture",
        document(Choice(use=("away", "home")), posture="self_hosted"),
        TURN,
        ["home"],
        (("away", "route.posture"),),
    ),
    ("no entry at all", document(), TURN, [], (("route", "route.no_entry"),)),
    ("no entry holds", document(Choice(use=("home",), when="false")), TURN, [], (("route", "route.no_entry"),)),
    (
        "the first that holds is used",
        document(Choice(use=("away",), when="data.classification >= confidential"), Choice(use=("home",))),
        TURN,
        ["home"],
        (),
    ),
    (
        "an entry that is empty for this turn is not passed over",
        document(Choice(use=("away",)), Choice(use=("home",))),
        facts(Classification.RESTRICTED),
        [],
        (("away", "route.classification"),),
    ),
    (
        "an error selects nothing, also when the next entry would",
        document(Choice(use=("home",), when="tenant == 'acme' ? tenant < 1 : false"), Choice(use=("away",))),
        facts(tenant="acme"),
        [],
        (("route", "route.condition_failed"),),
    ),
]


@pytest.mark.parametrize(("why", "given_document", "turn", "names", "excluded"), ROWS, ids=[row[0] for row in ROWS])
def test_selection(
    why: str, given_document: Document, turn: Facts, names: list[str], excluded: tuple[tuple[str, str], ...]
) -> None:
    selection = Route(given_document).select(turn)
    assert [deployment.name for deployment in selection.deployments] == names, why
    assert selection.excluded == excluded


REFUSED = [
    ("no expression", document(Choice(use=("home",), when="data.classification >="))),
    ("a number", document(Choice(use=("home",), when="1"))),
    ("an unknown name", document(Choice(use=("home",), when="user == 'x'"))),
    ("an unknown deployment", document(Choice(use=("nowhere",)))),
    ("an unknown deployment in an entry that never holds", document(Choice(use=("nowhere",), when="false"))),
    ("too long", document(Choice(use=("home",), when="true" + " " * 1000))),
    ("too deep", document(Choice(use=("home",), when="(" * 40 + "true" + ")" * 40))),
    ("lists too deep", document(Choice(use=("home",), when="[" * 400 + "1" + "]" * 400 + " == 1"))),
    ("a file", document(Choice(use=("home",)), home=msgspec.structs.replace(HOME, base_url="file:///etc/passwd"))),
    ("a password", document(Choice(use=("home",)), home=msgspec.structs.replace(HOME, base_url="http://a:b@c/v1"))),
]


@pytest.mark.parametrize("given_document", [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_route_that_cannot_be_kept_is_refused_when_it_is_compiled(given_document: Document) -> None:
    with pytest.raises(ValueError, match=r"."):
        Route(given_document)


def test_a_class_that_does_not_exist_accepts_nothing() -> None:
    forged = msgspec.structs.replace(HOME, accepts="everything")
    assert refusal(forged, document(Choice(use=("home",))), facts(Classification.PUBLIC)) == "route.classification"


def test_a_deployment_under_another_name_is_refused_when_it_is_loaded() -> None:
    """Whatever is shown of `home` in a review would be true of another deployment."""
    misnamed = document(Choice(use=("home",)), home=msgspec.structs.replace(AWAY, accepts="restricted"), away=AWAY)
    with pytest.raises(ValueError, match="the deployment home calls itself away"):
        Route(misnamed)
