# SPDX-License-Identifier: Apache-2.0
"""Postures that are mixed by accident, and copilots that nobody looks after any more. Pure.

Rules:
- An assistant whose deployments have several postures says `use: hybrid`; one that says so and has a single posture
  may take models from anywhere for no reason.
- An organisation that keeps some assistants' data at home and lets the same classes leave by another's says which
  postures it allows. Public data is nobody's secret and does not count.
- A copilot is somebody else's: outside `postures_allowed` it is not refused, which nobody could enforce, but said.

Story: Dana's bot answers internal questions on acme's own machines. Mia's new bot sends internal questions to an API,
and nobody decided that. Once `postures_allowed: [self_hosted, api]` stands in the manifest, somebody has.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from customhouse.domain.label import Classification
from customhouse.manifest.compile import compile_assistant, undeclared_tools
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.reading import Path
from customhouse.manifest.sentences import reaches
from customhouse.planes.model.embedding import embeds
from customhouse.planes.model.reach import reached
from customhouse.planes.model.select import OUTSIDE


def mixed(manifest: Manifest) -> Iterator[tuple[Path, str]]:
    """Give the path and a sentence for each mixture that nobody declared."""
    for name, assistant in manifest.declared.assistants.items():
        postures = _postures(manifest, name)
        use, at = assistant.posture.use, ("assistants", name, "posture")
        if use != "hybrid" and len(postures) > 1:
            yield at, f"{name}: takes models by {' and '.join(postures)} and does not say `use: hybrid`"
        if use == "hybrid" and len(postures) == 1:
            only = postures[0]
            yield at, f"{name}: is hybrid and takes models by {only} alone: `use: {only}` would allow less"
    yield from _organization(manifest)
    organization = manifest.declared.organization
    allowed = organization.postures_allowed if organization else ()
    for name, copilot in manifest.declared.copilots.items():
        if allowed and copilot.posture not in allowed:
            text = f"the copilot {name} is {copilot.posture}, which is not among postures_allowed"
            yield ("copilots", name, "posture"), text


def copilots_due(manifest: Manifest, today: date) -> Iterator[tuple[Path, str]]:
    """Give the path and a sentence for each copilot whose review is past."""
    for name, copilot in manifest.declared.copilots.items():
        if date.fromisoformat(copilot.review) < today:
            text = f"the copilot {name} was to be reviewed by {copilot.review}; ask {copilot.owner}"
            yield ("copilots", name, "review"), text


def _postures(manifest: Manifest, name: str) -> tuple[str, ...]:
    model, declared = manifest.declared.assistants[name].model, manifest.declared
    used = {used for entry in ((*model.route, *model.embeddings) if model else ()) for used in entry.use}
    return tuple(sorted({declared.providers[declared.models[each].provider].posture for each in used}))


def _organization(manifest: Manifest) -> Iterator[tuple[Path, str]]:
    organization = manifest.declared.organization
    if organization is not None and organization.postures_allowed:
        return  # each assistant was held against it when the manifest was loaded
    home: dict[Classification, str] = {}
    away: dict[Classification, str] = {}
    for name, assistant in manifest.declared.assistants.items():
        if undeclared_tools(manifest, name) or assistant.posture.use == "hybrid":
            continue
        documents = compile_assistant(manifest, name).documents
        for level, cases in (*reaches(documents), *reaches(replace(documents, model=embeds(documents.model)))):
            for deployment in reached(cases).values():
                (away if deployment.posture in OUTSIDE else home).setdefault(level, name)
    shared = [level for level in Classification if level > Classification.PUBLIC and level in home and level in away]
    if shared:
        names = " and ".join(level.label for level in shared)
        text = (
            f"{names} data stays at home in {home[shared[0]]} and leaves in {away[shared[0]]}: "
            "say in organization.postures_allowed which postures are meant"
        )
        yield ("organization",), text
