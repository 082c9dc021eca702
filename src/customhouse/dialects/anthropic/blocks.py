# SPDX-License-Identifier: Apache-2.0
"""Anthropic Messages towards a provider: a message's parts as blocks, each with its meaning or refused by its place.

Source of the shapes: types/content_block_param.py of the `anthropic` package and the blocks that it names. A refusal in
the history is text here: what the model said stands there either way. Empty text, which the API refuses, says nothing.
"""

from typing import Final, assert_never

import msgspec

from customhouse.dialects.anthropic.citations import written
from customhouse.dialects.strict_json import has_duplicates
from customhouse.domain.errors import Inexpressible
from customhouse.domain.message import (
    Audio,
    Blocks,
    Cache,
    File,
    Image,
    Inline,
    Link,
    Message,
    Part,
    Plain,
    ProviderCall,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    WebCitation,
)

Block = dict[str, object]
IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""types/base64_image_source_param.py."""
_PDF: Final = "application/pdf"


def blocks(message: Message) -> list[Block]:
    """Return a message's blocks. Raises Inexpressible."""
    if message.name is not None:
        raise Inexpressible(
            "Anthropic's messages know no name of who speaks: leave it out", param=_field(message, "name")
        )
    return [
        _block(f"{message.place or 'messages'}.content.{position}", part)
        for position, part in enumerate(message.content)
        if not _empty(part)
    ]


def cache_control(cache: Cache | None) -> dict[str, str] | None:
    """Return the mark of a place before which everything may stay computed."""
    return None if cache is None else {"type": "ephemeral", "ttl": cache}


def _block(place: str, part: Part) -> Block:
    match part:
        case Text() | Image() | File():
            return _shown(place, part)
        case ToolCall():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": _input(place, part), **_kept(part)}
        case ToolResult():
            return {
                "type": "tool_result",
                "tool_use_id": part.call_id,
                "content": [_shown(f"{place}.content", each) for each in part.content if not _empty(each)],
                **({"is_error": True} if part.failed else {}),
                **_kept(part),
            }
        case Reasoning():
            return _thought(place, part)
        case Refusal():
            return {"type": "text", "text": part.text}
        case Audio():
            raise _inexpressible(place, "Anthropic's messages take no audio")
        case ProviderCall():
            raise _inexpressible(place, "Anthropic's messages know no use of another provider's tool")
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)


def _shown(place: str, part: Text | Image | File) -> Block:
    match part:
        case Text():
            return {"type": "text", "text": part.text, **_citations(place, part), **_kept(part)}
        case Image():
            return {"type": "image", "source": _picture(place, part), **_kept(part)}
        case File():
            return {
                "type": "document",
                "source": _document(place, part),
                **({} if part.name is None else {"title": part.name}),
                **({} if part.context is None else {"context": part.context}),
                **({"citations": {"enabled": True}} if part.cited else {}),
                **_kept(part),
            }
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)


def _citations(place: str, part: Text) -> Block:
    if not part.citations:
        return {}
    if any(isinstance(each, WebCitation) for each in part.citations):
        raise _inexpressible(
            f"{place}.citations", "Anthropic's messages take back only the citations of its own search"
        )
    return {"citations": [written(each) for each in part.citations]}


def _picture(place: str, part: Image) -> Block:
    if part.detail not in {None, "auto"}:
        raise _inexpressible(f"{place}.detail", "Anthropic's messages know no detail of a picture")
    if isinstance(part.source, Link):
        return {"type": "url", "url": part.source.url}
    if part.source.media_type not in IMAGES:
        raise _inexpressible(place, f"Anthropic's messages take pictures as {', '.join(sorted(IMAGES))}")
    return {"type": "base64", "media_type": part.source.media_type, "data": part.source.data}


def _document(place: str, part: File) -> Block:
    match part.source:
        case Inline():
            if part.source.media_type != _PDF:
                raise _inexpressible(place, "Anthropic's messages take files that come along as PDF")
            return {"type": "base64", "media_type": _PDF, "data": part.source.data}
        case Link():
            return {"type": "url", "url": part.source.url}
        case Plain():
            return {"type": "text", "media_type": "text/plain", "data": part.source.text}
        case Blocks():
            return {"type": "content", "content": [_shown(f"{place}.source", each) for each in part.source.content]}
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)


def _input(place: str, call: ToolCall) -> msgspec.Raw:
    """Return a call's arguments as the object that they are, unchanged; none at all are an empty one."""
    if not call.arguments.strip(" \t\r\n"):
        return msgspec.Raw(b"{}")
    if not call.arguments.lstrip(" \t\r\n").startswith("{") or has_duplicates(call.arguments):
        raise _inexpressible(place, "Anthropic's messages take a call's arguments as one JSON object with unique keys")
    return msgspec.Raw(call.arguments.encode())


def _thought(place: str, part: Reasoning) -> Block:
    seal = part.seal
    if seal is None or seal.dialect != "anthropic":
        raise _inexpressible(place, "Anthropic's messages take back only reasoning that Anthropic signed")
    if part.redacted:
        return {"type": "redacted_thinking", "data": seal.value}
    return {"type": "thinking", "thinking": part.text, "signature": seal.value}


def _kept(part: Text | Image | File | ToolCall | ToolResult) -> Block:
    return {} if part.cache is None else {"cache_control": cache_control(part.cache)}


def _empty(part: Part) -> bool:
    return isinstance(part, Text | Refusal) and not part.text


def _field(message: Message, name: str) -> str:
    return f"{message.place or 'messages'}.{name}"


def _inexpressible(place: str, why: str) -> Inexpressible:
    return Inexpressible(f"{why}: leave it out, or ask an assistant whose model can be told", param=place)
