# SPDX-License-Identifier: Apache-2.0
"""The difference between two sets of documents, in capabilities. Pure.

Rules kept:
- Nothing is called tightening or neutral unless that is proved from the two values; everything else loosens where it
  widens what the model may do or where data may go (invariant 5: loosening needs review, tightening never waits).
- The text of a prompt and sampling parameters are neutral: they change what a model says, not what it may do. What
  clients may write into the prompt is not its text: a variable that is new or takes more loosens.
- A first release has nothing before it: everything usable is `gained`, so it loosens wherever reviewers are asked for.
"""

from dataclasses import replace

import msgspec

from customhouse.domain.capability import Capability
from customhouse.domain.plane import PLANES
from customhouse.planes.model.embedding import embeds
from customhouse.registry.capability_content import prompt_changes, retrieval_changes, safety_changes
from customhouse.registry.capability_model import model_changes
from customhouse.registry.capability_reach import reach_changes
from customhouse.registry.capability_tools import tools_changes
from customhouse.registry.documents import Documents

__all__ = ["Capability", "compare", "loosens"]


def compare(before: Documents | None, after: Documents) -> tuple[Capability, ...]:
    """Return what changes for the assistant, in the order of the planes, more before less before different."""
    if before is None:
        before = _nothing(after)
    found = (
        *model_changes(before.model, after.model),
        *reach_changes(before, after),
        *reach_changes(_embedding(before), _embedding(after)),
        *prompt_changes(before.prompt, after.prompt),
        *tools_changes(before.tools, after.tools),
        *retrieval_changes(before.retrieval, after.retrieval),
        *safety_changes(before.safety, after.safety),
    )
    return tuple(sorted((*found, *_unshown(before, after, found)), key=_order))


def loosens(capabilities: tuple[Capability, ...]) -> bool:
    """Whether any of the changes needs a second person where reviewers are asked for."""
    return any(capability.loosens for capability in capabilities)


def _embedding(documents: Documents) -> Documents:
    """Return documents as they are for texts to embed."""
    return replace(documents, model=embeds(documents.model))


def _unshown(before: Documents, after: Documents, found: tuple[Capability, ...]) -> list[Capability]:
    """Say of each plane whose document changes and shows nothing that it does: nothing changes in silence."""
    shown = {capability.plane for capability in found}
    return [
        Capability(
            kind="definition_changed",
            plane=plane,
            subject=plane,
            text=f"~ the {plane} document changed; the assistant may do neither more nor less",
            loosens=False,
        )
        for plane in PLANES
        if plane not in shown and before.of(plane) != after.of(plane)
    ]


def _order(capability: Capability) -> tuple[int, int, str, str]:
    return (PLANES.index(capability.plane), "+-~".index(capability.text[0]), capability.subject, capability.text)


def _nothing(after: Documents) -> Documents:
    """Return documents that may do nothing, alike in everything that is no capability."""
    return Documents(
        model=msgspec.structs.replace(
            after.model, deployments={}, route=(), embeddings=(), client_may_set=(), aliases=(), limits=()
        ),
        prompt=msgspec.structs.replace(
            after.prompt, template="", variables={}, requires_tools=(), requires_features=()
        ),
        tools=msgspec.structs.replace(after.tools, grants={}, servers={}, resources=(), prompts=()),
        retrieval=msgspec.structs.replace(after.retrieval, sources={}),
        safety=msgspec.structs.replace(after.safety, ledger_failure="closed"),
    )
