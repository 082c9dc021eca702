# SPDX-License-Identifier: Apache-2.0
"""A conversation as the items of an `input`: what a provider reads, and what a stored response tells of its turn.

What the items cannot carry raises Inexpressible with the client's own place, and is never left out: a participant's
name, sound, a document that shall be cited, another provider's proof of its reasoning. A wish about caching is left
out: without it the answer is the same.
"""

import base64
from collections.abc import Sequence
from typing import Final

import msgspec

from customhouse.dialects import data_url
from customhouse.dialects.openai_responses import seal
from customhouse.domain.errors import Inexpressible
from customhouse.domain.message import (
    Audio,
    Blocks,
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

Wire = dict[str, object]
_OWN: Final = "openai_responses"


def items(messages: Sequence[Message], *, ids: str | None = None) -> list[Wire]:
    """Return the items. Raises Inexpressible.

    With `ids` they are what a client is told of its own input: every item has an id that begins so, and a status, and
    seals are as the client sent them.
    """
    found: list[Wire] = []
    for message in messages:
        if message.name is not None:
            raise _inexpressible(message, "name", "the name of a participant")
        if message.role == "assistant":
            found += _assistant(message, ours=ids is not None)
        elif message.role == "tool":
            found += [_output(message, part) for part in message.content]
        else:
            content = [_input(message, part) for part in message.content]
            found.append({"type": "message", "role": message.role, "content": content})
    return found if ids is None else [_identified(each, f"{ids}{number}") for number, each in enumerate(found)]


def _identified(item: Wire, number: str) -> Wire:
    prefix = {"message": "msg", "reasoning": "rs", "function_call": "fc", "function_call_output": "fco"}
    prefix |= {"web_search_call": "ws", "code_interpreter_call": "ci"}
    return {**item, "id": f"{prefix[str(item['type'])]}_{number}", "status": "completed"}


def _assistant(message: Message, *, ours: bool) -> list[Wire]:
    """Return the items of what a model said: text that follows text is one message of several parts."""
    found: list[Wire] = []
    said: list[Wire] = []
    for part in message.content:
        if isinstance(part, Text | Refusal):
            if not said:
                named = {"id": f"msg_{len(found)}", "status": "completed"}
                found.append({"type": "message", "role": "assistant", **named, "content": said})
            said.append(_spoken(message, part))
            continue
        said = []
        match part:
            case Reasoning():
                found.append(_reasoning(message, part, len(found), ours=ours))
            case ProviderCall(dialect=dialect) if dialect == _OWN:
                found.append(msgspec.json.decode(part.told, type=Wire))
            case ToolCall():
                found.append(
                    {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": part.arguments}
                )
            case _:
                raise _inexpressible(message, "content", "this part in a message of an assistant")
    return found


def _spoken(message: Message, part: Text | Refusal) -> Wire:
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    return {"type": "output_text", "text": part.text, "annotations": _annotations(message, part)}


def _annotations(message: Message, part: Text) -> list[Wire]:
    """Return what a text rests on. Raises Inexpressible for a document, or a quotation."""
    found: list[Wire] = []
    for each in part.citations:
        if not isinstance(each, WebCitation):
            raise _inexpressible(message, "content", "a citation of a document")
        if each.cited is not None:
            raise _inexpressible(message, "content", "what a page that is cited says")
        found.append(annotation(each, len(part.text)))
    return found


def annotation(citation: WebCitation, length: int) -> Wire:
    """Return a citation of a page; without a place it covers the text so far, which has `length` characters."""
    return {
        "type": "url_citation",
        "url": citation.url,
        "title": citation.title or "",
        "start_index": citation.start if citation.start is not None else 0,
        "end_index": citation.end if citation.end is not None else length,
    }


def _reasoning(message: Message, part: Reasoning, number: int, *, ours: bool) -> Wire:
    sealed = part.seal
    if sealed is not None and sealed.dialect != _OWN and not ours:
        raise _inexpressible(message, "content", "reasoning that another provider has sealed")
    told: list[Wire] = [{"type": "summary_text" if part.summary else "reasoning_text", "text": part.text}]
    item: Wire = {
        "type": "reasoning",
        "id": (sealed.id if sealed else None) or f"rs_{number}",
        "summary": told if part.summary and part.text else [],
    }
    if part.text and not part.summary:
        item["content"] = told
    if sealed is not None:
        item["encrypted_content"] = seal.written(part) if ours else sealed.value
    return item


def _output(message: Message, part: Part) -> Wire:
    if not isinstance(part, ToolResult):
        raise _inexpressible(message, "content", "a part that is no result")
    return {"type": "function_call_output", "call_id": part.call_id, "output": _result(message, part)}


def _result(message: Message, part: ToolResult) -> str | list[Wire]:
    match part.in_words:
        case (Text(text=text, citations=()),):
            return text
        case parts:
            return [_input(message, each) for each in parts]


def _input(message: Message, part: Part) -> Wire:
    match part:
        case Text():
            if part.citations:
                raise _inexpressible(message, "content", "citations in what no model wrote")
            return {"type": "input_text", "text": part.text}
        case Image():
            url = part.source.url if isinstance(part.source, Link) else data_url.written(part.source)
            return {"type": "input_image", "image_url": url, "detail": part.detail or "auto"}
        case File():
            return _file(message, part)
        case Audio():
            raise _inexpressible(message, "content", "sound")
        case _:
            raise _inexpressible(message, "content", f"this part in a message of role {message.role}")


def _file(message: Message, part: File) -> Wire:
    if part.context is not None or part.cited:
        raise _inexpressible(message, "content", "a document with its context, or that shall be cited")
    named: Wire = {"filename": part.name} if part.name is not None else {}
    match part.source:
        case Link():
            return {"type": "input_file", "file_url": part.source.url, **named}
        case Plain():
            text = base64.b64encode(part.source.text.encode()).decode()
            return {"type": "input_file", "file_data": data_url.written(Inline("text/plain", text)), **named}
        case Inline():
            return {"type": "input_file", "file_data": data_url.written(part.source), **named}
        case Blocks():
            raise _inexpressible(message, "content", "a document in blocks")


def _inexpressible(message: Message, field: str, what: str) -> Inexpressible:
    where = f"{message.place}.{field}" if message.place else field
    return Inexpressible(f"OpenAI Responses has no way to say {what}; leave it out", param=where)
