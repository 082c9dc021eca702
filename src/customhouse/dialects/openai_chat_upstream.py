# SPDX-License-Identifier: Apache-2.0
"""OpenAI chat completions towards a provider: the request rebuilt from what was decided, the answer read back.

The answer is read into typed values and never passed through: what a client gets is what a decision saw. Fields that
are not named here (timings, logprobs, vendor extras) are dropped.
"""

from typing import Annotated, Final, Literal

import msgspec

from customhouse.dialects.openai_chat import ChatRequest, ResponseFormat, ToolChoice
from customhouse.dialects.strict_json import has_duplicates
from customhouse.domain.digest import MAX_INTEGER
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import Answer, Message, ToolCall, ToolOffer, Usage

MAX_CALLS: Final = 128
"""Tool calls in one answer at most: each is decided and recorded by itself."""
Sampling = dict[str, str | int | float | None]


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
    content: str | list[msgspec.Raw] | None = None
    name: str | None = None
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
    response_format: dict[str, str | msgspec.Raw] | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: dict[str, bool] | None = None


_encode = msgspec.json.encode


def body(
    request: ChatRequest,
    model: str,
    conversation: tuple[Message, ...],
    tools: tuple[ToolOffer, ...],
    sampling: Sampling,
) -> bytes:
    """Return the body to send to a provider: its own model name, our prompt first, only the tools that are offered."""
    fields = _OutRequest(
        model=model,
        messages=[_out_message(message) for message in conversation],
        tools=[_out_tool(tool) for tool in tools] or None,
        tool_choice=_out_choice(request) if tools else None,
        parallel_tool_calls=request.parallel_tool_calls if tools else None,
        response_format=_out_format(request.response_format),
        stop=request.stop,
        stream=True if request.streamed else None,
        stream_options={"include_usage": True} if request.streamed else None,
    )
    rebuilt = _encode(fields)
    settled = {name: value for name, value in sampling.items() if value is not None}
    return rebuilt[:-1] + b"," + _encode(settled)[1:] if settled else rebuilt


def _out_message(message: Message) -> _OutMessage:
    content = message.content
    return _OutMessage(
        role=message.role,
        content=[msgspec.Raw(part.json) for part in content] if isinstance(content, tuple) else content,
        name=message.name,
        tool_calls=[
            _OutCall(id=call.id, type="function", function=_OutFunction(name=call.name, arguments=call.arguments))
            for call in message.tool_calls
        ]
        or None,
        tool_call_id=message.tool_call_id,
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


def _out_choice(request: ChatRequest) -> str | _OutChoice | None:
    chosen = request.tool_choice
    return (
        _OutChoice(type="function", function={"name": chosen.function.name})
        if isinstance(chosen, ToolChoice)
        else chosen
    )


def _out_format(wanted: ResponseFormat | None) -> dict[str, str | msgspec.Raw] | None:
    if wanted is None:
        return None
    plain: dict[str, str | msgspec.Raw] = {"type": wanted.type}
    return {**plain, "json_schema": wanted.json_schema} if bytes(wanted.json_schema) else plain


class _InFunction(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: str | None = None


class _InCall(msgspec.Struct, frozen=True):
    id: str | None = None
    index: int | None = None
    function: _InFunction | None = None


class _InMessage(msgspec.Struct, frozen=True):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_InCall] | None = None
    function_call: _InFunction | None = None


_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
"""Evidence records what a provider counted, and canonical JSON carries no larger integer."""


class _InUsage(msgspec.Struct, frozen=True):
    prompt_tokens: _Count = 0
    completion_tokens: _Count = 0


class _InChoice(msgspec.Struct, frozen=True):
    message: _InMessage = _InMessage()
    delta: _InMessage = _InMessage()
    finish_reason: str | None = None
    index: int = 0


class Payload(msgspec.Struct, frozen=True):
    """One answer body, or one chunk of a stream, as a provider sent it."""

    id: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    choices: list[_InChoice] | None = None
    usage: _InUsage | None = None
    error: msgspec.Raw | None = None


class _InError(msgspec.Struct, frozen=True):
    message: str | None = None


class _InErrorBody(msgspec.Struct, frozen=True):
    error: _InError | None = None


_decode = msgspec.json.Decoder(Payload).decode
_decode_error = msgspec.json.Decoder(_InErrorBody).decode


def payload(content: bytes) -> Payload:
    """Read one body or chunk. Raises UpstreamFailed for what is not the dialect, with a stable sentence."""
    try:
        found = _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamFailed("the upstream's answer is not the JSON of a chat completion") from error
    if found.error is not None and bytes(found.error) != b"null":
        raise UpstreamFailed("the upstream reported an error inside its answer")
    if len(found.choices or ()) > 1:
        raise UpstreamFailed("the upstream gave several choices where one was asked for")
    if (b"tool_calls" in content or b"function_call" in content) and has_duplicates(content):
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
    if len(choice.message.tool_calls or ()) > MAX_CALLS:
        raise UpstreamFailed(f"the upstream proposed more than {MAX_CALLS} tool calls in one answer")
    calls = [
        proposed(call.id, (call.function or _InFunction()).name, (call.function or _InFunction()).arguments, position)
        for position, call in enumerate(choice.message.tool_calls or ())
    ]
    legacy = choice.message.function_call
    return Answer(
        upstream_id=found.id,
        model=found.model,
        fingerprint=found.system_fingerprint,
        text=choice.message.content,
        refusal=choice.message.refusal,
        reasoning=choice.message.reasoning_content,
        tool_calls=merged(calls, legacy.name if legacy else None, legacy.arguments if legacy else None),
        finish_reason=choice.finish_reason,
        usage=usage(found),
    )


def usage(found: Payload) -> Usage | None:
    """Return the token counts of a body or chunk."""
    return Usage(found.usage.prompt_tokens, found.usage.completion_tokens) if found.usage else None


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


def error_message(content: bytes) -> str | None:
    """Return the sentence of a provider's error body, 300 characters at most, or None."""
    try:
        found = _decode_error(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found.error.message[:300] if found.error and found.error.message else None
