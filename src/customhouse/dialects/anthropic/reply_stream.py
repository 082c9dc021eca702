# SPDX-License-Identifier: Apache-2.0
"""Anthropic Messages towards the client, streamed: blocks one after the other, from `message_start` to `message_stop`.

Source of the shapes: types/raw_message_stream_event.py of the `anthropic` package. Token counts are known at the end,
so `message_start` has zeros and `message_delta` the totals, which replace them. `message_delta` carries the
`customhouse` object. A refusal stands in its `stop_details`, where this dialect says it.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from customhouse.dialects import sse
from customhouse.dialects.anthropic import reply, seal
from customhouse.dialects.anthropic.citations import written
from customhouse.dialects.envelope import Envelope, Receipt
from customhouse.dialects.pattern import Pattern
from customhouse.domain.answer import Answer, Cited, Delta, Ended, Piece, Ran
from customhouse.domain.errors import CustomhouseError
from customhouse.domain.message import ToolCall

_encode = msgspec.json.encode
_ADDED: Final = -1
"""The part of text that is ours."""
_Kind = Literal["text", "thinking", "redacted_thinking", "tool_use"]


class _MessageDelta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    stop_reason: str
    stop_sequence: str | None
    stop_details: reply.StopDetails | None = None


class _MessageEnd(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["message_delta"]
    delta: _MessageDelta
    usage: reply.OutUsage
    customhouse: Receipt


class EventWriter:
    """Writes the events of one streamed answer. Invariant: at most one block is open, and blocks count from 0."""

    __slots__ = ("_began", "_envelope", "_index", "_open", "_pattern")

    def __init__(self, envelope: Envelope) -> None:
        """Fix what the answer repeats."""
        self._envelope = envelope
        self._began = False
        self._index = 0
        self._open: tuple[int, _Kind] | None = None
        self._pattern: Pattern | None = None

    def deltas(self, deltas: Sequence[Delta]) -> bytes:
        """Return the events of pieces that pass; before the first of them the message's start."""
        return self._start() + b"".join(self._delta(delta) for delta in deltas)

    def end(self, answer: Answer, added: str, receipt: Receipt) -> bytes:
        """Return the rest: `added` text, the calls that pass, the message's end."""
        events = [self._start()]
        if added:
            part = self._open[0] if self._open is not None and self._open[1] == "text" else _ADDED
            events.append(self._text(part, added))
        events.append(self._close())
        events.extend(self._call(call) for call in answer.tool_calls)
        events.append(self._finish(answer, receipt))
        return b"".join(events)

    def fail(self, problem: CustomhouseError, trace_id: str) -> bytes:
        """Return the last event of a stream that cannot go on."""
        return sse.named("error", reply.error(problem, trace_id))

    def _start(self) -> bytes:
        if self._began:
            return b""
        self._began = True
        message = reply.OutMessage(
            id=reply.message_id(self._envelope),
            type="message",
            role="assistant",
            model=self._envelope.model,
            content=[],
            stop_reason=None,
            stop_sequence=None,
            usage=reply.usage(None),
        )
        return _event("message_start", message=message)

    def _delta(self, delta: Delta) -> bytes:
        match delta:
            case Piece(kind="text"):
                return self._text(delta.part, delta.text)
            case Piece(kind="reasoning"):
                opened = self._require(delta.part, "thinking", thinking="", signature="")
                return opened + self._changed(type="thinking_delta", thinking=delta.text)
            case Piece():
                return b""
            case Cited():
                opened = self._require(delta.part, "text", text="")
                return opened + self._changed(type="citations_delta", citation=written(delta.citation))
            case Ended():
                return self._ended(delta)
            case Ran():
                raise reply.untold()

    def _text(self, part: int, text: str) -> bytes:
        opened = self._require(part, "text", text="")
        if opened or self._pattern is None:
            self._pattern = Pattern(self._changed(type="text_delta", text=""))
        return opened + self._pattern.filled(text)

    def _ended(self, ended: Ended) -> bytes:
        sealed = seal.written(ended.reasoning)
        if ended.reasoning.redacted:
            return self._require(ended.part, "redacted_thinking", data=sealed) + self._close()
        opened = self._require(ended.part, "thinking", thinking="", signature="")
        signed = self._changed(type="signature_delta", signature=sealed) if sealed else b""
        return opened + signed + self._close()

    def _call(self, call: ToolCall) -> bytes:
        arguments = reply.arguments(call)
        opened = self._require(self._index, "tool_use", id=call.id, name=call.name, input={})
        return opened + self._changed(type="input_json_delta", partial_json=arguments) + self._close()

    def _require(self, part: int, kind: _Kind, **fields: object) -> bytes:
        """Return what makes the block of a part the open one: nothing, or the end of another and its start."""
        if self._open == (part, kind):
            return b""
        closed = self._close()
        self._open = (part, kind)
        return closed + _event("content_block_start", index=self._index, content_block={"type": kind, **fields})

    def _changed(self, **delta: object) -> bytes:
        return _event("content_block_delta", index=self._index, delta=delta)

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        closed = _event("content_block_stop", index=self._index)
        self._open = None
        self._index += 1
        return closed

    def _finish(self, answer: Answer, receipt: Receipt) -> bytes:
        end = _MessageEnd(
            type="message_delta",
            delta=_MessageDelta(
                stop_reason=reply.stop_word(answer),
                stop_sequence=answer.stop_sequence,
                stop_details=reply.stop_details(answer),
            ),
            usage=reply.usage(answer.usage),
            customhouse=receipt,
        )
        return sse.named("message_delta", _encode(end)) + _event("message_stop")


def _event(kind: str, **fields: object) -> bytes:
    return sse.named(kind, _encode({"type": kind, **fields}))
