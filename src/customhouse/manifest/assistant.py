# SPDX-License-Identifier: Apache-2.0
"""An AI surface and who answers for it. Everything but owner, on_call and fallback has a safe default."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from customhouse.budget.limit import Of, Per
from customhouse.domain.failure_mode import FailureMode
from customhouse.domain.label import ClassificationName
from customhouse.manifest.words import (
    Allowed,
    Count,
    Date,
    DecimalText,
    Email,
    Expression,
    Money,
    Name,
    PromptPath,
    Text,
    ToolName,
    Word,
)
from customhouse.planes.model.document import PostureName

SamplingField = Literal[
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "reasoning_effort",
    "reasoning_summary",
    "thinking_tokens",
]


class PostureUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From where the assistant takes models; `until` and `because` for a posture that is meant to end."""

    use: PostureName
    until: Date | None = None
    because: Text | None = None


class RouteEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Deployments in the order of preference, used when the condition is exactly true (without one: always)."""

    use: Annotated[tuple[Name, ...], Meta(min_length=1)]
    when: Expression | None = None


class Sampling(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Released sampling parameters; `max_tokens` bounds what a client may ask for."""

    temperature: DecimalText | None = None
    top_p: DecimalText | None = None
    top_k: Count | None = None
    frequency_penalty: DecimalText | None = None
    presence_penalty: DecimalText | None = None
    seed: Count | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    reasoning_summary: Literal["auto", "concise", "detailed"] | None = None
    thinking_tokens: Count | None = None
    max_tokens: (
        Annotated[int, Meta(ge=1, le=1_000_000, extra={"expected": "a whole number from 1 to 1000000"})] | None
    ) = None


class ModelUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which deployments may answer, with which parameters, and which embed texts."""

    route: tuple[RouteEntry, ...]
    embeddings: tuple[RouteEntry, ...] = ()
    parameters: Sampling = Sampling()
    client_may_set: tuple[SamplingField, ...] = ()


class Workflow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A named narrowing of the assistant's lists. Once one is declared, a turn in none has no write tools.

    A key may be bound to one: `customhouse keys create --workflow`.
    """

    tools: tuple[ToolName, ...]


class Retrieval(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The sources that an assistant may retrieve from."""

    sources: tuple[Name, ...] = ()


class Limited(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much may be used in each window of the UTC calendar: by each key, by each tenant, or by all together.

    `money` is in US dollars. At least one amount; each `of` and `per` once.
    """

    of: Of
    per: Per
    requests: Allowed | None = None
    tokens: Allowed | None = None
    money: Money | None = None


class Assistant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One assistant."""

    owner: Email
    on_call: Text
    fallback: Text
    deputy: Email | None = None
    purpose: Text | None = None
    regulation: tuple[Word, ...] = ()
    posture: PostureUse = PostureUse(use="self_hosted")
    input_classification: ClassificationName = "internal"
    residency: tuple[Word, ...] = ()
    workflows: dict[Name, Workflow] = {}
    model: ModelUse | None = None
    prompt: PromptPath | None = None
    retrieval: Retrieval = Retrieval()
    safety: Name = "default"
    ledger_failure: FailureMode = "closed"
    aliases: tuple[Name, ...] = ()
    limits: tuple[Limited, ...] = ()
