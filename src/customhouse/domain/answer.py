# SPDX-License-Identifier: Apache-2.0
"""What a model answered, in whichever dialect: whole, or in the pieces of a stream."""

from typing import Final, Literal, TypeAlias

import msgspec

from customhouse.domain.message import Citation, ProviderCall, Reasoning, Refusal, Text, ToolCall, joined

StopReason = Literal["stop", "stop_sequence", "length", "tool_calls", "content_filter", "refusal", "pause"]
"""Why a model stopped: it was done, it met a stop sequence, it ran out of tokens or context, it calls tools, a filter
cut it off, it declines to go on, it wants to be asked to go on."""
Said: TypeAlias = Text | Refusal | Reasoning | ToolCall | ProviderCall
"""What an answer is made of, in the order in which it was said."""


class Usage(msgspec.Struct, frozen=True):
    """Tokens as the provider counted them.

    The prompt's count has those read from and written to a cache in it (Anthropic counts them apart), the completion's
    has those of reasoning.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    cache_written_tokens: int = 0
    reasoning_tokens: int = 0


class Held(msgspec.Struct, frozen=True):
    """A call that waits for a person, under the id of its decision, which is that of its approval."""

    id: str
    name: str
    arguments: str


NUMBER_BYTES: Final = 4
"""A vector's numbers have 32 bits."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, from a whole body or collected from a stream. `stop` is None when it never came to an end.

    `vectors` answer texts to embed, in their order, each packed: 32 bits a number, little-endian.

    `held` are calls that were taken out of it and wait for a person.

    `stop_word` is the provider's own word for why it stopped, `stop_sequence` the text that stopped it.
    """

    upstream_id: str | None = None
    model: str | None = None
    fingerprint: str | None = None
    content: tuple[Said, ...] = ()
    stop: StopReason | None = None
    stop_word: str | None = None
    stop_sequence: str | None = None
    usage: Usage | None = None
    vectors: tuple[bytes, ...] = ()
    held: tuple[Held, ...] = ()

    @property
    def text(self) -> str | None:
        """Return its text, joined; None without any."""
        return joined(self.content) or None

    @property
    def refusal(self) -> str | None:
        """Return what it says instead of an answer, or None."""
        return "".join(part.text for part in self.content if isinstance(part, Refusal)) or None

    @property
    def reasoning(self) -> str | None:
        """Return what it tells of its reasoning, or None."""
        return "".join(part.text for part in self.content if isinstance(part, Reasoning)) or None

    @property
    def provider_calls(self) -> tuple[ProviderCall, ...]:
        """Return what the provider ran by itself."""
        return tuple(part for part in self.content if isinstance(part, ProviderCall))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Return the calls that it proposes."""
        return tuple(part for part in self.content if isinstance(part, ToolCall))


class Piece(msgspec.Struct, frozen=True):
    """Text of a part of an answer, as it comes; `part` is the part's place in the answer's content.

    `summary` says of reasoning that it is told in summary.
    """

    part: int
    kind: Literal["text", "refusal", "reasoning"]
    text: str
    summary: bool = False


class Ended(msgspec.Struct, frozen=True):
    """A part is whole, and has something that its pieces did not tell: a reasoning's seal, a redacted reasoning."""

    part: int
    reasoning: Reasoning


class Cited(msgspec.Struct, frozen=True):
    """A text part rests on something more."""

    part: int
    citation: Citation


class Ran(msgspec.Struct, frozen=True):
    """The provider has used a tool by itself."""

    part: int
    call: ProviderCall


Delta: TypeAlias = Piece | Ended | Cited | Ran
"""What of a stream needs no decision and passes at once. Tool calls are no deltas: they wait until they are decided."""


def pieces(answer: Answer) -> tuple[Delta, ...]:
    """Return a whole answer as the pieces of a stream that says the same, without its calls. Pure."""
    found: list[Delta] = []
    for place, part in enumerate(answer.content):
        match part:
            case Text():
                found += [Piece(place, "text", part.text), *(Cited(place, each) for each in part.citations)]
            case Refusal():
                found.append(Piece(place, "refusal", part.text))
            case Reasoning():
                told = [Piece(place, "reasoning", part.text, summary=part.summary)] if part.text else []
                found += [*told, Ended(place, part)]
            case ProviderCall():
                found.append(Ran(place, part))
            case ToolCall():
                pass
    return tuple(found)
