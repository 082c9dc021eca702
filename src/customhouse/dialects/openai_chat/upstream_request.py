# SPDX-License-Identifier: Apache-2.0
"""OpenAI chat completions towards a provider: the request, rebuilt from what was decided.

What cannot be said in this dialect is refused with the client's field, and never left out.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, assert_never

import msgspec

from customhouse.dialects import data_url
from customhouse.domain.errors import Inexpressible
from customhouse.domain.message import (
    Audio,
    File,
    Image,
    Inline,
    Link,
    Message,
    Part,
    ProviderCall,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolOffer,
    ToolResult,
)
from customhouse.domain.request import Form, NamedTool, Number, Request

PATH: Final = "/chat/completions"
SAMPLING: Final = frozenset(
    {"temperature", "top_p", "seed", "frequency_penalty", "presence_penalty", "reasoning_effort"}
)
"""What this dialect can be told of how an answer is sampled."""
LONG_LIMIT: Final = "max_completion_tokens"
"""The feature of a deployment that takes its bound under OpenAI's newer name; most servers know `max_tokens` alone."""


class _Out(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class _OutFunction(_Out, frozen=True):
    name: str
    arguments: str


class _OutCall(_Out, frozen=True):
    id: str
    function: _OutFunction
    type: Literal["function"]


class _OutMessage(_Out, frozen=True):
    role: str
    content: str | list[dict[str, object]] | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_OutCall] | None = None
    tool_call_id: str | None = None


class _OutDefinition(_Out, frozen=True):
    name: str
    description: str | None = None
    parameters: msgspec.Raw | None = None
    strict: bool | None = None


class _OutTool(_Out, frozen=True):
    function: _OutDefinition
    type: Literal["function"]


class _OutChoice(_Out, frozen=True):
    function: dict[str, str]
    type: Literal["function"]


class _OutRequest(_Out, frozen=True):
    model: str
    messages: list[_OutMessage]
    tools: list[_OutTool] | None = None
    tool_choice: str | _OutChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, object] | None = None
    stop: list[str] | None = None
    stream: bool | None = None
    stream_options: dict[str, bool] | None = None


_encode = msgspec.json.encode


def body(request: Request, features: Sequence[str]) -> bytes:
    """Return the body to send to a provider. Raises Inexpressible."""
    for offer in request.provider_tools:
        raise Inexpressible(f"a provider that speaks chat completions runs no `{offer.tool}`", param=offer.place)
    tools = request.offers
    fields = _OutRequest(
        model=request.model,
        messages=[each for message in request.messages for each in _messages(message)],
        tools=[_out_tool(tool) for tool in tools] or None,
        tool_choice=_out_choice(request) if tools else None,
        parallel_tool_calls=request.parallel_tool_calls if tools else None,
        response_format=_out_form(request.form),
        stop=list(request.stop) or None,
        stream=True if request.streamed else None,
        stream_options={"include_usage": True} if request.streamed else None,
    )
    settled = _settled(request.sampling)
    if request.max_tokens is not None:
        settled[LONG_LIMIT if LONG_LIMIT in features else "max_tokens"] = request.max_tokens
    rebuilt = _encode(fields)
    return rebuilt[:-1] + b"," + _encode(settled)[1:] if settled else rebuilt


def _settled(sampling: Mapping[str, Number]) -> dict[str, Number]:
    for name in sampling:
        if name not in SAMPLING:
            raise Inexpressible(f"chat completions know no {name}", param=name)
    return dict(sampling)


def _messages(message: Message) -> list[_OutMessage]:
    """Return what one message is here: results of tools are a message each."""
    if message.role == "tool":
        return [_result(message, position, part) for position, part in enumerate(message.content)]
    told: list[str] = []
    refused: list[str] = []
    calls: list[_OutCall] = []
    content: list[tuple[int, Part]] = []
    for position, part in enumerate(message.content):
        match part:
            case ToolCall():
                function = _OutFunction(name=part.name, arguments=part.arguments)
                calls.append(_OutCall(id=part.id, type="function", function=function))
            case Reasoning():
                told.append(_told(message, position, part))
            case Refusal() if message.role == "assistant":
                refused.append(part.text)
            case _:
                content.append((position, part))
    return [
        _OutMessage(
            role=message.role,
            content=_content(message, content),
            name=message.name,
            refusal="".join(refused) or None,
            reasoning_content="".join(told) or None,
            tool_calls=calls or None,
        )
    ]


def _content(message: Message, parts: Sequence[tuple[int, Part]]) -> str | list[dict[str, object]] | None:
    if not parts:
        return None
    if len(parts) == 1 and isinstance(only := parts[0][1], Text):
        return _text(message, parts[0][0], only)
    return [_out_part(message, position, part) for position, part in parts]


def _out_part(message: Message, position: int, part: Part) -> dict[str, object]:
    match part:
        case Text():
            return {"type": "text", "text": _text(message, position, part)}
        case Image():
            detail = {} if part.detail is None else {"detail": part.detail}
            return {"type": "image_url", "image_url": {"url": _url(part.source), **detail}}
        case Audio():
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}
        case File():
            return {"type": "file", "file": _file(message, position, part)}
        case Refusal() | Reasoning() | ToolCall() | ToolResult() | ProviderCall():
            raise _inexpressible(message, position, f"a {message.role} message cannot carry this part")
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)


def _text(message: Message, position: int, part: Text) -> str:
    if part.citations:
        raise _inexpressible(message, position, "chat completions cannot carry citations back", "citations")
    return part.text


def _told(message: Message, position: int, part: Reasoning) -> str:
    if part.redacted or part.seal is not None:
        raise _inexpressible(message, position, "chat completions cannot carry another provider's sealed reasoning")
    return part.text


def _file(message: Message, position: int, part: File) -> dict[str, str]:
    if part.cited or part.context is not None:
        raise _inexpressible(message, position, "chat completions know no citations or context of a file")
    if not isinstance(part.source, Inline):
        raise _inexpressible(message, position, "chat completions take a file in base64 only", "source")
    named = {} if part.name is None else {"filename": part.name}
    return {"file_data": _url(part.source), **named}


def _url(source: Inline | Link) -> str:
    return source.url if isinstance(source, Link) else data_url.written(source)


def _result(message: Message, position: int, part: Part) -> _OutMessage:
    if not isinstance(part, ToolResult):
        raise _inexpressible(message, position, "a tool message carries results of tools")
    if any(not isinstance(each, Text) for each in part.content):
        raise _inexpressible(message, position, "chat completions take text as a tool's result")
    parts = list(enumerate(part.in_words))
    content = _content(message, parts)
    return _OutMessage(
        role="tool", content="" if content is None else content, name=message.name, tool_call_id=part.call_id
    )


def _inexpressible(message: Message, position: int, why: str, field: str = "") -> Inexpressible:
    place = f"{message.place or 'messages'}.content.{position}"
    return Inexpressible(
        f"{why}: leave it out, or ask an assistant whose model can be told",
        param=f"{place}.{field}" if field else place,
    )


def _out_tool(tool: ToolOffer) -> _OutTool:
    return _OutTool(
        type="function",
        function=_OutDefinition(
            name=tool.name,
            description=tool.description,
            parameters=msgspec.Raw(tool.parameters.encode()) if tool.parameters is not None else None,
            strict=tool.strict,
        ),
    )


def _out_choice(request: Request) -> str | _OutChoice | None:
    """Return the choice. Of one tool that is the only one: `required`, since llama.cpp's server takes no name."""
    chosen = request.tool_choice
    if isinstance(chosen, NamedTool) and [tool.name for tool in request.offers] == [chosen.name]:
        return "required"
    return _OutChoice(type="function", function={"name": chosen.name}) if isinstance(chosen, NamedTool) else chosen


def _out_form(form: Form | None) -> dict[str, object] | None:
    if form is None:
        return None
    if form.schema is None:
        return {"type": "json_object"}
    told = {"name": form.name or "answer", "description": form.description, "strict": form.strict}
    schema: dict[str, object] = {name: value for name, value in told.items() if value is not None}
    return {"type": "json_schema", "json_schema": {**schema, "schema": msgspec.Raw(form.schema.encode())}}
