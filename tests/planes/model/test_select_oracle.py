# SPDX-License-Identifier: Apache-2.0
"""A search for data that goes where it may not: `Route.select` against an oracle that shares nothing with it.

The oracle is written from the words of the manifest's reference, in plain Python, with conditions as functions. It says
exactly who is asked, in order; one deployment more, fewer or elsewhere in the list is a counterexample.
"""

from collections.abc import Callable
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from customhouse.domain.label import CLASSIFICATION_NAMES, Classification
from customhouse.planes.model.document import Choice, Deployment, Document, Posture
from customhouse.planes.model.select import Facts, Route

DAY_US: Final = 24 * 3600 * 1_000_000
LAST_DAY: Final = "2026-11-24"
ENDS: Final = 20_782 * DAY_US
"""The first moment of 25 November 2026, UTC."""

Condition = tuple[str | None, Callable[[Facts], bool]]
CONDITIONS: Final[tuple[Condition, ...]] = (
    (None, lambda _: True),
    ("false", lambda _: False),
    ("data.classification >= confidential", lambda facts: facts.classification >= 2),
    ("data.classification == public", lambda facts: facts.classification == 0),
    ("task == 'draft'", lambda facts: facts.task == "draft"),
    ("task != ''", lambda facts: facts.task != ""),
    ("region in ['eu', 'us']", lambda facts: facts.region in {"eu", "us"}),
    ("tenant.startsWith('ac')", lambda facts: facts.tenant.startswith("ac")),
    ("workflow == 'returns' && task == 'draft'", lambda facts: (facts.workflow, facts.task) == ("returns", "draft")),
    ("environment == 'dev' || tenant == 'bolt'", lambda facts: facts.environment == "dev" or facts.tenant == "bolt"),
)
MAY_TAKE: Final = {
    "api": "api",
    "managed": "managed",
    "self_hosted": "self_hosted embedded",
    "embedded": "embedded",
    "hybrid": "api managed self_hosted embedded",
}
NAMES: Final = ("a", "b", "c", "d")
POSTURES: Final = ("api", "managed", "self_hosted", "embedded")
DEPLOYMENTS: Final = st.fixed_dictionaries(
    {
        name: st.builds(
            Deployment,
            name=st.just(name),
            provider=st.just("p"),
            model=st.just("m"),
            dialect=st.just("openai_chat"),
            base_url=st.just("https://api.test/v1"),
            posture=st.sampled_from(POSTURES),
            accepts=st.sampled_from(CLASSIFICATION_NAMES),
            region=st.sampled_from([None, "eu", "us"]),
        )
        for name in NAMES
    }
)
ROUTES: Final = st.lists(
    st.tuples(st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(tuple), st.sampled_from(CONDITIONS)),
    max_size=4,
)
DOCUMENTS: Final = st.tuples(
    st.sampled_from(sorted(MAY_TAKE)),
    st.lists(st.sampled_from(sorted(MAY_TAKE)), max_size=3, unique=True),
    st.sampled_from([None, LAST_DAY]),
)
FACTS: Final = st.builds(
    Facts,
    classification=st.sampled_from(Classification),
    tenant=st.sampled_from(["acme", "bolt"]),
    environment=st.sampled_from(["dev", "production"]),
    residency=st.sampled_from([(), ("eu",), ("eu", "us"), ("moon",)]),
    task=st.sampled_from(["", "draft", "other"]),
    region=st.sampled_from(["", "eu", "moon"]),
    workflow=st.sampled_from(["", "returns"]),
    now_us=st.sampled_from([None, 0, ENDS - 1, ENDS, ENDS + DAY_US]),
)


def may_see(deployment: Deployment, use: str, allowed: list[str], until: str | None, facts: Facts) -> bool:
    """Say whether a deployment may see the data of a turn."""
    if deployment.posture not in MAY_TAKE[use].split():
        return False
    if allowed and use not in allowed:
        return False
    over = until is not None and (facts.now_us is None or facts.now_us >= ENDS)
    if over and deployment.posture in {"api", "managed"}:
        return False
    if CLASSIFICATION_NAMES.index(deployment.accepts) < int(facts.classification):
        return False
    return facts.residency == () or deployment.region in facts.residency


@given(DEPLOYMENTS, ROUTES, DOCUMENTS, FACTS)
@settings(deadline=None, max_examples=1000)
def test_nobody_else_is_asked_and_nobody_is_left_out(
    deployments: dict[str, Deployment],
    route: list[tuple[tuple[str, ...], Condition]],
    terms: tuple[str, list[str], str | None],
    facts: Facts,
) -> None:
    use, allowed, until = terms
    expected: list[str] = []
    for names, (_, holds) in route:
        if holds(facts):
            expected = [name for name in names if may_see(deployments[name], use, allowed, until, facts)]
            break
    document = Document(
        deployments=deployments,
        route=tuple(Choice(use=names, when=when) for names, (when, _) in route),
        posture=Posture(use=use, until=until),  # pyright: ignore[reportArgumentType] - a table of texts
        postures_allowed=tuple(allowed),  # pyright: ignore[reportArgumentType] - likewise
    )
    selection = Route(document).select(facts)
    assert [deployment.name for deployment in selection.deployments] == expected
    assert selection.classification == facts.classification
