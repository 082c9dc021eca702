# SPDX-License-Identifier: Apache-2.0
"""One conversation, free of any provider's wire format. Dialects translate bytes to and from these values."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "developer", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model proposes. `arguments` is the exact JSON text the model wrote."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolOffer:
    """A tool as it is shown to a model; `parameters` is a JSON Schema as canonical JSON text, None for no arguments."""

    name: str
    description: str | None
    parameters: str | None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a message's content. `json` is the part as the client's dialect wrote it, checked at the edge."""

    kind: str
    json: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `content` is text, a tuple of parts, or None (an assistant turn of tool calls only)."""

    role: Role
    content: str | tuple[Part, ...] | None
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered, whole: from one response body or collected from a stream."""

    upstream_id: str | None
    model: str | None
    fingerprint: str | None
    text: str | None
    refusal: str | None
    reasoning: str | None
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str | None
    usage: Usage | None
