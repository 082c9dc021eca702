# SPDX-License-Identifier: Apache-2.0
"""Where models come from: providers, and the deployments that they offer."""

from typing import Final, Literal

import msgspec

from customhouse.domain.label import ClassificationName
from customhouse.domain.message import DialectName
from customhouse.manifest.prices import Catalog
from customhouse.manifest.words import (
    ApiVersion,
    Count,
    Date,
    DeploymentFeature,
    Dimensions,
    Dollars,
    Email,
    HttpUrl,
    Name,
    PromptTokens,
    SecretName,
    Sha256,
    Text,
    Word,
)
from customhouse.planes.model.embedding import Space

ProviderPosture = Literal["api", "managed", "self_hosted", "embedded"]
"""How one provider is run; `hybrid` is a mixture, which only an assistant or the organization can declare."""


REVIEW_EVERY_DAYS: Final = 365
"""Terms that nobody read again for a year are not known any more: providers change them once or twice in that time."""


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was agreed with a provider about the data it receives. Without it, it receives public data only."""

    retention_days: Count
    trains_on_data: bool
    agreement: Text
    reviewed: Date
    review_every_days: Count = REVIEW_EVERY_DAYS


class KeySource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key that stands in the operator's credentials directory: a file that holds it, or a command that prints it."""

    file: Name | None = None
    command: Name | None = None


class Azure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """That a provider is an Azure OpenAI resource: its API version, and whether it takes a key or an Entra token."""

    api_version: ApiVersion
    auth: Literal["key", "entra"] = "key"


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One place that answers model calls. Without `accepts`, it receives public data only."""

    dialect: DialectName
    base_url: HttpUrl
    posture: ProviderPosture
    region: Word | None = None
    accepts: ClassificationName = "public"
    api_key: SecretName | KeySource | None = None
    azure: Azure | None = None
    terms: Terms | None = None
    catalog: Catalog | None = None
    approved_by: Email | None = None


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the weights of a model that we run ourselves come from; `up` verifies the digest before it starts them."""

    digest: Sha256
    source: Text
    licence: Text | None = None
    tuned_on: Text | None = None


class Tokenizer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where an embedding model's tokenizer comes from when it is not part of the weights; verified with them."""

    digest: Sha256
    source: Text
    licence: Text | None = None


class LongPromptPrice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a million tokens cost in a call whose prompt has more than `over` tokens: all of them, not those above."""

    over: PromptTokens
    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None
    cache_write: Dollars | None = None


class ModelPrice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model's tokens cost, in US dollars per million. Where only `input` is stated, all input costs that."""

    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None
    cache_write: Dollars | None = None
    long_prompt: LongPromptPrice | None = None


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One deployment: a model at a provider. An embedding model says how many `dimensions` its vectors have."""

    provider: Name
    model: Text
    kind: Literal["chat", "embedding", "reranker", "moderation"] = "chat"
    listed_as: Text | None = None
    retires: Date | None = None
    price: ModelPrice | None = None
    features: tuple[DeploymentFeature, ...] = ()
    context: Count | None = None
    dimensions: Dimensions | None = None
    weights: Weights | None = None
    tokenizer: Tokenizer | None = None
    approved_by: Email | None = None


def vector_space(model: Model) -> Space:
    """Return what a declared model's vectors are comparable by, as `planes/model/embedding.py` will see it."""
    weights, tokenizer = model.weights, model.tokenizer
    return Space(
        model.model,
        weights.digest if weights else None,
        tokenizer.digest if tokenizer else None,
        model.dimensions,
    )
