# SPDX-License-Identifier: Apache-2.0
"""Anthropic Messages, the request: read strictly into the domain's values.

A system prompt becomes a system message before all others; results of tools, which stand in a user's message here,
become messages of their own, in the order in which they stand.
"""

import re
from types import MappingProxyType
from typing import Final, assert_never

import msgspec

from customhouse.dialects.anthropic import seal, wire
from customhouse.dialects.anthropic.citations import cited
from customhouse.dialects.anthropic.wire import CountRequest, MessagesRequest
from customhouse.dialects.bounds import require_messages, require_tools
from customhouse.dialects.shape import UNKNOWN
from customhouse.dialects.strict_json import refuse_duplicates
from customhouse.domain.errors import FieldNotAllowed, InvalidRequest
from customhouse.domain.message import (
    Blocks,
    Cache,
    File,
    Image,
    Inline,
    Link,
    Message,
    Part,
    Plain,
    Reasoning,
    Text,
    ToolCall,
    ToolOffer,
    ToolResult,
)
from customhouse.domain.request import Form, NamedTool, Number, Request, ToolChoice

ADAPTIVE: Final = "adaptive"
"""`thinking_tokens` of a model that thinks as much as it takes; 0 is none at all."""
SUMMARIES: Final = MappingProxyType({"summarized": "auto", "omitted": "none"})
"""`reasoning_summary` for how this dialect shows what a model thought."""

_decode = msgspec.json.Decoder(MessagesRequest).decode
_decode_count = msgspec.json.Decoder(CountRequest).decode
_KIND = re.compile(r"Invalid (?:enum )?value '(?P<kind>[^']*)' - at `\$?\.?(?P<path>[^`]*)\.type`")
_PLACE = re.compile(r"\[(\d+)\]")


def read(body: bytes) -> Request:
    """Read a request body. Raises InvalidRequest, DuplicateKey, FieldNotAllowed with the field in `param`."""
    found = decoded(body)
    request = _asked(found)
    return msgspec.structs.replace(
        request,
        streamed=found.stream is True,
        max_tokens=found.max_tokens,
        stop=tuple(found.stop_sequences or ()),
        sampling={**_sampling(found), **request.sampling},
        variables=MappingProxyType(_variables(found.metadata)),
    )


def read_count(body: bytes) -> Request:
    """Read what shall be counted. Raises as `read`."""
    refuse_duplicates(body)
    try:
        found = _decode_count(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _explained(error) from error
    return _asked(_bounded(found))


def decoded(body: bytes) -> MessagesRequest:
    """Read a body into its wire shape, within the bounds. Raises as `read`."""
    refuse_duplicates(body)
    try:
        found = _decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _explained(error) from error
    _bounded(found)
    return found


def _bounded(found: CountRequest) -> CountRequest:
    require_messages(len(found.messages))
    require_tools([tool.name for tool in found.tools or ()])
    return found


def _explained(error: Exception) -> InvalidRequest:
    message = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return InvalidRequest(f"the body is not valid JSON: {message}")
    if unknown := UNKNOWN.match(message):
        place = ".".join(part for part in (unknown["path"], unknown["field"]) if part)
        return _refused(f"`{place}` is not a field", _dotted(place))
    if (kind := _KIND.match(message)) and kind["path"]:
        return _refused(f"`{kind['kind'][:64]}` at `{kind['path']}` is nothing", _dotted(kind["path"]))
    return InvalidRequest(f"the request does not have the expected shape: {message}")


def _refused(what: str, place: str) -> FieldNotAllowed:
    return FieldNotAllowed(
        f"{what} that this gateway accepts: it could change what the model may do. Remove it; "
        "docs/reference/http.md lists the fields that are understood",
        param=place,
    )


def _dotted(path: str) -> str:
    return _PLACE.sub(r".\1", path)


def _asked(found: CountRequest) -> Request:
    """Return what is asked, without what only an answer needs."""
    messages = [each for position, message in enumerate(found.messages) for each in _messages(position, message)]
    if found.system:
        messages.insert(0, Message("system", _texts(found.system), None, "system"))
    if found.cache_control is not None:
        messages[-1] = _cached(messages[-1], _cache(found.cache_control))
    output = found.output_config or wire.OutputConfig()
    choice, parallel = _choice(found)
    return Request(
        model=found.model,
        messages=tuple(messages),
        offers=tuple(_offer(position, tool) for position, tool in enumerate(found.tools or ())),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        form=None if output.format is None else Form(schema=bytes(output.format.schema).decode()),
        sampling=_reasoning(found, output),
    )


def _messages(position: int, message: wire.WireMessage) -> list[Message]:
    """Return what one message is here: runs of tool results are messages of role `tool`."""
    place = f"messages.{position}"
    if isinstance(message.content, str):
        return [Message(message.role, (Text(message.content),), None, place)]
    if not message.content:
        raise InvalidRequest("a message needs content", param=f"{place}.content")
    runs: list[tuple[bool, list[Part]]] = []
    for index, block in enumerate(message.content):
        part = _part(f"{place}.content.{index}", message.role, block)
        result = isinstance(part, ToolResult)
        if not runs or runs[-1][0] is not result:
            runs.append((result, []))
        runs[-1][1].append(part)
    return [Message("tool" if result else message.role, tuple(parts), None, place) for result, parts in runs]


def _part(place: str, role: str, block: wire.Block) -> Part:
    match block:
        case wire.TextBlock():
            return _text(block)
        case wire.ImageBlock() if role == "user":
            return _image(block)
        case wire.DocumentBlock() if role == "user":
            return _file(block)
        case wire.ToolResultBlock() if role == "user":
            return _result(block)
        case wire.ThinkingBlock() if role == "assistant":
            return _thought(block.signature, block.thinking)
        case wire.RedactedThinkingBlock() if role == "assistant":
            return _thought(block.data, None)
        case wire.ToolUseBlock() if role == "assistant":
            arguments = bytes(block.input).decode()
            if not arguments.startswith("{"):
                raise InvalidRequest("a call's input is an object", param=f"{place}.input")
            return ToolCall(block.id, block.name, arguments, _cache(block.cache_control))
        case _:
            tag = block.__struct_config__.tag
            raise InvalidRequest(f"a message of role {role} holds no {tag} block", param=place)


def _text(block: wire.TextBlock) -> Text:
    return Text(block.text, tuple(cited(each) for each in block.citations or ()), _cache(block.cache_control))


def _texts(content: str | list[wire.TextBlock]) -> tuple[Text, ...]:
    return (Text(content),) if isinstance(content, str) else tuple(_text(block) for block in content)


def _image(block: wire.ImageBlock) -> Image:
    source = block.source
    return Image(
        Link(source.url) if isinstance(source, wire.UrlSource) else Inline(source.media_type, source.data),
        cache=_cache(block.cache_control),
    )


def _file(block: wire.DocumentBlock) -> File:
    return File(
        _source(block.source),
        name=block.title,
        context=block.context,
        cited=block.citations is not None and block.citations.enabled,
        cache=_cache(block.cache_control),
    )


def _source(
    source: wire.Base64Pdf | wire.PlainSource | wire.ContentSource | wire.UrlSource,
) -> Inline | Link | Plain | Blocks:
    match source:
        case wire.Base64Pdf():
            return Inline(source.media_type, source.data)
        case wire.UrlSource():
            return Link(source.url)
        case wire.PlainSource():
            return Plain(source.data)
        case wire.ContentSource():
            if isinstance(source.content, str):
                return Blocks((Text(source.content),))
            return Blocks(
                tuple(_text(each) if isinstance(each, wire.TextBlock) else _image(each) for each in source.content)
            )
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)


def _result(block: wire.ToolResultBlock) -> ToolResult:
    content = block.content
    if content is None or isinstance(content, str):
        parts: tuple[Text | Image | File, ...] = (Text(content),) if content else ()
    else:
        parts = tuple(_shown(each) for each in content)
    return ToolResult(block.tool_use_id, parts, block.is_error is True, _cache(block.cache_control))


def _shown(block: wire.TextBlock | wire.ImageBlock | wire.DocumentBlock) -> Text | Image | File:
    match block:
        case wire.TextBlock():
            return _text(block)
        case wire.ImageBlock():
            return _image(block)
        case wire.DocumentBlock():
            return _file(block)
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)


def _thought(sealed: str, told: str | None) -> Reasoning:
    found = seal.read(sealed)
    return Reasoning(text=told or "", summary=found.summary, redacted=told is None, seal=found.seal)


def _cache(control: wire.CacheControl | None) -> Cache | None:
    return None if control is None else control.ttl or "5m"


def _cached(message: Message, cache: Cache | None) -> Message:
    """Set the mark on the last block, which is what the field at the top of a request asks for."""
    last = message.content[-1]
    if not isinstance(last, Text | Image | File | ToolCall | ToolResult) or last.cache is not None:
        return message
    marked = msgspec.structs.replace(last, cache=cache)
    return msgspec.structs.replace(message, content=(*message.content[:-1], marked))


def _offer(position: int, tool: wire.Tool) -> ToolOffer:
    parameters = bytes(tool.input_schema).decode()
    if not parameters.startswith("{"):
        raise InvalidRequest("input_schema is an object", param=f"tools.{position}.input_schema")
    return ToolOffer(tool.name, tool.description, parameters, tool.strict, _cache(tool.cache_control))


def _choice(found: CountRequest) -> tuple[ToolChoice | None, bool | None]:
    chosen = found.tool_choice
    if chosen is None:
        return None, None
    if isinstance(chosen, wire.NoTool):
        return "none", None
    alone = chosen.disable_parallel_tool_use
    parallel = None if alone is None else not alone
    match chosen:
        case wire.Auto():
            return "auto", parallel
        case wire.AnyTool():
            return "required", parallel
        case wire.OneTool():
            return NamedTool(chosen.name), parallel
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)


def _reasoning(found: CountRequest, output: wire.OutputConfig) -> dict[str, Number]:
    asked: dict[str, Number] = {}
    match found.thinking:
        case wire.ThinkingEnabled():
            asked["thinking_tokens"] = found.thinking.budget_tokens
        case wire.ThinkingAdaptive():
            asked["thinking_tokens"] = ADAPTIVE
        case wire.ThinkingDisabled():
            asked["thinking_tokens"] = 0
        case None:
            pass
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)
    if isinstance(found.thinking, wire.ThinkingEnabled | wire.ThinkingAdaptive) and found.thinking.display is not None:
        asked["reasoning_summary"] = SUMMARIES[found.thinking.display]
    if output.effort is not None:
        asked["reasoning_effort"] = output.effort
    return asked


def _sampling(found: MessagesRequest) -> dict[str, Number]:
    asked = {"temperature": found.temperature, "top_p": found.top_p, "top_k": found.top_k}
    return {name: value for name, value in asked.items() if value is not None}


def _variables(metadata: dict[str, str | None] | None) -> dict[str, str]:
    """Return what fills the prompt: every string but `user_id`, which is this dialect's own and goes nowhere."""
    return {name: value for name, value in (metadata or {}).items() if name != "user_id" and value is not None}
