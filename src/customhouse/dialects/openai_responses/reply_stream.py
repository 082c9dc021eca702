# SPDX-License-Identifier: Apache-2.0
"""OpenAI Responses towards the client: the events of one stream, numbered, each with its `event:` line.

Source of the events and their order: the `openai` package, types/responses/response_*_event.py. What needs no decision
leaves at once; calls come whole, after it. The last event is the response's own (`response.completed` or
`response.incomplete`), with the receipt in `response.customhouse`. A stream that cannot go on ends with
`response.failed` and then `error`: some clients look for the one, and the `openai` package raises for the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from customhouse.dialects import sse
from customhouse.dialects.envelope import Envelope, Receipt
from customhouse.dialects.openai_chat.reply import error
from customhouse.dialects.openai_responses import provider_tool, response
from customhouse.dialects.openai_responses.response import Item, MessageItem, OutputRefusal, OutputText, Status
from customhouse.dialects.pattern import Pattern
from customhouse.domain.answer import Answer, Cited, Delta, Ended, Piece, Ran
from customhouse.domain.errors import CustomhouseError
from customhouse.domain.message import Citation, ProviderCall, Reasoning, Refusal, Text, ToolCall

_encode: Final = msgspec.json.encode
_Kind = Literal["text", "refusal", "reasoning"]
_TEXT_DELTA: Final = (
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":%d,%b\n\n'
)
"""The most frequent event, before and after what its part repeats (`_Part.pattern`)."""


@dataclass(slots=True)
class _Part:
    """The part that is being said: its place in the answer, what was said of it, and its number in the item."""

    place: int
    kind: _Kind
    number: int
    summary: bool = False
    length: int = 0
    pieces: list[str] = field(default_factory=list[str])
    citations: list[Citation] = field(default_factory=list[Citation])
    pattern: Pattern | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class EventWriter:
    """Writes the events of one answer. Invariant: at most one item is open, and in it at most one part."""

    def __init__(self, envelope: Envelope) -> None:
        """Fix what every event repeats."""
        self._envelope = envelope
        self._number = 0
        self._began = False
        self._output: list[Item] = []
        self._message: list[OutputText | OutputRefusal] | None = None
        self._part: _Part | None = None
        self._out: list[bytes] = []

    def deltas(self, deltas: Sequence[Delta]) -> bytes:
        """Return the events of pieces that pass; before the first of them whatever begins a stream."""
        self._begin()
        for delta in deltas:
            match delta:
                case Piece():
                    self._say(delta)
                case Cited():
                    self._cite(delta)
                case Ended():
                    self._seal(delta)
                case Ran():
                    self._use(delta.call)
        return self._taken()

    def end(self, answer: Answer, added: str, receipt: Receipt) -> bytes:
        """Return the rest: `added`, the calls that pass, the response with the receipt."""
        status, _ = response.ending(answer)
        self._begin()
        if added:
            part = self._part
            self._say(Piece(part.place if part is not None and part.kind == "text" else -1, "text", added))
        self._close(status="completed" if answer.tool_calls else status)
        for call in answer.tool_calls:
            self._call(call, "completed" if call is not answer.tool_calls[-1] else status)
        for each in response.held(self._envelope, answer):
            self._emit("response.output_item.added", output_index=len(self._output), item=each)
            self._done(each)
        self._emit(f"response.{status}", response=response.finished(self._envelope, answer, self._output, receipt))
        return self._taken()

    def fail(self, problem: CustomhouseError, trace_id: str) -> bytes:
        """Return the last events of a stream that cannot go on. What was open stays so: it has no end."""
        self._begin()
        self._emit("response.failed", response=response.failed(self._envelope, problem.detail, self._output))
        plain = msgspec.json.decode(error(problem, trace_id), type=dict[str, dict[str, str | None]])["error"]
        told = {name: plain[name] for name in ("code", "message", "param")}
        self._emit("error", **told, error=plain)
        return self._taken()

    def _begin(self) -> None:
        if not self._began:
            self._began = True
            begun = response.unfinished(self._envelope)
            self._emit("response.created", response=begun)
            self._emit("response.in_progress", response=begun)

    def _say(self, piece: Piece) -> None:
        part = self._opened(piece.part, piece.kind, summary=piece.summary)
        part.pieces.append(piece.text)
        part.length += len(piece.text)
        match piece.kind:
            case "text":
                self._say_text(part, piece.text)
            case "refusal":
                self._emit("response.refusal.delta", **self._where(part), delta=piece.text)
            case "reasoning":
                word = "reasoning_summary_text" if part.summary else "reasoning_text"
                self._emit(f"response.{word}.delta", **self._where(part), delta=piece.text)

    def _say_text(self, part: _Part, text: str) -> None:
        if part.pattern is None:
            fields = {**self._where(part), "delta": "", "logprobs": ()}
            part.pattern = Pattern(_encode(fields).removeprefix(b"{"))
        self._out.append(_TEXT_DELTA % (self._number, part.pattern.filled(text)))
        self._number += 1

    def _call(self, call: ToolCall, status: Status) -> None:
        begun = response.call_item(self._envelope, call, len(self._output), "in_progress")
        where: dict[str, object] = {"item_id": begun.id, "output_index": len(self._output)}
        self._emit(
            "response.output_item.added",
            output_index=len(self._output),
            item=msgspec.structs.replace(begun, arguments=""),
        )
        self._emit("response.function_call_arguments.delta", **where, delta=call.arguments)
        self._emit("response.function_call_arguments.done", **where, name=call.name, arguments=call.arguments)
        self._done(msgspec.structs.replace(begun, status=status))

    def _use(self, call: ProviderCall) -> None:
        """Tell what the provider ran by itself, when the whole of it is known."""
        self._close()
        item, where = provider_tool.item(call), len(self._output)
        begun = msgspec.structs.replace(item, status="in_progress")
        self._emit("response.output_item.added", output_index=where, item=begun)
        self._emit(f"response.{call.tool}_call.completed", item_id=item.id, output_index=where)
        self._done(item)

    def _cite(self, cited: Cited) -> None:
        part = self._opened(cited.part, "text")
        part.citations.append(cited.citation)
        self._emit(
            "response.output_text.annotation.added",
            **self._where(part),
            annotation_index=len(part.citations) - 1,
            annotation=response.cited(cited.citation, part.length),
        )

    def _seal(self, ended: Ended) -> None:
        """End a reasoning: the last word on it is the provider's."""
        self._opened(ended.part, "reasoning", summary=ended.reasoning.summary)
        self._close(ended.reasoning)

    def _opened(self, place: int, kind: _Kind, *, summary: bool = False) -> _Part:
        """Return the part that is said at a place of the answer, closing what was open before."""
        part = self._part
        if part is not None and part.place == place and part.kind == kind:
            return part
        if part is not None and (part.kind == "reasoning" or kind == "reasoning"):
            self._close()
        elif part is not None:
            self._close_part(part)
        if kind == "reasoning":
            return self._open_reasoning(place, summary=summary)
        return self._open_spoken(place, kind)

    def _open_reasoning(self, place: int, *, summary: bool) -> _Part:
        self._close()
        part = self._part = _Part(place, "reasoning", 0, summary)
        begun = response.reasoning_item(self._envelope, Reasoning(), len(self._output), "in_progress")
        self._emit("response.output_item.added", output_index=len(self._output), item=begun)
        if summary:
            shown = {"type": "summary_text", "text": ""}
            self._emit("response.reasoning_summary_part.added", **self._where(part), part=shown)
        return part

    def _open_spoken(self, place: int, kind: _Kind) -> _Part:
        if self._message is None:
            self._message = []
            begun = MessageItem(id=self._id("msg"), status="in_progress", content=[])
            self._emit("response.output_item.added", output_index=len(self._output), item=begun)
        part = self._part = _Part(place, kind, len(self._message))
        empty = OutputText(text="") if kind == "text" else OutputRefusal(refusal="")
        self._emit("response.content_part.added", **self._where(part), part=empty)
        return part

    def _close(self, reasoning: Reasoning | None = None, status: Status = "completed") -> None:
        """End the open item, and the part that is open in it."""
        part = self._part
        if part is not None and part.kind == "reasoning":
            self._close_reasoning(part, reasoning or Reasoning(text=part.text, summary=part.summary), status)
        elif part is not None:
            self._close_part(part)
        if self._message is not None:
            done = MessageItem(id=self._id("msg"), status=status, content=self._message)
            self._message = None
            self._done(done)

    def _close_part(self, part: _Part) -> None:
        self._part = None
        where = self._where(part)
        if part.kind == "text":
            said: OutputText | OutputRefusal = response.spoken(Text(part.text, citations=tuple(part.citations)))
            self._emit("response.output_text.done", **where, text=part.text, logprobs=())
        else:
            said = response.spoken(Refusal(part.text))
            self._emit("response.refusal.done", **where, refusal=part.text)
        self._emit("response.content_part.done", **where, part=said)
        if self._message is not None:
            self._message.append(said)

    def _close_reasoning(self, part: _Part, reasoning: Reasoning, status: Status) -> None:
        self._part = None
        where = self._where(part)
        if part.summary:
            self._emit("response.reasoning_summary_text.done", **where, text=part.text)
            shown = {"type": "summary_text", "text": part.text}
            self._emit("response.reasoning_summary_part.done", **where, part=shown)
        elif part.pieces:
            self._emit("response.reasoning_text.done", **where, text=part.text)
        told = msgspec.structs.replace(reasoning, text=part.text or reasoning.text)
        self._done(response.reasoning_item(self._envelope, told, len(self._output), status))

    def _done(self, item: Item) -> None:
        self._emit("response.output_item.done", output_index=len(self._output), item=item)
        self._output.append(item)

    def _where(self, part: _Part) -> dict[str, object]:
        """Return what places a part; the item is the one that is open."""
        prefix = "rs" if part.kind == "reasoning" else "msg"
        number = "summary_index" if part.summary else "content_index"
        return {"item_id": self._id(prefix), "output_index": len(self._output), number: part.number}

    def _id(self, prefix: str) -> str:
        return response.item_id(self._envelope, prefix, len(self._output))

    def _emit(self, event: str, **fields: object) -> None:
        data = _encode({"type": event, "sequence_number": self._number, **fields})
        self._number += 1
        self._out.append(b"event: " + event.encode() + b"\n" + sse.event(data))

    def _taken(self) -> bytes:
        taken, self._out = b"".join(self._out), []
        return taken
