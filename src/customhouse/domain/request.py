# SPDX-License-Identifier: Apache-2.0
"""What a client asks, in whichever dialect: read at the edge, narrowed by the turn, written anew for a provider."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import msgspec

from customhouse.domain.message import Message, ProviderOffer, ToolOffer

SAMPLING_FIELDS: Final = (
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "reasoning_effort",
    "reasoning_summary",
    "thinking_tokens",
)
"""How an answer is sampled, by one name for all dialects. A client's value counts only when the model document's
`client_may_set` names the field; otherwise the released value stands."""
Number = str | int | float
NOTHING: Final[Mapping[str, Number]] = MappingProxyType({})
TEXT: Final[Mapping[str, str]] = MappingProxyType({})


class NamedTool(msgspec.Struct, frozen=True):
    """A choice of one tool, which must be called."""

    name: str


ToolChoice: TypeAlias = Literal["none", "auto", "required"] | NamedTool
"""Whether tools may be called, must be, or which one must."""


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """The form that an answer must have: JSON, or JSON of a schema (JSON text, as it was written)."""

    schema: str | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One question to a model.

    As a client asked it, `model` is the assistant's name, `sampling` what it would like, and `variables` fill the
    prompt. As it leaves, `model` is the deployment's, `sampling` what was settled, `messages` begin with our prompt,
    and `offers` are the tools that may be shown.

    `texts` are to be embedded, and then there are no messages; `packed` asks for vectors in base64, `dimensions` for
    that many numbers.

    `shows_held` says that the client can be shown held calls, as requests for approval. `approvals` are ids of such,
    after which it goes on in the belief that a person has said yes, and `withdrawn` ids of calls that it wants no more;
    what it says is no approval.

    `previous` names a stored response that this one continues, `keep` asks to store this one.
    """

    model: str
    messages: tuple[Message, ...]
    offers: tuple[ToolOffer, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    form: Form | None = None
    streamed: bool = False
    wants_usage: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    sampling: Mapping[str, Number] = NOTHING
    variables: Mapping[str, str] = TEXT
    previous: str | None = None
    keep: bool = False
    provider_tools: tuple[ProviderOffer, ...] = ()
    shows_held: bool = False
    approvals: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    packed: bool = False
    dimensions: int | None = None

    @property
    def must_call(self) -> bool:
        """Return whether the client insists on a tool call."""
        return self.tool_choice == "required" or isinstance(self.tool_choice, NamedTool)

    @property
    def needs_form(self) -> bool:
        """Return whether a plain sentence would break what the client asked for."""
        return self.must_call or self.form is not None or bool(self.texts)
