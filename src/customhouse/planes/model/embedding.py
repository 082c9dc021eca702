# SPDX-License-Identifier: Apache-2.0
"""Which deployments may embed texts: the rules of `select`, and that vectors of two models never mix. Pure.

A vector means something only beside vectors of the same model. So the deployments that stand in for each other in one
entry must be the same model, by name, weights, tokenizer and number of dimensions; a fallback to another one would
answer, and quietly ruin an index.

Story: Dana lists [mini-embed, big-embed], to be safe. One night mini-embed is away for an hour, and the articles
written in that hour are found by nobody for ever. The release of that list is refused; Dana lists a second machine with
the same weights instead.
"""

from typing import Final, NamedTuple

import msgspec

from customhouse.domain.answer import NUMBER_BYTES, Answer
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import DialectName
from customhouse.planes.model.document import Choice, Deployment, Document, ModelKind
from customhouse.planes.model.select import Route

SPOKEN: Final[frozenset[DialectName]] = frozenset({"openai_chat", "openai_responses"})
"""Dialects of providers that have OpenAI's embeddings endpoint beside."""


class Space(NamedTuple):
    """What must be equal for two vectors to be comparable."""

    model: str
    weights: str | None
    tokenizer: str | None
    dimensions: int | None


def space(deployment: Deployment) -> Space:
    """Return what a deployment's vectors are comparable by."""
    weights, tokenizer = deployment.weights, deployment.tokenizer
    return Space(
        deployment.model,
        weights.digest if weights else None,
        tokenizer.digest if tokenizer else None,
        deployment.dimensions,
    )


def embeds(document: Document) -> Document:
    """Return the document as it is for texts to embed: its route is the one over embedding models."""
    return msgspec.structs.replace(document, route=document.embeddings)


def embedding_route(document: Document) -> Route:
    """Return the route over embedding models, compiled. Raises ValueError where a kind or a space does not fit."""
    route = Route(embeds(document))
    _require_kind(document, document.route, "chat")
    _require_kind(document, document.embeddings, "embedding")
    for choice in document.embeddings:
        for deployment in (document.deployments[name] for name in choice.use):
            if deployment.dimensions is None:
                raise ValueError(f"the embedding model {deployment.name} does not say its dimensions")
            if deployment.dialect not in SPOKEN:
                raise ValueError(f"the provider of {deployment.name} speaks {deployment.dialect}: it embeds nothing")
        if len(spaces(document, choice)) > 1:
            raise ValueError(
                f"{' and '.join(choice.use)} are different embedding models: their vectors do not compare, so none can "
                "stand in for the other"
            )
    return route


def spaces(document: Document, choice: Choice) -> frozenset[Space]:
    """Return the spaces of an entry's deployments; more than one is refused."""
    return frozenset(space(document.deployments[name]) for name in choice.use if name in document.deployments)


def require_vectors(deployment: Deployment, answer: Answer, texts: int) -> None:
    """Check that there is one vector for each text, as long as released. Raises UpstreamFailed."""
    if len(answer.vectors) != texts:
        raise UpstreamFailed(f"{texts} texts were sent and the upstream gave {len(answer.vectors)} vectors")
    for vector in answer.vectors:
        count = len(vector) // NUMBER_BYTES
        if count != deployment.dimensions:
            raise UpstreamFailed(
                f"a vector of the upstream has {count} dimensions, {deployment.dimensions} are released",
                reason="upstream.dimensions",
            )


def _require_kind(document: Document, choices: tuple[Choice, ...], kind: ModelKind) -> None:
    for name in (name for choice in choices for name in choice.use):
        found = document.deployments.get(name)
        if found is not None and found.kind != kind:
            raise ValueError(f"{name} is a model for {found.kind}, where one for {kind} is needed")
