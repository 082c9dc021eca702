# SPDX-License-Identifier: Apache-2.0
"""OpenAI chat completions from a provider: the answer, read into typed values and never passed through.

What a client gets is what a decision saw. Fields that are not named here (timings, logprobs, vendor extras) are
dropped: they are the provider's, and no part of what the model said.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from customhouse.dialects.bounds import MAX_CALLS
from customhouse.dialects.strict_json import has_duplicates
from customhouse.domain.answer import Answer, StopReason, Usage
from customhouse.domain.digest import MAX_INTEGER
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import Reasoning, Refusal, Text, ToolCall, WebCitation


class _InFunction(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: str | None = None


class _InCall(msgspec.Struct, frozen=True):
    id: str | None = None
    index: int | None = None
    function: _InFunction | None = None


class _InUrlCitation(msgspec.Struct, frozen=True):
    url: str
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class _InAnnotation(msgspec.Struct, frozen=True):
    url_citation: _InUrlCitation | None = None


class Fragment(msgspec.Struct, frozen=True):
    """A message of an answer, or what a chunk adds to it."""

    content: str | None = None
    annotations: list[_InAnnotation] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_InCall] | None = None
    function_call: _InFunction | None = None

    @property
    def thought(self) -> str | None:
        """Return what it tells of its reasoning, under either of the two names that servers use."""
        return self.reasoning_content or self.reasoning

    @property
    def citations(self) -> tuple[WebCitation, ...]:
        """Return the pages that its text rests on."""
        pages = [each.url_citation for each in self.annotations or () if each.url_citation is not None]
        return tuple(
            WebCitation(url=page.url, title=page.title, start=page.start_index, end=page.end_index) for page in pages
        )


_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
"""Evidence records what a provider counted, and canonical JSON carries no larger integer."""


class _InPrompt(msgspec.Struct, frozen=True):
    cached_tokens: _Count | None = None


class _InCompletion(msgspec.Struct, frozen=True):
    reasoning_tokens: _Count | None = None


class _InUsage(msgspec.Struct, frozen=True):
    prompt_tokens: _Count = 0
    completion_tokens: _Count = 0
    prompt_tokens_details: _InPrompt | None = None
    completion_tokens_details: _InCompletion | None = None


class _InGroq(msgspec.Struct, frozen=True):
    """Where Groq counts in a stream, whether it was asked to or not."""

    usage: _InUsage | None = None


class _InChoice(msgspec.Struct, frozen=True):
    message: Fragment = Fragment()
    delta: Fragment | None = None
    finish_reason: str | None = None
    index: int = 0


class Payload(msgspec.Struct, frozen=True):
    """One answer body, or one chunk of a stream, as a provider sent it."""

    id: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    choices: list[_InChoice] | None = None
    usage: _InUsage | None = None
    x_groq: _InGroq | None = None
    error: msgspec.Raw | None = None
    object: str | None = None


_decode = msgspec.json.Decoder(Payload).decode
_may_call = re.compile(rb"tool_calls|function_call|\\u00[567]").search
"""Finds the fields that carry calls, also where a key is written with an escape for one of its letters."""


def payload(content: bytes) -> Payload:
    """Read one body or chunk. Raises UpstreamFailed for what is not the dialect, with a stable sentence."""
    try:
        found = _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamFailed("the upstream's answer is not the JSON of a chat completion") from error
    if (found.error is not None and bytes(found.error) != b"null") or found.object == "error":
        raise UpstreamFailed("the upstream reported an error inside its answer")
    if len(found.choices or ()) > 1:
        raise UpstreamFailed("the upstream gave several choices where one was asked for")
    if _may_call(content) and has_duplicates(content):
        raise UpstreamFailed("the upstream's answer names a key twice, so parsers would disagree on its tool calls")
    return found


def answer(content: bytes) -> Answer:
    """Read a whole, unstreamed answer. Raises UpstreamFailed."""
    found = payload(content)
    if not found.choices:
        raise UpstreamFailed("the upstream's answer has no choice")
    choice = found.choices[0]
    if choice.finish_reason is None:
        raise UpstreamFailed("the upstream's answer has no finish_reason")
    message = choice.message
    if len(message.tool_calls or ()) > MAX_CALLS:
        raise UpstreamFailed(
            f"the upstream proposed more than {MAX_CALLS} tool calls in one answer", reason="upstream.too_large"
        )
    calls = [
        proposed(call.id, (call.function or _InFunction()).name, (call.function or _InFunction()).arguments, position)
        for position, call in enumerate(message.tool_calls or ())
    ]
    legacy = message.function_call
    told = (
        *((Reasoning(text=thought),) if (thought := message.thought) else ()),
        *((Text(message.content or "", message.citations),) if message.content or message.citations else ()),
        *((Refusal(message.refusal),) if message.refusal else ()),
    )
    return Answer(
        upstream_id=found.id,
        model=found.model,
        fingerprint=found.system_fingerprint,
        content=(*told, *merged(calls, legacy.name if legacy else None, legacy.arguments if legacy else None)),
        stop=stop_reason(choice.finish_reason),
        stop_word=choice.finish_reason,
        usage=usage(found),
    )


_STOPS: Final[Mapping[str, StopReason]] = {
    "stop": "stop",
    "length": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "stop_sequence": "stop_sequence",
}


def stop_reason(word: str) -> StopReason:
    """Return why a model stopped, by its provider's word; a word that nobody knows (`eos_token`) is an end."""
    return _STOPS.get(word, "stop")


def usage(found: Payload) -> Usage | None:
    """Return the token counts of a body or chunk."""
    counted = found.usage or (found.x_groq.usage if found.x_groq else None)
    if counted is None:
        return None
    prompt, completion = counted.prompt_tokens_details, counted.completion_tokens_details
    return Usage(
        counted.prompt_tokens,
        counted.completion_tokens,
        cached_tokens=(prompt.cached_tokens or 0) if prompt else 0,
        reasoning_tokens=(completion.reasoning_tokens or 0) if completion else 0,
    )


def proposed(call_id: str | None, name: str | None, arguments: str | None, position: int) -> ToolCall:
    """Return a proposed call; an id that is missing is made from the call's position, a missing name is empty."""
    return ToolCall(call_id or f"call_{position}", name or "", arguments or "")


def merged(calls: list[ToolCall], legacy_name: str | None, legacy_arguments: str | None) -> tuple[ToolCall, ...]:
    """Join the legacy `function_call` to the calls: equal to one of them it adds nothing, else it is one more call.

    One server was seen answering tool_calls[0] = get_order_status with function_call = issue_refund; whichever field a
    client reads, every call must have been decided.
    """
    if legacy_name is None and legacy_arguments is None:
        return tuple(calls)
    legacy = proposed(None, legacy_name, legacy_arguments, len(calls))
    if any(call.name == legacy.name and call.arguments == legacy.arguments for call in calls):
        return tuple(calls)
    return (*calls, legacy)
