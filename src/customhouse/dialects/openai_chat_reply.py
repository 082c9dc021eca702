# SPDX-License-Identifier: Apache-2.0
"""OpenAI chat completions towards the client: whole answers, chunks, errors; always built here, never passed through.

The `customhouse` object rides on the last event before `[DONE]` (the finish chunk, or the usage chunk when the client
asked for one), because many clients index `choices[0]` and only expect an empty list there when they asked for usage.
"""

from typing import Final, Literal

import msgspec

from customhouse.dialects import sse
from customhouse.domain.errors import CustomhouseError
from customhouse.domain.message import Answer, ToolCall, Usage

DONE: Final = sse.event(b"[DONE]")


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One call that was not passed on: its decision (deny or hold), the reason code, where to read about it."""

    id: str
    code: str
    outcome: str
    tool: str
    url: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The `customhouse` object of an answer."""

    trace_id: str
    release: str
    deployment: str
    fallback: bool = False
    decisions: tuple[Notice, ...] = ()


class _Function(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    arguments: str


class _Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    index: int | None = None
    id: str
    type: Literal["function"]
    function: _Function


class _Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    reasoning_content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    message: _Message
    logprobs: None
    finish_reason: str


class _Usage(msgspec.Struct, frozen=True, kw_only=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class _Completion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[_Choice]
    usage: _Usage | None = None
    system_fingerprint: str | None = None
    customhouse: Receipt


class _Delta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    role: Literal["assistant"] | None = None
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_Call] | None = None


class _ChunkChoice(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    delta: _Delta
    finish_reason: str | None


class _Chunk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[_ChunkChoice]
    usage: _Usage | None = None
    customhouse: Receipt | None = None


class _Error(msgspec.Struct, frozen=True, kw_only=True):
    message: str
    type: str
    param: str | None
    code: str
    trace_id: str
    docs: str


class _ErrorBody(msgspec.Struct, frozen=True):
    error: _Error


_encode = msgspec.json.encode

_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    421: "invalid_request_error",
    429: "rate_limit_error",
}


def completion(answer: Answer, *, response_id: str, created: int, model: str, receipt: Receipt) -> bytes:
    """Return a whole answer. `answer` holds only calls that were allowed."""
    message = _Message(
        role="assistant",
        content=answer.text,
        refusal=answer.refusal,
        reasoning_content=answer.reasoning,
        tool_calls=_calls(answer.tool_calls, indexed=False),
    )
    return _encode(
        _Completion(
            id=response_id,
            object="chat.completion",
            created=created,
            model=model,
            choices=[_Choice(index=0, message=message, logprobs=None, finish_reason=answer.finish_reason or "stop")],
            usage=_usage(answer.usage),
            system_fingerprint=answer.fingerprint,
            customhouse=receipt,
        )
    )


class ChunkWriter:
    """Writes the chunks of one streamed answer, all with the same id, time and model."""

    __slots__ = ("_created", "_first", "_model", "_response_id")

    def __init__(self, *, response_id: str, created: int, model: str) -> None:
        """Fix what every chunk carries."""
        self._response_id = response_id
        self._created = created
        self._model = model
        self._first = True

    def piece(self, *, text: str | None = None, refusal: str | None = None, reasoning: str | None = None) -> bytes:
        """Return a chunk of content."""
        return self._chunk(_Delta(role=self._role(), content=text, refusal=refusal, reasoning_content=reasoning), None)

    def calls(self, calls: tuple[ToolCall, ...]) -> bytes:
        """Return one chunk with whole calls."""
        return self._chunk(_Delta(role=self._role(), tool_calls=_calls(calls, indexed=True)), None)

    def finish(self, reason: str, usage: Usage | None, *, wants_usage: bool, receipt: Receipt) -> bytes:
        """Return the end of the stream: finish chunk, usage chunk when asked for, `[DONE]`."""
        last = self._chunk(_Delta(role=self._role()), reason, receipt=None if wants_usage else receipt)
        if not wants_usage:
            return last + DONE
        return last + sse.event(_encode(self._bare([], usage=_usage(usage or Usage(0, 0)), receipt=receipt))) + DONE

    def _role(self) -> Literal["assistant"] | None:
        first, self._first = self._first, False
        return "assistant" if first else None

    def _chunk(self, delta: _Delta, reason: str | None, receipt: Receipt | None = None) -> bytes:
        choice = _ChunkChoice(index=0, delta=delta, finish_reason=reason)
        return sse.event(_encode(self._bare([choice], usage=None, receipt=receipt)))

    def _bare(self, choices: list[_ChunkChoice], *, usage: _Usage | None, receipt: Receipt | None) -> _Chunk:
        return _Chunk(
            id=self._response_id,
            object="chat.completion.chunk",
            created=self._created,
            model=self._model,
            choices=choices,
            usage=usage,
            customhouse=receipt,
        )


def error(problem: CustomhouseError, trace_id: str) -> bytes:
    """Return an error body in OpenAI's shape, with the stable code, the trace id and where to read on."""
    return _encode(
        _ErrorBody(
            _Error(
                message=problem.detail,
                type=_TYPES.get(problem.status_hint, "api_error"),
                param=problem.param,
                code=problem.code,
                trace_id=trace_id,
                docs=f"/api/v1/#{problem.code}",
            )
        )
    )


def model_list(names: tuple[str, ...], created: int) -> bytes:
    """Return the body of GET /v1/models."""
    entries = [{"id": name, "object": "model", "created": created, "owned_by": "customhouse"} for name in names]
    return _encode({"object": "list", "data": entries})


def _calls(calls: tuple[ToolCall, ...], *, indexed: bool) -> list[_Call] | None:
    return [
        _Call(
            index=position if indexed else None,
            id=call.id,
            type="function",
            function=_Function(name=call.name, arguments=call.arguments),
        )
        for position, call in enumerate(calls)
    ] or None


def _usage(usage: Usage | None) -> _Usage | None:
    if usage is None:
        return None
    return _Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
    )
