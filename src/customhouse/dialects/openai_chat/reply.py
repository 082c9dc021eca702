# SPDX-License-Identifier: Apache-2.0
"""OpenAI chat completions towards the client: whole answers, chunks, errors; always built here, never passed through.

The `customhouse` object rides on the last event before `[DONE]` (the finish chunk, or the usage chunk when the client
asked for one), because many clients index `choices[0]` and only expect an empty list there when they asked for usage.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, assert_never

import msgspec

from customhouse.dialects import sse
from customhouse.dialects.envelope import Envelope, Receipt
from customhouse.dialects.pattern import Pattern
from customhouse.domain.answer import Answer, Cited, Delta, Ended, Piece, Ran, StopReason, Usage
from customhouse.domain.errors import CustomhouseError, UpstreamFailed
from customhouse.domain.message import Citation, Text, ToolCall, WebCitation

DONE: Final = sse.event(b"[DONE]")


class _Function(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    arguments: str


class _Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    index: int | None = None
    id: str
    type: Literal["function"]
    function: _Function


class _UrlCitation(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    title: str
    start_index: int
    end_index: int


class _Annotation(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["url_citation"]
    url_citation: _UrlCitation


class _Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    annotations: list[_Annotation] | None = None
    reasoning_content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    message: _Message
    logprobs: None
    finish_reason: str


class _PromptDetails(msgspec.Struct, frozen=True, kw_only=True):
    cached_tokens: int


class _CompletionDetails(msgspec.Struct, frozen=True, kw_only=True):
    reasoning_tokens: int


class _Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


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
    annotations: list[_Annotation] | None = None
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


_STOPS: Final[Mapping[StopReason, str]] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "length",
}
"""The finish reasons of this dialect. A model that wants to go on has given a part of an answer, as one cut off has."""


def require(answer: Answer) -> None:
    """Raise UpstreamFailed for an answer with something that this dialect cannot express."""
    _annotations(answer)
    if answer.provider_calls:
        raise _untold("runs a tool by itself")


def whole(answer: Answer, envelope: Envelope, receipt: Receipt) -> bytes:
    """Return a whole answer. `answer` holds only calls that were allowed, and is expressible."""
    message = _Message(
        role="assistant",
        content=answer.text,
        refusal=answer.refusal,
        annotations=_annotations(answer),
        reasoning_content=answer.reasoning,
        tool_calls=_calls(answer.tool_calls, indexed=False),
    )
    return _encode(
        _Completion(
            id=_id(envelope),
            object="chat.completion",
            created=envelope.created_s,
            model=envelope.model,
            choices=[_Choice(index=0, message=message, logprobs=None, finish_reason=_STOPS[answer.stop or "stop"])],
            usage=_usage(answer.usage),
            system_fingerprint=answer.fingerprint,
            customhouse=receipt,
        )
    )


class ChunkWriter:
    """Writes the chunks of one streamed answer, all with the same id, time and model."""

    __slots__ = (
        "_before",
        "_created",
        "_first",
        "_model",
        "_part",
        "_response_id",
        "_text",
        "_wants_usage",
        "_written",
    )

    def __init__(self, envelope: Envelope) -> None:
        """Fix what every chunk carries."""
        self._response_id = _id(envelope)
        self._created = envelope.created_s
        self._model = envelope.model
        self._wants_usage = envelope.request.wants_usage
        self._first = True
        self._part = -1
        self._before = self._written = 0
        self._text = Pattern(self._chunk(_Delta(content=""), None))

    def deltas(self, deltas: Sequence[Delta]) -> bytes:
        """Return a chunk for each piece. Raises UpstreamFailed for what this dialect cannot express."""
        return b"".join([self._delta(delta) for delta in deltas])

    def _delta(self, delta: Delta) -> bytes:
        match delta:
            case Piece(kind="text"):
                self._turn_to(delta.part)
                self._written += len(delta.text)
                return self._said(delta.text)
            case Piece(kind="refusal"):
                return self._chunk(_Delta(role=self._role(), refusal=delta.text), None)
            case Piece():
                return self._chunk(_Delta(role=self._role(), reasoning_content=delta.text), None)
            case Cited():
                self._turn_to(delta.part)
                said = [_annotation(delta.citation, self._before, self._written)]
                return self._chunk(_Delta(role=self._role(), annotations=said), None)
            case Ended():
                return b""  # a seal could not come back in this dialect
            case Ran():
                raise _untold("runs a tool by itself")
            case _ as unreachable:  # pragma: no cover
                assert_never(unreachable)

    def _turn_to(self, part: int) -> None:
        """Note where in the whole text a part of it begins."""
        if part != self._part:
            self._part, self._before = part, self._written

    def end(self, answer: Answer, added: str, receipt: Receipt) -> bytes:
        """Return the rest: added text, whole calls, finish chunk, usage chunk when asked for, `[DONE]`."""
        tail = self._said(added) if added else b""
        calls = _calls(answer.tool_calls, indexed=True)
        if calls:
            tail += self._chunk(_Delta(role=self._role(), tool_calls=calls), None)
        reason = _STOPS[answer.stop or "stop"]
        tail += self._chunk(_Delta(role=self._role()), reason, receipt=None if self._wants_usage else receipt)
        if not self._wants_usage:
            return tail + DONE
        counted = self._bare([], usage=_usage(answer.usage or Usage(0, 0)), receipt=receipt)
        return tail + sse.event(_encode(counted)) + DONE

    def fail(self, problem: CustomhouseError, trace_id: str) -> bytes:
        """Return the last event of a stream that cannot go on."""
        return sse.event(error(problem, trace_id))

    def _said(self, text: str) -> bytes:
        if self._first:
            return self._chunk(_Delta(role=self._role(), content=text), None)
        return self._text.filled(text)

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
        prompt_tokens_details=_PromptDetails(cached_tokens=usage.cached_tokens) if usage.cached_tokens else None,
        completion_tokens_details=_CompletionDetails(reasoning_tokens=usage.reasoning_tokens)
        if usage.reasoning_tokens
        else None,
    )


def _id(envelope: Envelope) -> str:
    """Return an id from which the trace can be found: providers' own ids need not be unique."""
    return f"chatcmpl-{envelope.id}"


def _annotations(answer: Answer) -> list[_Annotation] | None:
    """Return what the text rests on; this dialect counts characters of the whole text. Raises UpstreamFailed."""
    found: list[_Annotation] = []
    offset = 0
    for part in answer.content:
        if isinstance(part, Text):
            end = offset + len(part.text)
            found += [_annotation(citation, offset, end) for citation in part.citations]
            offset = end
    return found or None


def _annotation(citation: Citation, offset: int, end: int) -> _Annotation:
    """Return what a text part rests on, which begins at `offset`; a citation without places is of all of it."""
    if not isinstance(citation, WebCitation):
        raise _untold()
    return _Annotation(
        type="url_citation",
        url_citation=_UrlCitation(
            url=citation.url,
            title=citation.title or "",
            start_index=offset + (citation.start or 0),
            end_index=end if citation.end is None else offset + citation.end,
        ),
    )


def _untold(what: str = "cites documents") -> UpstreamFailed:
    return UpstreamFailed(
        f"the model's answer {what} in a way that chat completions cannot express",
        reason="upstream.inexpressible",
    )
