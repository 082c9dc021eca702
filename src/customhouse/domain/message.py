# SPDX-License-Identifier: Apache-2.0
"""One conversation, free of any provider's wire format. Dialects translate bytes to and from these values.

Rule: nothing that means something to a model is lost here. What a dialect cannot express is refused by the dialect that
would have to write it (`domain/errors.py` Inexpressible), with the field named; so a value here has one meaning, and no
"extra" that only one provider understands. The exception is `cache`, a wish about cost: without it the answer is the
same, so whoever does not know it leaves it out.
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec

Role = Literal["system", "developer", "user", "assistant", "tool"]
DialectName = Literal["openai_chat", "openai_responses", "anthropic"]
ProviderToolName = Literal["web_search", "code_interpreter"]
"""Tools that a provider runs by itself and this version knows; all others are refused by name."""
PROVIDER_TOOLS: Final[tuple[ProviderToolName, ...]] = ("code_interpreter", "web_search")
Cache = Literal["5m", "1h"]
"""How long a provider may keep what stands before this place computed (Anthropic's prompt caching)."""


FAILED: Final = "[The tool call failed.] "
"""Stands before a failed call's content where a dialect cannot say otherwise that it failed."""


class Inline(msgspec.Struct, frozen=True, tag="inline"):
    """Content that came along, in base64."""

    media_type: str
    data: str


class Link(msgspec.Struct, frozen=True, tag="link"):
    """Content that the provider fetches itself from an address."""

    url: str


class Plain(msgspec.Struct, frozen=True, tag="plain"):
    """A document of plain text."""

    text: str


class WebCitation(msgspec.Struct, frozen=True, tag="web", kw_only=True):
    """A piece of an answer rests on a page. `start` and `end` are characters of the answer's text, where given."""

    url: str
    title: str | None = None
    cited: str | None = None
    start: int | None = None
    end: int | None = None


class DocumentCitation(msgspec.Struct, frozen=True, tag="document", kw_only=True):
    """A piece of an answer rests on a document of the request, counted from 0; `start` and `end` count in `unit`."""

    document: int
    unit: Literal["char", "page", "block"]
    start: int
    end: int
    title: str | None = None
    cited: str | None = None


Citation: TypeAlias = WebCitation | DocumentCitation


class Text(msgspec.Struct, frozen=True, tag="text"):
    """Text, and what it rests on."""

    text: str
    citations: tuple[Citation, ...] = ()
    cache: Cache | None = None


class Image(msgspec.Struct, frozen=True, tag="image"):
    """A picture."""

    source: Inline | Link
    detail: Literal["auto", "low", "high"] | None = None
    cache: Cache | None = None


class Blocks(msgspec.Struct, frozen=True, tag="blocks"):
    """A document in blocks, by which an answer cites it."""

    content: tuple[Text | Image, ...]


class File(msgspec.Struct, frozen=True, tag="file"):
    """A document. `context` is told to the model and not cited; `cited` asks that the answer cites it."""

    source: Inline | Link | Plain | Blocks
    name: str | None = None
    context: str | None = None
    cited: bool = False
    cache: Cache | None = None


class Audio(msgspec.Struct, frozen=True, tag="audio"):
    """Sound, in base64."""

    data: str
    format: Literal["wav", "mp3"]


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """What a model said instead of an answer."""

    text: str


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's proof of its own reasoning, opaque, which only its own dialect takes back."""

    dialect: DialectName
    value: str
    id: str | None = None


class Reasoning(msgspec.Struct, frozen=True, tag="reasoning", kw_only=True):
    """What a model thought before it answered: in full, in summary, or `redacted` (the seal alone holds it)."""

    text: str = ""
    summary: bool = False
    redacted: bool = False
    seal: Seal | None = None


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call"):
    """A call that a model proposes. `arguments` is the exact JSON text the model wrote."""

    id: str
    name: str
    arguments: str
    cache: Cache | None = None


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result"):
    """What a call came to, as the client tells it. `failed`: the content says what went wrong."""

    call_id: str
    content: tuple[Text | Image | File, ...]
    failed: bool = False
    cache: Cache | None = None

    @property
    def in_words(self) -> tuple[Text | Image | File, ...]:
        """Return its content with a failure said in words, for a dialect that has no field for it."""
        return (Text(FAILED), *self.content) if self.failed else self.content


class ProviderCall(msgspec.Struct, frozen=True, tag="provider_call"):
    """A provider's word that it used a tool by itself. `told` is JSON in its dialect, which alone takes it back."""

    tool: ProviderToolName
    id: str
    dialect: DialectName
    told: str


Part: TypeAlias = Text | Image | File | Audio | Refusal | Reasoning | ToolCall | ToolResult | ProviderCall
"""One part of a message. Which role may hold which part is the dialects' to check."""


class Message(msgspec.Struct, frozen=True):
    """One message, in parts. Results of tools stand in messages of role `tool`, and nothing else does.

    `place` is where the client wrote it (`messages.3`), for whoever must refuse a part of it; ours have none.
    """

    role: Role
    content: tuple[Part, ...]
    name: str | None = None
    place: str = ""

    @property
    def text(self) -> str:
        """Return its text, joined."""
        return joined(self.content)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Return the calls that it holds."""
        return tuple(part for part in self.content if isinstance(part, ToolCall))


class ToolOffer(msgspec.Struct, frozen=True):
    """A tool as it is shown to a model; `parameters` is a JSON Schema as JSON text, None for no arguments."""

    name: str
    description: str | None
    parameters: str | None
    strict: bool | None = None
    cache: Cache | None = None


class ProviderOffer(msgspec.Struct, frozen=True):
    """A tool that a client lets the provider run by itself; `told` is JSON in the client's dialect, `place` where."""

    tool: ProviderToolName
    told: str
    place: str


def joined(parts: Sequence[Part]) -> str:
    """Return the text of all text parts."""
    return "".join(part.text for part in parts if isinstance(part, Text))
