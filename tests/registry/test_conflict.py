# SPDX-License-Identifier: Apache-2.0
"""Which five documents do not fit each other, and between which planes."""

from typing import Final

import pytest

from customhouse.domain.label import ClassificationName
from customhouse.planes.model.document import Choice, Deployment, Posture
from customhouse.planes.model.document import Document as ModelDocument
from customhouse.planes.prompt.document import Document as PromptDocument
from customhouse.planes.retrieval.document import Document as RetrievalDocument
from customhouse.planes.safety.document import Document as SafetyDocument
from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.planes.tools.document import Grant
from customhouse.registry.conflict import conflicts
from customhouse.registry.documents import Documents

GRANTS: Final = {
    "free": Grant(permission="allow", effect="read"),
    "held": Grant(permission="approve", effect="irreversible"),
    "denied": Grant(permission="deny", effect="read"),
}


def fit(
    *,
    needs: tuple[str, ...] = (),
    features: tuple[str, ...] = (),
    floor: ClassificationName = "internal",
    residency: tuple[str, ...] = (),
    route: tuple[str, ...] = ("home", "away"),
) -> list[tuple[str, str, tuple[str, ...]]]:
    def deployment(name: str, accepts: ClassificationName, region: str, features: tuple[str, ...]) -> Deployment:
        return Deployment(
            name=name,
            provider=name,
            model="m",
            dialect="openai_chat",
            base_url="http://x",
            posture="self_hosted",
            accepts=accepts,
            region=region,
            features=features,
        )

    home = deployment("home", "confidential", "local", ("tools", "json_schema"))
    away = deployment("away", "internal", "us", ("tools",))
    model = ModelDocument(
        deployments={"home": home, "away": away},
        route=(Choice(use=route),) if route else (),
        posture=Posture(use="self_hosted"),
    )
    found = conflicts(
        Documents(
            model=model,
            prompt=PromptDocument(template="", source="p", requires_tools=needs, requires_features=features),
            tools=ToolsDocument(grants=GRANTS),
            retrieval=RetrievalDocument(),
            safety=SafetyDocument(name="default", input_classification=floor, residency=residency),
        )
    )
    return [(conflict.code, conflict.text, tuple(str(plane) for plane in conflict.planes)) for conflict in found]


def test_documents_that_fit() -> None:
    assert fit(needs=("free", "held"), features=("tools",)) == []


@pytest.mark.parametrize(
    ("tool", "text"),
    [
        ("denied", "the prompt needs the tool denied, which the tools plane denies"),
        ("absent", "the prompt needs the tool absent, which the tools plane does not name"),
    ],
)
def test_a_prompt_that_needs_a_tool(tool: str, text: str) -> None:
    assert fit(needs=(tool,)) == [("conflict.prompt_needs_tool", text, ("prompt", "tools"))]


def test_a_feature_that_one_of_the_deployments_lacks() -> None:
    text = "the prompt needs the feature json_schema, which away/away of the model plane lacks"
    assert fit(features=("json_schema",)) == [("conflict.prompt_needs_feature", text, ("model", "prompt"))]
    assert fit(features=("json_schema",), route=("home",)) == [], "what no route names does not answer"


@pytest.mark.parametrize(
    ("floor", "residency", "place"),
    [("restricted", (), "restricted data"), ("confidential", ("us",), "confidential data in us")],
)
def test_no_deployment_takes_the_data(floor: ClassificationName, residency: tuple[str, ...], place: str) -> None:
    text = f"no deployment of the model plane accepts {place}, so every answer would be the fallback"
    expected = [("conflict.no_deployment_for_class", text, ("model", "safety"))]
    assert fit(floor=floor, residency=residency) == expected


def test_no_model_at_all_is_no_conflict() -> None:
    assert fit(route=()) == [], "every answer is the fallback, as declared"


def test_every_conflict_is_told() -> None:
    assert [code for code, _, _ in fit(needs=("denied", "absent"), features=("vision",), floor="restricted")] == [
        "conflict.prompt_needs_tool",
        "conflict.prompt_needs_tool",
        "conflict.prompt_needs_feature",
        "conflict.no_deployment_for_class",
    ]
