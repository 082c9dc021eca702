# SPDX-License-Identifier: Apache-2.0
"""OpenAI chat completions, a client's request: an allow-list of fields, read strictly into the domain's values.

Source of the shapes: the types of the `openai` package (types/chat/completion_create_params.py), narrowed. A field that
is not here is refused by name: `web_search_options`, `store` or `mcp_servers` are capabilities, not decoration.
"""

from types import MappingProxyType
from typing import Annotated, Literal, assert_never

import msgspec

from customhouse.dialects import data_url
from customhouse.dialects.bounds import require_messages, require_tools
from customhouse.dialects.shape import explained
from customhouse.dialects.strict_json import refuse_duplicates
from customhouse.domain.errors import InvalidRequest
from customhouse.domain.message import (
    Audio,
    File,
    Image,
    Inline,
    Link,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolOffer,
    ToolResult,
)
from customhouse.domain.request import SAMPLING_FIELDS, Form, NamedTool, Number, Request

Tokens = Annotated[int, msgspec.Meta(ge=1)]
"""A number of tokens. Servers read -1 as "without end", which no released bound would stop."""


ToolName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.\-]{1,64}(?![\s\S])")]
"""What a tool may be called: OpenAI's own rule, and dots."""


class _Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    pass


class TextPart(_Wire, frozen=True, tag="text"):
    """A content part of text."""

    text: str


class ImageUrl(_Wire, frozen=True):
    """Where an image is, or the image as a data URL."""

    url: str
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(_Wire, frozen=True, tag="image_url"):
    """A content part that is an image."""

    image_url: ImageUrl


class InputAudio(_Wire, frozen=True):
    """Audio in base64."""

    data: str
    format: Literal["wav", "mp3"]


class AudioPart(_Wire, frozen=True, tag="input_audio"):
    """A content part that is audio."""

    input_audio: InputAudio


class InputFile(_Wire, frozen=True):
    """A file as a data URL, with its name."""

    file_data: str
    filename: str | None = None


class FilePart(_Wire, frozen=True, tag="file"):
    """A content part that is a file."""

    file: InputFile


class RefusalPart(_Wire, frozen=True, tag="refusal"):
    """A refusal that an assistant wrote earlier."""

    refusal: str


ContentPart = TextPart | ImagePart | AudioPart | FilePart | RefusalPart


class Function(_Wire, frozen=True):
    """A call's function, as the model wrote it. `parsed_arguments` is the SDK's own reading, which goes nowhere."""

    name: str
    arguments: str
    parsed_arguments: msgspec.Raw = msgspec.Raw(b"")


class WireCall(_Wire, frozen=True):
    """A tool call in the history. `index` is what the SDK kept of a stream; calls stand in their order."""

    id: str
    function: Function
    index: int | None = None
    type: Literal["function"] = "function"


class WireMessage(_Wire, frozen=True):
    """One message of the history.

    The last fields are what SDKs echo from answers: `reasoning_content` carries what a server told of its reasoning,
    `parsed` is the SDK's own reading of the content and goes nowhere, the three after it must carry nothing.
    """

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[WireCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    parsed: msgspec.Raw = msgspec.Raw(b"")
    function_call: None = None
    audio: None = None
    annotations: list[None] | None = None


class Definition(_Wire, frozen=True):
    """A tool's definition, as the client sent it."""

    name: ToolName
    description: str | None = None
    parameters: msgspec.Raw = msgspec.Raw(b"")
    strict: bool | None = None


class Tool(_Wire, frozen=True):
    """A function tool."""

    function: Definition
    type: Literal["function"] = "function"


class ChosenFunction(_Wire, frozen=True):
    """The one function a client wants called."""

    name: str


class ToolChoice(_Wire, frozen=True):
    """A choice of one function."""

    function: ChosenFunction
    type: Literal["function"] = "function"


class StreamOptions(_Wire, frozen=True):
    """Options of a stream."""

    include_usage: bool = False


class JsonSchema(_Wire, frozen=True):
    """A schema of the answer; the schema itself passes as it was written."""

    name: str
    description: str | None = None
    schema: msgspec.Raw = msgspec.Raw(b"")
    strict: bool | None = None


class ResponseFormat(_Wire, frozen=True):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class ChatRequest(_Wire, frozen=True):
    """What a client may send. Sampling fields count only when the model document lists them."""

    model: str
    messages: list[WireMessage]
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    stop: str | list[str] | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    n: Literal[1] | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    reasoning_effort: str | None = None


_decode = msgspec.json.Decoder(ChatRequest).decode


def read(body: bytes) -> Request:
    """Read a request body. Raises InvalidRequest, DuplicateKey, FieldNotAllowed with the field in `param`."""
    wire = decoded(body)
    chosen = wire.tool_choice
    return Request(
        model=wire.model,
        messages=tuple(_message(f"messages.{position}", message) for position, message in enumerate(wire.messages)),
        offers=tuple(_offer(tool.function) for tool in wire.tools or ()),
        tool_choice=NamedTool(chosen.function.name) if isinstance(chosen, ToolChoice) else chosen,
        parallel_tool_calls=wire.parallel_tool_calls,
        form=_form(wire.response_format),
        streamed=wire.stream is True,
        wants_usage=wire.stream_options is not None and wire.stream_options.include_usage,
        max_tokens=wire.max_completion_tokens or wire.max_tokens,
        stop=(wire.stop,) if isinstance(wire.stop, str) else tuple(wire.stop or ()),
        sampling=_sampling(wire),
        variables=MappingProxyType(wire.metadata or {}),
    )


def decoded(body: bytes) -> ChatRequest:
    """Read a body into its wire shape, within the bounds. Raises as `read`."""
    refuse_duplicates(body)
    try:
        request = _decode(body)
    except msgspec.ValidationError as error:
        raise explained(str(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from error
    require_messages(len(request.messages))
    require_tools([tool.function.name for tool in request.tools or ()])
    return request


def _message(place: str, wire: WireMessage) -> Message:
    if wire.role == "tool" and not wire.tool_call_id:
        raise InvalidRequest("a tool message needs tool_call_id", param=place)
    if wire.role != "assistant" and (wire.tool_calls or wire.refusal or wire.reasoning_content):
        raise InvalidRequest(f"a {wire.role} message carries no tool calls, refusal or reasoning", param=place)
    if wire.content is None and not wire.tool_calls and not wire.refusal:
        raise InvalidRequest("a message needs content", param=place)
    if wire.role == "tool":
        return Message("tool", (_result(place, wire),), wire.name, place)
    parts = [
        *((Reasoning(text=wire.reasoning_content),) if wire.reasoning_content else ()),
        *_content(place, wire.content),
        *((Refusal(wire.refusal),) if wire.refusal else ()),
        *(ToolCall(call.id, call.function.name, call.function.arguments) for call in wire.tool_calls or ()),
    ]
    return Message(wire.role, tuple(parts), wire.name, place)


def _content(place: str, content: str | list[ContentPart] | None) -> tuple[Part, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    return tuple(_part(f"{place}.content.{position}", part) for position, part in enumerate(content))


def _result(place: str, wire: WireMessage) -> ToolResult:
    content: list[Text | Image | File] = []
    for position, part in enumerate(_content(place, wire.content)):
        if not isinstance(part, Text | Image | File):
            raise InvalidRequest("a tool message carries text", param=f"{place}.content.{position}")
        content.append(part)
    return ToolResult(wire.tool_call_id or "", tuple(content))


def _part(place: str, part: ContentPart) -> Part:
    match part:
        case TextPart():
            return Text(part.text)
        case ImagePart():
            return Image(_source(part.image_url.url), part.image_url.detail)
        case AudioPart():
            return Audio(part.input_audio.data, part.input_audio.format)
        case FilePart():
            source = _source(part.file.file_data)
            if isinstance(source, Link):
                raise InvalidRequest("a file is sent as a data URL in base64", param=f"{place}.file.file_data")
            return File(source, part.file.filename)
        case RefusalPart():
            return Refusal(part.refusal)
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)


def _source(url: str) -> Inline | Link:
    return data_url.read(url) or Link(url)


def _offer(definition: Definition) -> ToolOffer:
    parameters = bytes(definition.parameters)
    if not parameters or parameters == b"null":
        return ToolOffer(definition.name, definition.description, None, definition.strict)
    return ToolOffer(definition.name, definition.description, parameters.decode(), definition.strict)


def _form(wanted: ResponseFormat | None) -> Form | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return Form()
    if wanted.json_schema is None:
        raise InvalidRequest("json_schema needs its schema", param="response_format.json_schema")
    schema = wanted.json_schema
    return Form(
        schema=bytes(schema.schema).decode() or "{}",
        name=schema.name,
        description=schema.description,
        strict=schema.strict,
    )


def _sampling(wire: ChatRequest) -> dict[str, Number]:
    asked = {name: getattr(wire, name, None) for name in SAMPLING_FIELDS}
    return {name: value for name, value in asked.items() if value is not None}
