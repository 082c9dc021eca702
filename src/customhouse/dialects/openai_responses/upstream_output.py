# SPDX-License-Identifier: Apache-2.0
"""What a provider's Response says, read into an answer and never passed through.

Source of the shapes: the types of the `openai` package (types/responses/response.py, response_output_item.py). Fields
that are not named here are dropped. Items of tools that a provider ran by itself (`mcp_call`, `computer_call`, …) are
an upstream failure that names the kind: nobody granted them, and what they brought in is in the answer already. Two
kinds can be granted (provider_tool.py), and are read.
"""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from customhouse.dialects.bounds import MAX_CALLS
from customhouse.dialects.openai_responses import item, seal
from customhouse.dialects.openai_responses.provider_tool import (
    CALLS,
    Action,
    CodeInterpreterCall,
    Output,
    WebSearchCall,
    use,
)
from customhouse.dialects.strict_json import has_duplicates
from customhouse.domain.answer import Answer, Said, StopReason, Usage
from customhouse.domain.digest import MAX_INTEGER
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import Citation, ProviderCall, Refusal, Text, ToolCall, WebCitation

MAX_ITEMS: Final = 1024
"""Items of one answer at most."""
KINDS: Final = frozenset({"message", "reasoning", "function_call", *CALLS})
"""The items that an answer may be made of."""

_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
"""Evidence records what a provider counted, and canonical JSON carries no larger integer."""


class _In(msgspec.Struct, frozen=True):
    pass


class Annotation(_In, frozen=True):
    """What a piece of text rests on; only pages are known here."""

    type: str = ""
    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class Part(_In, frozen=True):
    """A part of a message, or a paragraph of reasoning."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: list[Annotation] | None = None


class Item(_In, frozen=True):
    """One item of an output."""

    type: str
    id: str | None = None
    content: list[Part] | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    status: str | None = None
    action: Action | None = None
    code: str | None = None
    container_id: str | None = None
    outputs: list[Output] | None = None


class _InputDetails(_In, frozen=True):
    cached_tokens: _Count | None = None
    cache_write_tokens: _Count | None = None


class _OutputDetails(_In, frozen=True):
    reasoning_tokens: _Count | None = None


class _Usage(_In, frozen=True):
    input_tokens: _Count = 0
    output_tokens: _Count = 0
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _Incomplete(_In, frozen=True):
    reason: str | None = None


class _Error(_In, frozen=True):
    message: str | None = None


class Response(_In, frozen=True):
    """A Response, whole or as far as an event of a stream tells of it."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[Item] | None = None
    usage: _Usage | None = None
    incomplete_details: _Incomplete | None = None
    error: _Error | None = None


class _ErrorBody(_In, frozen=True):
    error: _Error | None = None


_decode = msgspec.json.Decoder(Response).decode
_decode_error = msgspec.json.Decoder(_ErrorBody).decode


def response(content: bytes) -> Response:
    """Read a whole body. Raises UpstreamFailed for what is not the dialect, with a stable sentence."""
    try:
        found = _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamFailed("the upstream's answer is not the JSON of a response") from error
    refuse_ambiguous(content)
    return found


def refuse_ambiguous(content: bytes) -> None:
    """Raise UpstreamFailed where parsers would disagree on a call: a key twice in what may carry one."""
    if has_duplicates(content):
        raise UpstreamFailed("the upstream's answer names a key twice, so parsers would disagree on its tool calls")


def answer(found: Response) -> Answer:
    """Return a Response that has come to its end as an answer. Raises UpstreamFailed."""
    if found.output is None:
        raise UpstreamFailed("the upstream's response has no output")
    if len(found.output) > MAX_ITEMS:
        raise UpstreamFailed(f"the upstream's response has more than {MAX_ITEMS} items")
    content = tuple(said for number, each in enumerate(found.output) for said in _said(each, number))
    calls = [part for part in content if isinstance(part, ToolCall)]
    if len(calls) > MAX_CALLS:
        raise UpstreamFailed(
            f"the upstream proposed more than {MAX_CALLS} tool calls in one answer", reason="upstream.too_large"
        )
    if sum(isinstance(part, ProviderCall) for part in content) > MAX_CALLS:
        raise UpstreamFailed(f"the upstream ran more than {MAX_CALLS} tools by itself", reason="upstream.too_large")
    if len({each.id for each in calls}) != len(calls):
        raise UpstreamFailed("the upstream gave two tool calls the same id")
    stop, word = ended(found, calls=bool(calls))
    return Answer(
        upstream_id=found.id,
        model=found.model,
        content=content,
        stop=stop,
        stop_word=word,
        usage=usage(found),
    )


def ended(found: Response, *, calls: bool) -> tuple[StopReason, str]:
    """Return why a Response stopped, and the provider's word for it. Raises UpstreamFailed for one that did not end."""
    match found.status, found.incomplete_details.reason if found.incomplete_details else None:
        case "completed", _:
            return ("tool_calls" if calls else "stop"), "completed"
        case "incomplete", "max_output_tokens":
            return "length", "max_output_tokens"
        case "incomplete", "content_filter":
            return "content_filter", "content_filter"
        case "failed" | "cancelled", _:
            # What it says of why is the provider's text, which may quote the prompt.
            raise UpstreamFailed("the upstream reported that its response failed")
        case "incomplete", _:
            raise UpstreamFailed("the upstream's response is incomplete, for a reason that this version does not know")
        case _:
            raise UpstreamFailed("the upstream's response did not come to an end")


def refuse_kind(kind: str) -> None:
    """Raise UpstreamFailed for an item that no answer may have: what a provider did by itself was granted by nobody."""
    if kind not in KINDS:
        raise ungranted(f"an item of kind {plain(kind)}")


def ungranted(what: str) -> UpstreamFailed:
    """Return the failure of an answer with something that a provider did by itself."""
    return UpstreamFailed(f"the upstream's answer has {what}, which nobody granted", reason="upstream.ungranted")


def plain(kind: str) -> str:
    """Return a kind's name fit for a sentence: the provider chose it."""
    shown = kind[:64]
    return shown if shown.replace("_", "").replace(".", "").isalnum() and shown.isascii() else "unreadable"


def call(found: Item, position: int) -> ToolCall:
    """Return a proposed call; an id that is missing is made from its position, a missing name is empty."""
    return ToolCall(found.call_id or found.id or f"call_{position}", found.name or "", found.arguments or "")


def provider_call(found: Item, position: int) -> ProviderCall:
    """Return what an item tells that the provider ran by itself. Whether that was granted is the gateway's to say."""
    name, status = found.id or f"use_{position}", found.status or "completed"
    if CALLS[found.type] == "web_search":
        action = found.action or Action(type="search")
        return use(WebSearchCall(id=name, status=status, action=action))
    return use(
        CodeInterpreterCall(
            id=name, status=status, code=found.code, container_id=found.container_id or "", outputs=found.outputs
        )
    )


def citation(found: Annotation) -> Citation:
    """Return what a text rests on. Raises UpstreamFailed for files, which only a provider's own tools bring in."""
    if found.type != "url_citation" or found.url is None:
        raise ungranted(f"a citation of kind {plain(found.type)}")
    return WebCitation(url=found.url, title=found.title or None, start=found.start_index, end=found.end_index)


def usage(found: Response) -> Usage | None:
    """Return the token counts."""
    counted = found.usage
    if counted is None:
        return None
    read, thought = counted.input_tokens_details or _InputDetails(), counted.output_tokens_details or _OutputDetails()
    return Usage(
        prompt_tokens=counted.input_tokens,
        completion_tokens=counted.output_tokens,
        cached_tokens=read.cached_tokens or 0,
        cache_written_tokens=read.cache_write_tokens or 0,
        reasoning_tokens=thought.reasoning_tokens or 0,
    )


def error_message(content: bytes) -> str | None:
    """Return the sentence of a provider's error body, 300 characters at most, or None."""
    try:
        found = _decode_error(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found.error.message[:300] if found.error and found.error.message else None


def texts(parts: Sequence[Part] | None) -> list[str]:
    """Return the paragraphs that say something."""
    return [part.text for part in parts or () if part.text]


def _said(found: Item, number: int) -> tuple[Said, ...]:
    refuse_kind(found.type)
    if found.type == "function_call":
        return (call(found, number),)
    if found.type in CALLS:
        return (provider_call(found, number),)
    if found.type == "reasoning":
        sealed = seal.own(found.encrypted_content, found.id) if found.encrypted_content else seal.NONE
        return item.reasoning(texts(found.summary), texts(found.content), sealed)
    return tuple(said for part in found.content or () if (said := _spoken(part)) is not None)


def _spoken(part: Part) -> Text | Refusal | None:
    if part.type == "refusal":
        return Refusal(part.refusal) if part.refusal else None
    if part.type != "output_text":
        raise UpstreamFailed(f"the upstream's message has a part of kind {plain(part.type)}, which nobody knows")
    citations = tuple(citation(each) for each in part.annotations or ())
    return Text(part.text or "", citations=citations) if part.text or citations else None
