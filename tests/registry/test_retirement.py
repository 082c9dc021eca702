# SPDX-License-Identifier: Apache-2.0
"""Which deployments have retired on a day, and when a version is no target any more."""

from datetime import date
from typing import Final

import msgspec
import pytest

from customhouse.planes.model.document import Choice, Deployment, Document, Posture
from customhouse.registry.retirement import (
    day_problem,
    out_of_service,
    retired,
    retirement_conflict,
    retirements,
)

TODAY: Final = date(2026, 11, 24)


def document(*retires: str | None, unrouted: str | None = None) -> Document:
    """Return a document that routes to one deployment for each day, named by its place, and has one more."""
    deployments = {f"m{index}": deployment(f"m{index}", day) for index, day in enumerate(retires)}
    use = tuple(deployments)
    return Document(
        deployments={**deployments, "spare": deployment("spare", unrouted)},
        route=(Choice(use=use),) if use else (),
        posture=Posture(use="api"),
    )


def deployment(name: str, retires: str | None) -> Deployment:
    return Deployment(
        name=name,
        provider="away",
        model="gpt",
        dialect="openai_chat",
        base_url="https://api.test/v1",
        posture="api",
        accepts="internal",
        retires=retires,
    )


@pytest.mark.parametrize(
    ("given", "said", "gone", "out"),
    [
        (document(None), [], 0, False),
        (document("2026-11-25"), ["away/m0 retires on 2026-11-25, in 1 day"], 0, False),
        (document("2027-05-23"), ["away/m0 retires on 2027-05-23, in 180 days"], 0, False),
        (document("2027-05-24"), [], 0, False),  # more than 180 days ahead
        (document("2026-11-24"), ["away/m0 retired on 2026-11-24, today"], 1, True),  # from its day on
        (document("2026-11-23"), ["away/m0 retired on 2026-11-23, 1 day ago"], 1, True),
        (document("2026-11-14", None), ["away/m0 retired on 2026-11-14, 10 days ago"], 1, False),  # one is left
        (
            document("2026-01-01", "2026-11-24"),
            ["away/m0 retired on 2026-01-01, 327 days ago", "away/m1 retired on 2026-11-24, today"],
            2,
            True,
        ),
        (document(unrouted="2026-01-01"), [], 0, False),  # no route on purpose; what no route names counts for nothing
        (document("soon"), [], 0, False),  # published by an older version: a day that cannot be read never comes
    ],
)
def test_on_a_day(given: Document, said: list[str], gone: int, *, out: bool) -> None:
    assert [found.text for found in retirements(given, TODAY)] == said
    assert len(retired(given, TODAY)) == gone
    assert out_of_service(given, TODAY) is out
    conflict = retirement_conflict(given, TODAY)
    assert (conflict is not None) is (gone > 0)
    assert conflict is None or conflict.code == "conflict.model_retired"


def embedding(document: Document, *retires: str | None) -> Document:
    """Return the document with a route over embedding models besides."""
    models = {
        f"e{index}": msgspec.structs.replace(deployment(f"e{index}", day), kind="embedding")
        for index, day in enumerate(retires)
    }
    route = (Choice(use=tuple(models)),)
    return msgspec.structs.replace(document, deployments={**document.deployments, **models}, embeddings=route)


def test_embedding_models_are_named_and_decide_only_where_nothing_chats() -> None:
    both = embedding(document(None), "2026-11-20")
    assert [found.deployment for found in retired(both, TODAY)] == ["away/e0"]
    assert not out_of_service(both, TODAY)
    assert out_of_service(embedding(document(), "2026-11-20"), TODAY)
    assert not out_of_service(embedding(document(), "2026-11-20", None), TODAY)
    assert out_of_service(embedding(document("2026-11-20"), None), TODAY)


@pytest.mark.parametrize("day", ["soon", "20261124", "2026-02-30", "2026-W48-2", ""])
def test_a_day_that_would_never_come_is_named(day: str) -> None:
    assert day_problem(document(day)) == "the deployment m0 retires on no day of the calendar like 2027-06-01"
    assert day_problem(document(unrouted=day)) is not None
    assert day_problem(document("2027-06-01", None)) is None
