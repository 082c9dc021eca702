# SPDX-License-Identifier: Apache-2.0
"""Anthropic Messages towards a provider: whole answers, counts and errors, read into typed values.

Source of the shapes: types/message.py, content_block.py, usage.py, stop_reason.py and message_tokens_count.py of the
`anthropic` package. Fields that are not named here (`container`, `diagnostics`, tiers) are dropped; blocks that are not
are a failure that names them: a `server_tool_use` that nobody granted is a capability used, not decoration.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from customhouse.dialects.anthropic import seal
from customhouse.dialects.anthropic.citations import Found, found
from customhouse.dialects.bounds import MAX_CALLS
from customhouse.dialects.strict_json import has_duplicates
from customhouse.domain.answer import Answer, Said, StopReason, Usage
from customhouse.domain.digest import MAX_INTEGER
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import Citation, Reasoning, Refusal, Text, ToolCall

MAX_BLOCKS: Final = 1024
"""Blocks of one answer at most."""
_NOTHING: Final = msgspec.Raw(b"")
_plain = re.compile(r"[a-z0-9_]{1,64}").fullmatch

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
"""Evidence records what a provider counted, and canonical JSON carries no larger integer."""


class InBlock(msgspec.Struct, frozen=True):
    """A content block as a provider wrote it, whichever it is."""

    type: str
    text: str | None = None
    citations: list[Found] | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = _NOTHING


class InOutputDetails(msgspec.Struct, frozen=True):
    """What of the output was reasoning."""

    thinking_tokens: Count | None = None


class InUsage(msgspec.Struct, frozen=True):
    """Token counts; those read from and written to a cache are not in `input_tokens`."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    output_tokens_details: InOutputDetails | None = None


class InStopDetails(msgspec.Struct, frozen=True):
    """What a model says about why it declined."""

    explanation: str | None = None


class InError(msgspec.Struct, frozen=True):
    """An error inside an answer or a body of one."""

    type: str | None = None
    message: str | None = None


class InMessage(msgspec.Struct, frozen=True):
    """One answer."""

    type: str | None = None
    id: str | None = None
    model: str | None = None
    content: list[InBlock] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: InStopDetails | None = None
    usage: InUsage | None = None
    error: InError | None = None


class _InErrorBody(msgspec.Struct, frozen=True):
    error: InError | None = None


class _InCount(msgspec.Struct, frozen=True):
    input_tokens: Count


_STOPS: Final[Mapping[str, StopReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
}
_decode = msgspec.json.Decoder(InMessage).decode
_decode_error = msgspec.json.Decoder(_InErrorBody).decode
_decode_count = msgspec.json.Decoder(_InCount).decode


def answer(content: bytes) -> Answer:
    """Read a whole, unstreamed answer. Raises UpstreamFailed."""
    try:
        message = _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamFailed("the upstream's answer is not the JSON of an Anthropic message") from error
    if message.error is not None:
        raise reported(message.error)
    if message.type != "message" or message.content is None:
        raise UpstreamFailed("the upstream's answer is not an Anthropic message")
    if message.stop_reason is None:
        raise UpstreamFailed("the upstream's answer has no stop_reason")
    if len(message.content) > MAX_BLOCKS:
        raise UpstreamFailed(f"the upstream's answer has more than {MAX_BLOCKS} blocks")
    calls = sum(block.type == "tool_use" for block in message.content)
    if calls and has_duplicates(content):
        raise UpstreamFailed("the upstream's answer names a key twice, so parsers would disagree on its tool calls")
    if calls > MAX_CALLS:
        raise UpstreamFailed(
            f"the upstream proposed more than {MAX_CALLS} tool calls in one answer", reason="upstream.too_large"
        )
    said = [part(block) for block in message.content]  # after the check: a call's input may be no UTF-8
    return Answer(
        upstream_id=message.id,
        model=message.model,
        content=(*said, *explained(message.stop_details)),
        stop=stop_reason(message.stop_reason, message.stop_sequence),
        stop_word=message.stop_reason,
        stop_sequence=message.stop_sequence,
        usage=usage(message.usage),
    )


def part(block: InBlock) -> Said:
    """Return what a whole block says. Raises UpstreamFailed for a block that nobody granted or knows."""
    match block.type:
        case "text":
            return Text(block.text or "", citations(block.citations or ()))
        case "thinking":
            return thought(block.thinking or "", block.signature, redacted=False)
        case "redacted_thinking":
            return thought("", block.data, redacted=True)
        case "tool_use":
            return ToolCall(block.id or "", block.name or "", bytes(block.input).decode())
        case kind:
            raise ungranted(kind)


def citations(written: list[Found] | tuple[()]) -> tuple[Citation, ...]:
    """Return what a text rests on. Raises UpstreamFailed for the result of a search that nobody granted."""
    return tuple(citation(each) for each in written)


def citation(written: Found) -> Citation:
    """Return one citation. Raises UpstreamFailed."""
    known = found(written)
    if known is None:
        raise ungranted(written.type)
    return known


def thought(told: str, sealed: str | None, *, redacted: bool) -> Reasoning:
    """Return reasoning with its seal."""
    signed = seal.read(sealed or "")
    return Reasoning(text=told, summary=signed.summary, redacted=redacted, seal=signed.seal)


def explained(details: InStopDetails | None) -> tuple[Refusal, ...]:
    """Return what a model says about why it declined."""
    return (Refusal(details.explanation),) if details is not None and details.explanation else ()


def ungranted(kind: str) -> UpstreamFailed:
    """Return the failure that names a block, delta or citation that this gateway does not let pass."""
    shown = kind if _plain(kind) else "a block of an unreadable kind"
    return UpstreamFailed(
        f"the upstream's answer has {shown}, which nobody granted and this gateway does not pass on",
        reason="upstream.ungranted",
    )


def stop_reason(word: str, sequence: str | None) -> StopReason:
    """Return why a model stopped, by its provider's word; a word that nobody knows is an end.

    llama.cpp says `end_turn` and names the stop sequence that it met.
    """
    stop = _STOPS.get(word, "stop")
    return "stop_sequence" if stop == "stop" and sequence is not None else stop


def usage(counted: InUsage | None) -> Usage | None:
    """Return the token counts: the prompt's are three fields here, which are added up."""
    if counted is None:
        return None
    read, written = counted.cache_read_input_tokens or 0, counted.cache_creation_input_tokens or 0
    details = counted.output_tokens_details
    return Usage(
        min((counted.input_tokens or 0) + read + written, MAX_INTEGER),
        counted.output_tokens or 0,
        cached_tokens=read,
        cache_written_tokens=written,
        reasoning_tokens=(details.thinking_tokens or 0) if details else 0,
    )


def reported(error: InError) -> UpstreamFailed:
    """Return the failure for an error that a provider reports with or inside an answer."""
    if error.type in {"overloaded_error", "rate_limit_error"}:
        return UpstreamFailed(f"the upstream reported {error.type} inside its answer", reason="upstream.limited")
    return UpstreamFailed("the upstream reported an error inside its answer")


def tokens(content: bytes) -> int:
    """Read the answer of `count_tokens`. Raises UpstreamFailed."""
    try:
        return _decode_count(content).input_tokens
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamFailed("the upstream's answer is not a count of tokens") from error


def error_message(content: bytes) -> str | None:
    """Return the sentence of a provider's error body, 300 characters at most, or None."""
    try:
        body = _decode_error(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return body.error.message[:300] if body.error and body.error.message else None
