# SPDX-License-Identifier: Apache-2.0
"""From where an organisation takes models, and what that means: for data, cost, latency, and whoever is paged. Pure.

What is said of deployments is said of those that a release would carry, so `accepts` is what a turn is held to.
"""

from collections.abc import Iterator
from datetime import date
from typing import Final, cast

import msgspec

from customhouse.manifest.check import Remark
from customhouse.manifest.compile import compile_assistant, undeclared_tools
from customhouse.manifest.manifest import Manifest
from customhouse.manifest.mixed import copilots_due, mixed
from customhouse.manifest.reading import Path
from customhouse.manifest.sentences import model_sentences
from customhouse.manifest.terms import over_terms, past_review, told
from customhouse.planes.model.document import Deployment, PostureName
from customhouse.planes.model.embedding import embeds
from customhouse.registry.conflict import routed
from customhouse.registry.documents import Documents
from customhouse.registry.posture_end import AHEAD

_WAY: Final[dict[PostureName, str]] = {
    "embedded": "on the same machine",
    "self_hosted": "on our own network",
    "managed": "over the internet, to a cloud under our contract",
    "api": "over the internet, shared with the provider's other customers",
}
"""What stands between a turn and its model: the part of latency that a posture decides."""
_OURS: Final = "our own machines"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment of an assistant. `terms` is what is agreed about the data that goes there."""

    deployment: str
    model: str
    kind: str
    posture: str
    region: str | None
    accepts: str
    terms: str
    cost: str
    latency: str


class AssistantPosture(msgspec.Struct, frozen=True, kw_only=True):
    """One assistant. `reaches` says which data goes where; `paged` are the people of the on-call path."""

    assistant: str
    posture: str
    until: str | None
    because: str | None
    owner: str
    on_call: str
    paged: tuple[str, ...]
    fallback: str
    sources: tuple[Source, ...]
    reaches: tuple[str, ...]


class CopilotPosture(msgspec.Struct, frozen=True, kw_only=True):
    """One assistant that somebody else built, in somebody else's product."""

    copilot: str
    vendor: str
    posture: str
    owner: str
    purpose: str
    data: str
    where: str | None
    terms: str
    review: str


class Posture(msgspec.Struct, frozen=True, kw_only=True):
    """The whole organisation, and what should be looked at."""

    organization: str | None
    postures_allowed: tuple[str, ...]
    assistants: tuple[AssistantPosture, ...]
    copilots: tuple[CopilotPosture, ...]
    flags: tuple[Remark, ...]


def posture(manifest: Manifest, *, today: date) -> Posture:
    """Return who takes models from where; `today` is what ends and reviews are held against."""
    declared = manifest.declared
    organization = declared.organization
    return Posture(
        organization=organization.name if organization else None,
        postures_allowed=organization.postures_allowed if organization else (),
        assistants=tuple(_assistant(manifest, name) for name in sorted(declared.assistants)),
        copilots=tuple(
            CopilotPosture(
                copilot=name,
                vendor=copilot.vendor,
                posture=copilot.posture,
                owner=copilot.owner,
                purpose=copilot.purpose,
                data=copilot.data,
                where=copilot.where,
                terms=told(copilot.terms),
                review=copilot.review,
            )
            for name, copilot in sorted(declared.copilots.items())
        ),
        flags=tuple(Remark(place=str(manifest.place(*path)), text=text) for path, text in _flags(manifest, today)),
    )


def _assistant(manifest: Manifest, name: str) -> AssistantPosture:
    assistant = manifest.declared.assistants[name]
    documents = None if undeclared_tools(manifest, name) else compile_assistant(manifest, name).documents
    return AssistantPosture(
        assistant=name,
        posture=assistant.posture.use,
        until=assistant.posture.until,
        because=assistant.posture.because,
        owner=assistant.owner,
        on_call=assistant.on_call,
        paged=_paged(manifest, assistant.on_call),
        fallback=assistant.fallback,
        sources=() if documents is None else tuple(_sources(manifest, documents)),
        reaches=() if documents is None else model_sentences(documents),
    )


def _sources(manifest: Manifest, documents: Documents) -> Iterator[Source]:
    for deployment in dict.fromkeys((*routed(documents.model), *routed(embeds(documents.model)))):
        ours = deployment.posture in {"self_hosted", "embedded"}
        terms = manifest.declared.providers[deployment.provider].terms
        yield Source(
            deployment=deployment.label,
            model=deployment.model,
            kind=deployment.kind,
            posture=deployment.posture,
            region=deployment.region,
            accepts=deployment.accepts,
            terms="stays with us" if ours and terms is None else told(terms),
            cost=_cost(deployment),
            latency=_WAY[deployment.posture],
        )


def _cost(deployment: Deployment) -> str:
    """Return what a million tokens cost, where somebody says so; our own machines cost whether they answer or not."""
    price = deployment.price
    if price is None:
        return _OURS if deployment.posture in {"self_hosted", "embedded"} else "by use; no price is known"
    return f"${price.input} in, ${price.output} out, per million tokens ({deployment.price_source or 'no source'})"


def _paged(manifest: Manifest, on_call: str) -> tuple[str, ...]:
    """Return the people whom an on-call path names, where it does so in a list `people`."""
    path = manifest.declared.on_call.get(on_call, {})
    people = path.get("people")
    return tuple(map(str, cast("list[object]", people))) if isinstance(people, list | tuple) else ()


def _flags(manifest: Manifest, today: date) -> Iterator[tuple[Path, str]]:
    for name, assistant in manifest.declared.assistants.items():
        until = assistant.posture.until
        if until is not None and date.fromisoformat(until) <= today + AHEAD:
            verb = "ended" if date.fromisoformat(until) < today else "ends"
            text = f"{name}: the posture {assistant.posture.use} {verb} on {until}"
            yield ("assistants", name, "posture", "until"), text
        tools = undeclared_tools(manifest, name)
        if tools:
            text = f"{name}: cannot be released, so nothing is said of its models: no effect for {', '.join(tools)}"
            yield ("assistants", name), text
    for name, provider in manifest.declared.providers.items():
        if provider.posture in {"api", "managed"} and provider.terms is None and provider.accepts != "public":
            text = f"the provider {name} has no terms: it gets public data only, not {provider.accepts}"
            yield ("providers", name, "accepts"), text
    yield from mixed(manifest)
    yield from past_review(manifest, today)
    yield from over_terms(manifest)
    yield from copilots_due(manifest, today)
