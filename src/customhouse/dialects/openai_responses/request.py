# SPDX-License-Identifier: Apache-2.0
"""OpenAI Responses, the request: an allow-list of fields, read strictly into the domain's values.

Source of the shapes: the types of the `openai` package (types/responses/response_create_params.py), narrowed. A field
that is not here is refused by name: `background`, `conversation`, `prompt` or `max_tool_calls` are capabilities. So is
every tool but a function and the two that a policy can grant (provider_tool.py): `file_search`, `mcp`, `computer`,
`image_generation`, `local_shell` or `custom` would be run by the provider, where nobody decides. The one `mcp` that is
taken is no server: it says that the client takes requests for approval (approval.py).

`include` may ask for what an answer has anyway. `user` is understood and means nothing here.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec

from customhouse.dialects.bounds import MAX_MESSAGES, require_tools
from customhouse.dialects.openai_responses import item, provider_tool
from customhouse.dialects.openai_responses.approval import LABEL, ApprovalsTool
from customhouse.dialects.openai_responses.provider_tool import CodeInterpreterTool, WebSearchTool
from customhouse.dialects.shape import explained
from customhouse.dialects.strict_json import refuse_duplicates
from customhouse.domain.errors import FieldNotAllowed, InvalidRequest
from customhouse.domain.message import Message, Text, ToolOffer
from customhouse.domain.request import TEXT, Form, NamedTool, Number, Request

MAX_ITEMS: Final = MAX_MESSAGES
"""Items of an input at most."""

INSTRUCTIONS: Final = "instructions"
"""The place of the message that `instructions` are."""

Tokens = Annotated[int, msgspec.Meta(ge=1)]
KNOWN: Final = frozenset({"web_search", "code_interpreter"})
"""Tools of a provider's that a policy can grant: an odd declaration of one is refused by its own field."""
ToolName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.\-]{1,64}(?![\s\S])")]
"""What a tool may be called: OpenAI's own rule, and dots."""


class _Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class FunctionTool(_Wire, frozen=True, tag="function"):
    """A function that the client runs (types/responses/function_tool_param.py)."""

    name: ToolName
    parameters: msgspec.Raw = msgspec.Raw(b"null")
    strict: bool | None = None
    description: str | None = None


class ChosenFunction(_Wire, frozen=True):
    """The one function that a client wants called."""

    type: Literal["function"]
    name: str


class StreamOptions(_Wire, frozen=True):
    """Options of a stream: no padding that hides the size of what is said."""

    include_obfuscation: Literal[False] | None = None


class Format(_Wire, frozen=True):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: msgspec.Raw = msgspec.Raw(b"null")
    strict: bool | None = None
    description: str | None = None


class TextConfig(_Wire, frozen=True):
    """What the answer's text shall be like."""

    format: Format | None = None
    verbosity: None = None


class ReasoningConfig(_Wire, frozen=True):
    """How much to think, and whether to tell of it."""

    effort: str | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


class ResponsesRequest(_Wire, frozen=True):
    """What a client may send. Sampling fields count only when the model document lists them."""

    model: str
    input: str | list[msgspec.Raw]
    instructions: str | None = None
    tools: list[FunctionTool | ApprovalsTool | WebSearchTool | CodeInterpreterTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenFunction | None = None
    parallel_tool_calls: bool | None = None
    text: TextConfig | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_output_tokens: Tokens | None = None
    temperature: float | None = None
    top_p: float | None = None
    reasoning: ReasoningConfig | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    include: list[Literal["reasoning.encrypted_content", "message.input_image.image_url"]] | None = None
    truncation: Literal["disabled"] | None = None
    background: Literal[False] | None = None


class _Kind(msgspec.Struct, frozen=True):
    type: str | None = None
    server_label: str | None = None


class _Capabilities(msgspec.Struct, frozen=True):
    tools: list[_Kind] | None = None
    tool_choice: str | _Kind | None = None


_decode = msgspec.json.Decoder(ResponsesRequest).decode
_capabilities = msgspec.json.Decoder(_Capabilities).decode


def read(body: bytes) -> Request:
    """Read a request body. Raises InvalidRequest, DuplicateKey, FieldNotAllowed with the field in `param`."""
    refuse_duplicates(body)
    try:
        wire = _decode(body)
    except msgspec.ValidationError as error:
        _refuse_capabilities(body)
        raise explained(str(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from error
    tools = [tool for tool in wire.tools or () if isinstance(tool, FunctionTool)]
    require_tools([tool.name for tool in tools])
    chosen = wire.tool_choice
    said = _input(wire)
    return Request(
        model=wire.model,
        messages=(*_instructions(wire.instructions), *said.messages),
        offers=tuple(_offer(tool) for tool in tools),
        tool_choice=NamedTool(chosen.name) if isinstance(chosen, ChosenFunction) else chosen,
        parallel_tool_calls=wire.parallel_tool_calls,
        form=_form(wire.text),
        streamed=wire.stream is True,
        wants_usage=True,
        max_tokens=wire.max_output_tokens,
        sampling=_sampling(wire),
        variables=wire.metadata or TEXT,
        previous=wire.previous_response_id,
        keep=wire.store is not False,
        provider_tools=tuple(
            provider_tool.offer(tool, f"tools[{position}].type")
            for position, tool in enumerate(wire.tools or ())
            if isinstance(tool, WebSearchTool | CodeInterpreterTool)
        ),
        shows_held=any(isinstance(tool, ApprovalsTool) for tool in wire.tools or ()),
        approvals=said.approvals,
        withdrawn=said.withdrawn,
    )


def _refuse_capabilities(body: bytes) -> None:
    """Raise FieldNotAllowed for a tool or a choice of one that the provider would run; the strict shape says less."""
    try:
        found = _capabilities(body)
    except msgspec.MsgspecError:
        return
    named = [
        (f"tools[{position}].type", tool.type)
        for position, tool in enumerate(found.tools or ())
        if (tool.type, tool.server_label) != ("mcp", LABEL) and tool.type not in KNOWN
    ]
    if isinstance(found.tool_choice, _Kind):
        named.append(("tool_choice.type", found.tool_choice.type))
    for place, kind in named:
        if kind != "function":
            raise FieldNotAllowed(
                f"`{place}` is {str(kind)[:64]!r}, and only functions are accepted: what a provider runs by itself is "
                "decided by nobody here",
                param=place,
            )


def _instructions(text: str | None) -> tuple[Message, ...]:
    return (Message("system", (Text(text),), place=INSTRUCTIONS),) if text else ()


def _input(wire: ResponsesRequest) -> item.Conversation:
    if isinstance(wire.input, str):
        return item.Conversation((Message("user", (Text(wire.input),), place="input"),))
    # What continues an earlier response may add nothing; a conversation of nothing is none.
    least = 0 if wire.previous_response_id is not None else 1
    if not least <= len(wire.input) <= MAX_ITEMS:
        raise InvalidRequest(f"{least} to {MAX_ITEMS} items expected, {len(wire.input)} found", param="input")
    said = item.conversation(wire.input)
    if not said.messages and wire.previous_response_id is None:
        raise InvalidRequest("responses to requests for approval follow what was asked; send that too", param="input")
    return said


def _offer(tool: FunctionTool) -> ToolOffer:
    parameters = bytes(tool.parameters).decode()
    return ToolOffer(tool.name, tool.description, None if parameters == "null" else parameters, tool.strict)


def _form(text: TextConfig | None) -> Form | None:
    wanted = text.format if text else None
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return Form()
    schema = bytes(wanted.schema).decode()
    if schema == "null" or not wanted.name:
        raise InvalidRequest("a json_schema needs name and schema", param="text.format")
    return Form(schema=schema, name=wanted.name, description=wanted.description, strict=wanted.strict)


def _sampling(wire: ResponsesRequest) -> Mapping[str, Number]:
    reasoning = wire.reasoning or ReasoningConfig()
    asked = {
        "temperature": wire.temperature,
        "top_p": wire.top_p,
        "reasoning_effort": reasoning.effort,
        "reasoning_summary": reasoning.summary,
    }
    return {name: value for name, value in asked.items() if value is not None}
