# SPDX-License-Identifier: Apache-2.0
"""Anthropic Messages towards the client: whole answers, counts and errors; always built here, never passed through.

Source of the shapes: types/message.py, types/usage.py and types/shared/error_response.py of the `anthropic` package.
The `customhouse` object is one more field of the body. A refusal stands in `stop_details`, where this dialect says it;
where in the answer a citation belongs is said by the block that it stands in.
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from customhouse.dialects.anthropic import seal
from customhouse.dialects.anthropic.citations import written
from customhouse.dialects.envelope import Envelope, Receipt
from customhouse.domain.answer import Answer, Said, StopReason, Usage
from customhouse.domain.errors import CustomhouseError, UpstreamFailed
from customhouse.domain.message import ProviderCall, Reasoning, Refusal, Text, ToolCall

Block = dict[str, object]


class OutputDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What of the output was reasoning."""

    thinking_tokens: int


class OutUsage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Token counts; those read from and written to a cache are not in `input_tokens`."""

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int | None
    cache_read_input_tokens: int | None
    output_tokens_details: OutputDetails | None = None


class StopDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What a model said instead of an answer."""

    type: Literal["refusal"]
    category: None
    explanation: str


class OutMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message; that of a stream's start has no content and no end yet."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[Block]
    stop_reason: str | None
    stop_sequence: str | None
    usage: OutUsage
    stop_details: StopDetails | None = None
    customhouse: Receipt | None = None


class _Error(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    message: str
    param: str | None
    code: str
    trace_id: str
    docs: str


class _ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["error"]
    error: _Error
    request_id: str


_encode = msgspec.json.encode
_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_STOPS: Final[Mapping[StopReason, str]] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
}
_CONTEXT: Final = "model_context_window_exceeded"


def require(answer: Answer) -> None:
    """Raise UpstreamFailed for an answer with something that this dialect cannot express."""
    if answer.provider_calls:
        raise untold()


def untold() -> UpstreamFailed:
    """Return the failure of an answer that tells of what another provider ran by itself."""
    return UpstreamFailed(
        "the provider ran a tool by itself in a way that Anthropic's messages cannot express",
        reason="upstream.inexpressible",
    )


def whole(answer: Answer, envelope: Envelope, receipt: Receipt) -> bytes:
    """Return a whole answer. `answer` holds only calls that were allowed, and is expressible."""
    return _encode(
        OutMessage(
            id=message_id(envelope),
            type="message",
            role="assistant",
            model=envelope.model,
            content=[
                block(part)
                for part in answer.content
                if not isinstance(part, Refusal | ProviderCall) and not _empty(part)
            ],
            stop_reason=stop_word(answer),
            stop_sequence=answer.stop_sequence,
            stop_details=stop_details(answer),
            usage=usage(answer.usage),
            customhouse=receipt,
        )
    )


def message_id(envelope: Envelope) -> str:
    """Return an id from which the trace can be found: providers' own ids need not be unique."""
    return f"msg_{envelope.id}"


def block(part: Text | Reasoning | ToolCall) -> Block:
    """Return a part as a whole block."""
    match part:
        case Text():
            cited = {"citations": [written(each) for each in part.citations]} if part.citations else {}
            return {"type": "text", "text": part.text, **cited}
        case Reasoning() if part.redacted:
            return {"type": "redacted_thinking", "data": seal.written(part)}
        case Reasoning():
            return {"type": "thinking", "thinking": part.text, "signature": seal.written(part)}
        case ToolCall():
            return {
                "type": "tool_use",
                "id": part.id,
                "name": part.name,
                "input": msgspec.Raw(arguments(part).encode()),
            }


def arguments(call: ToolCall) -> str:
    """Return a call's arguments, which are an object here: no call passes whose arguments are another, or nothing."""
    return call.arguments if call.arguments.strip(" \t\r\n") else "{}"


def stop_word(answer: Answer) -> str:
    """Return why the model stopped, in this dialect's words."""
    if answer.stop in {None, "stop"} and answer.refusal and not answer.tool_calls:
        return "refusal"
    if answer.stop == "length" and answer.stop_word == _CONTEXT:
        return _CONTEXT
    return _STOPS[answer.stop or "stop"]


def stop_details(answer: Answer) -> StopDetails | None:
    """Return what the model said instead of an answer."""
    refusal = answer.refusal
    return None if refusal is None else StopDetails(type="refusal", category=None, explanation=refusal)


def usage(counted: Usage | None) -> OutUsage:
    """Return the counts. An answer without any (the fallback answer) used none."""
    counted = counted or Usage(0, 0)
    return OutUsage(
        input_tokens=max(counted.prompt_tokens - counted.cached_tokens - counted.cache_written_tokens, 0),
        output_tokens=counted.completion_tokens,
        cache_creation_input_tokens=counted.cache_written_tokens,
        cache_read_input_tokens=counted.cached_tokens,
        output_tokens_details=OutputDetails(thinking_tokens=counted.reasoning_tokens)
        if counted.reasoning_tokens
        else None,
    )


def count(answer: Answer, envelope: Envelope, receipt: Receipt) -> bytes:
    """Return how many tokens a request has, which is the answer's count of its prompt."""
    del envelope
    return _encode({"input_tokens": answer.usage.prompt_tokens if answer.usage else 0, "customhouse": receipt})


def error(problem: CustomhouseError, trace_id: str) -> bytes:
    """Return an error body in Anthropic's shape, with the stable code, the trace id and where to read on."""
    status = problem.status_hint
    kind = "invalid_request_error" if 400 <= status < 500 else "api_error"  # noqa: PLR2004 - the client's and the server's errors
    return _encode(
        _ErrorBody(
            type="error",
            error=_Error(
                type=_TYPES.get(status, kind),
                message=problem.detail,
                param=problem.param,
                code=problem.code,
                trace_id=trace_id,
                docs=f"/api/v1/#{problem.code}",
            ),
            request_id=trace_id,
        )
    )


def _empty(part: Said) -> bool:
    return isinstance(part, Text) and not part.text and not part.citations
