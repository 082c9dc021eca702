# SPDX-License-Identifier: Apache-2.0
"""Conflicts between planes: five documents, each fine alone, that do not fit each other. Pure.

Mia rolls the tools plane back to the version of June. The prompt in force says "look the order up with
get_order_status", a tool that June's policy denies: the model would promise what it cannot do. The conflict is named
before anything moves, with both planes, so that rolling both back together can be offered as the fix.
"""

from typing import Literal

import msgspec

from customhouse.domain.label import Classification, classification
from customhouse.domain.plane import Plane
from customhouse.planes.model.document import Deployment
from customhouse.planes.model.document import Document as ModelDocument
from customhouse.planes.model.embedding import embeds
from customhouse.registry.documents import Documents

ConflictCode = Literal[
    "conflict.prompt_needs_tool",
    "conflict.prompt_needs_feature",
    "conflict.no_deployment_for_class",
    "conflict.model_retired",
]


class Conflict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Planes that do not fit each other, and why, in one sentence."""

    code: ConflictCode
    text: str
    planes: tuple[Plane, ...]


def conflicts(documents: Documents) -> tuple[Conflict, ...]:
    """Return every conflict among five documents, in a stable order; empty when they fit."""
    return (
        *_missing_tools(documents),
        *_missing_features(documents),
        *_no_deployment(documents),
        *_no_embedding(documents),
    )


def routed(document: ModelDocument) -> tuple[Deployment, ...]:
    """Return the deployments that the route can reach, in the order in which it first names them."""
    names = dict.fromkeys(name for choice in document.route for name in choice.use)
    return tuple(document.deployments[name] for name in names if name in document.deployments)


def takes(deployment: Deployment, floor: Classification, residency: tuple[str, ...]) -> bool:
    """Whether `deployment` may see data of class `floor` that must stay in `residency` (empty: anywhere)."""
    limit = classification(deployment.accepts)
    return limit is not None and limit >= floor and (not residency or deployment.region in residency)


def _missing_tools(documents: Documents) -> list[Conflict]:
    found: list[Conflict] = []
    for tool in sorted(set(documents.prompt.requires_tools)):
        grant = documents.tools.grants.get(tool)
        if grant is None:
            state = "does not name"
        elif grant.permission == "deny":
            state = "denies"
        else:
            continue
        text = f"the prompt needs the tool {tool}, which the tools plane {state}"
        found.append(Conflict(code="conflict.prompt_needs_tool", text=text, planes=(Plane.PROMPT, Plane.TOOLS)))
    return found


def _missing_features(documents: Documents) -> list[Conflict]:
    # Any deployment of the route may be the one that answers, so each must have what the prompt needs.
    found: list[Conflict] = []
    for feature in sorted(set(documents.prompt.requires_features)):
        lacking = [deployment.label for deployment in routed(documents.model) if feature not in deployment.features]
        if lacking:
            text = f"the prompt needs the feature {feature}, which {', '.join(lacking)} of the model plane lacks"
            found.append(Conflict(code="conflict.prompt_needs_feature", text=text, planes=(Plane.MODEL, Plane.PROMPT)))
    return found


def _no_deployment(documents: Documents) -> list[Conflict]:
    if not documents.model.route:  # no model on purpose: every answer is the fallback, and nothing else was promised
        return []
    floor = classification(documents.safety.input_classification) or Classification.PUBLIC
    residency = documents.safety.residency
    if any(takes(deployment, floor, residency) for deployment in routed(documents.model)):
        return []
    where = f" in {', '.join(residency)}" if residency else ""
    text = f"no deployment of the model plane accepts {floor.label} data{where}, so every answer would be the fallback"
    return [Conflict(code="conflict.no_deployment_for_class", text=text, planes=(Plane.MODEL, Plane.SAFETY))]


def _no_embedding(documents: Documents) -> list[Conflict]:
    if not documents.model.embeddings:
        return []
    floor = classification(documents.safety.input_classification) or Classification.PUBLIC
    residency = documents.safety.residency
    if any(takes(deployment, floor, residency) for deployment in routed(embeds(documents.model))):
        return []
    where = f" in {', '.join(residency)}" if residency else ""
    text = f"no embedding model of the model plane accepts {floor.label} data{where}, so no text could be embedded"
    return [Conflict(code="conflict.no_deployment_for_class", text=text, planes=(Plane.MODEL, Plane.SAFETY))]
