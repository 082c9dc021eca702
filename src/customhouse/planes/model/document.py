# SPDX-License-Identifier: Apache-2.0
"""What a model version releases: deployments in resolved form, the route over them, parameters, posture.

Secrets stand here by name only: of an environment variable, or of a file or command in the operator's directory.
Decimals are strings, so that the document has one canonical form (`domain/digest.py`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from customhouse.budget.limit import Limit
from customhouse.domain.label import ClassificationName
from customhouse.domain.message import DialectName
from customhouse.domain.price import Price

PostureName = Literal["api", "managed", "self_hosted", "hybrid", "embedded"]
POSTURES_WITHIN: Final[Mapping[PostureName, frozenset[PostureName]]] = MappingProxyType(
    {
        "api": frozenset({"api"}),
        "managed": frozenset({"managed"}),
        "self_hosted": frozenset({"self_hosted", "embedded"}),
        "embedded": frozenset({"embedded"}),
        "hybrid": frozenset({"api", "managed", "self_hosted", "embedded"}),
    }
)
"""Which provider postures an assistant's posture takes models from; hybrid is the only declared mixture."""
ModelKind = Literal["chat", "embedding"]
"""What a deployment answers: a conversation, or texts with vectors."""


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Released sampling parameters. Decimals are written as strings, `max_tokens` bounds what a client may ask for."""

    temperature: str | None = None
    top_p: str | None = None
    top_k: int | None = None
    frequency_penalty: str | None = None
    presence_penalty: str | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    reasoning_summary: str | None = None
    thinking_tokens: int | None = None
    max_tokens: int | None = None


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Where self-hosted weights come from, and the digest that `customhouse up` verifies before it starts them."""

    digest: str
    source: str
    licence: str | None = None
    tuned_on: str | None = None


class Azure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """How an Azure OpenAI resource is addressed: a dated API version, or its v1 surface; by key or by Entra token."""

    api_version: str
    auth: Literal["key", "entra"] = "key"


class Deployment(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True, cache_hash=True
):
    """One provider + model + region + credential, resolved: nothing here is looked up in a manifest again.

    `dimensions` and `tokenizer` belong to an embedding model: with its weights they decide what a vector means.
    """

    name: str
    provider: str
    model: str
    dialect: DialectName
    base_url: str
    posture: PostureName
    accepts: ClassificationName
    api_key_env: str | None = None
    api_key_file: str | None = None
    api_key_command: str | None = None
    azure: Azure | None = None
    region: str | None = None
    features: tuple[str, ...] = ()
    context: int | None = None
    weights: Weights | None = None
    retires: str | None = None
    terms: str | None = None
    approved_by: str | None = None
    kind: ModelKind = "chat"
    dimensions: int | None = None
    tokenizer: Weights | None = None
    price: Price | None = None
    price_source: str | None = None

    @property
    def label(self) -> str:
        """Return `provider/name`, as receipts and evidence write it."""
        return f"{self.provider}/{self.name}"


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One route entry: the first whose condition (a CEL expression; None = always) is exactly true is used."""

    use: tuple[str, ...]
    when: str | None = None


class Posture(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """From where the assistant takes models, until when, and why."""

    use: PostureName
    until: str | None = None
    because: str | None = None


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The content of one model version: `route` is over chat models, `embeddings` over embedding models."""

    deployments: dict[str, Deployment]
    route: tuple[Choice, ...]
    posture: Posture
    parameters: Parameters = Parameters()
    client_may_set: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    postures_allowed: tuple[PostureName, ...] = ()
    """What the organisation takes models by, whatever the assistant declares; empty: it does not say."""
    limits: tuple[Limit, ...] = ()
    embeddings: tuple[Choice, ...] = ()
