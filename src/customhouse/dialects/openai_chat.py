# SPDX-License-Identifier: Apache-2.0
"""OpenAI chat completions, the request: an allow-list of fields, read strictly, to and from the domain's values.

Source of the shapes: the types of the `openai` package (types/chat/completion_create_params.py), narrowed. A field that
is not here is refused by name: `web_search_options`, `store` or `mcp_servers` are capabilities, not decoration.
"""

import re
from typing import Annotated, Final, Literal

import msgspec

from customhouse.dialects.strict_json import refuse_duplicates
from customhouse.domain.errors import FieldNotAllowed, InvalidRequest
from customhouse.domain.message import Message, Part, ToolCall, ToolOffer

MAX_MESSAGES: Final = 2048
MAX_TOOLS: Final = 128
"""Bounds of one request, far above what models make use of."""


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


class Audio(_Wire, frozen=True):
    """Audio in base64."""

    data: str
    format: Literal["wav", "mp3"]


class AudioPart(_Wire, frozen=True, tag="input_audio"):
    """A content part that is audio."""

    input_audio: Audio


class File(_Wire, frozen=True):
    """A file in base64, with its name."""

    file_data: str | None = None
    filename: str | None = None


class FilePart(_Wire, frozen=True, tag="file"):
    """A content part that is a file."""

    file: File


class RefusalPart(_Wire, frozen=True, tag="refusal"):
    """A refusal that an assistant wrote earlier."""

    refusal: str


ContentPart = TextPart | ImagePart | AudioPart | FilePart | RefusalPart


class Function(_Wire, frozen=True):
    """A call's function, as the model wrote it."""

    name: str
    arguments: str


class WireCall(_Wire, frozen=True):
    """A tool call in the history."""

    id: str
    function: Function
    type: Literal["function"] = "function"


class WireMessage(_Wire, frozen=True):
    """One message of the history. The last three fields are what SDKs echo from answers; they must carry nothing."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[WireCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
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


class ResponseFormat(_Wire, frozen=True):
    """The form of the answer; `json_schema` passes as it was written."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: msgspec.Raw = msgspec.Raw(b"")


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

    @property
    def streamed(self) -> bool:
        """Return whether the client asked for a stream."""
        return self.stream is True

    @property
    def wants_usage(self) -> bool:
        """Return whether the stream shall end with the token counts."""
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def tool_names(self) -> tuple[str, ...]:
        """Return the names of the tools the client brought."""
        return tuple(tool.function.name for tool in self.tools or ())

    @property
    def must_call(self) -> bool:
        """Return whether the client insists on a tool call."""
        return self.tool_choice == "required" or isinstance(self.tool_choice, ToolChoice)

    @property
    def needs_form(self) -> bool:
        """Return whether a plain sentence would break what the client asked for."""
        return self.must_call or (self.response_format is not None and self.response_format.type != "text")


_decode = msgspec.json.Decoder(ChatRequest).decode
_encode = msgspec.json.encode
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`(?: - at `\$?\.?(?P<path>[^`]*)`)?")


def read(body: bytes) -> ChatRequest:
    """Read a request body. Raises InvalidRequest, DuplicateKey, FieldNotAllowed with the field in `param`."""
    refuse_duplicates(body)
    try:
        request = _decode(body)
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from error
    if not 1 <= len(request.messages) <= MAX_MESSAGES:
        raise InvalidRequest(f"1 to {MAX_MESSAGES} messages expected, {len(request.messages)} found", param="messages")
    if len(request.tools or ()) > MAX_TOOLS:
        raise InvalidRequest(f"at most {MAX_TOOLS} tools expected, {len(request.tools or ())} found", param="tools")
    if len(set(request.tool_names)) != len(request.tool_names):
        raise InvalidRequest("two tools have the same name", param="tools")
    return request


def _explained(message: str) -> InvalidRequest:
    unknown = _UNKNOWN.match(message)
    if unknown is None:
        return InvalidRequest(f"the request does not have the expected shape: {message}")
    place = ".".join(part for part in (unknown["path"], unknown["field"]) if part)
    return FieldNotAllowed(
        f"`{place}` is not a field this gateway accepts: it could change what the model may do. Remove it; "
        "docs/reference/http.md lists the fields that are understood",
        param=place,
    )


def messages(request: ChatRequest) -> tuple[Message, ...]:
    """Return the conversation that the client sent. Raises InvalidRequest for a message that contradicts itself."""
    return tuple(_message(position, message) for position, message in enumerate(request.messages))


def _message(position: int, wire: WireMessage) -> Message:
    place = f"messages.{position}"
    if wire.role == "tool" and not wire.tool_call_id:
        raise InvalidRequest("a tool message needs tool_call_id", param=place)
    if wire.role != "assistant" and (wire.tool_calls or wire.refusal):
        raise InvalidRequest(f"a {wire.role} message carries no tool calls and no refusal", param=place)
    if wire.content is None and not wire.tool_calls and not wire.refusal:
        raise InvalidRequest("a message needs content", param=place)
    content = wire.content
    if content is None and wire.refusal:
        content = wire.refusal
    return Message(
        role=wire.role,
        content=tuple(Part(_kind(part), _encode(part)) for part in content) if isinstance(content, list) else content,
        name=wire.name,
        tool_calls=tuple(
            ToolCall(call.id, call.function.name, call.function.arguments) for call in wire.tool_calls or ()
        ),
        tool_call_id=wire.tool_call_id,
    )


def _kind(part: ContentPart) -> str:
    tag = part.__struct_config__.tag
    return tag if isinstance(tag, str) else "unknown"


def offers(request: ChatRequest) -> tuple[ToolOffer, ...]:
    """Return the tools that the client brought."""
    return tuple(
        ToolOffer(
            tool.function.name,
            tool.function.description,
            bytes(tool.function.parameters).decode() or None,
            tool.function.strict,
        )
        for tool in request.tools or ()
    )
