# SPDX-License-Identifier: Apache-2.0
"""A provider's stream, collected: text passes at once, tool-call deltas wait until the whole call can be decided.

A client that is shown half a call may act on it; so no byte of a call leaves before its decision.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from customhouse.dialects.openai_chat.upstream_answer import (
    MAX_CALLS,
    Fragment,
    Payload,
    merged,
    payload,
    proposed,
    stop_reason,
    usage,
)
from customhouse.dialects.weight import weight
from customhouse.domain.answer import Answer, Cited, Delta, Piece, Usage
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import Reasoning, Refusal, Text, WebCitation

MAX_PARTS: Final = 1024
"""Runs of text, reasoning and refusal in one answer at most."""
_DONE: Final = b"[DONE]"
_Kind = Literal["text", "refusal", "reasoning"]


@dataclass(slots=True)
class _Call:
    id: str | None = None
    name: list[str] = field(default_factory=list[str])
    arguments: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class _Part:
    kind: _Kind
    text: list[str] = field(default_factory=list[str])
    citations: list[WebCitation] = field(default_factory=list[WebCitation])


class Collector:
    """Collects one stream. `feed` returns what may pass now; `answer` is what the stream amounts to."""

    __slots__ = ("_calls", "_finish", "_legacy", "_parts", "_seen", "_size", "_usage", "done", "max_chars")

    def __init__(self, max_chars: int, granted: frozenset[str] = frozenset()) -> None:
        """Bound what is collected to `max_chars` characters. No provider of this dialect is granted any tool."""
        del granted
        self.max_chars = max_chars
        self.done = False
        self._seen: Payload | None = None
        self._parts: list[_Part] = []
        self._calls: dict[int, _Call] = {}
        self._legacy: _Call | None = None
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._size = 0

    def feed(self, data: bytes) -> Sequence[Delta]:
        """Take the data of one event; return the pieces that may pass now. Raises UpstreamFailed over a bound."""
        if data.strip() == _DONE:
            self.done = True
            return ()
        chunk = payload(data)
        if self._seen is None or not (self._seen.id or self._seen.model):
            self._seen = chunk  # Azure's first chunk is the prompt filter's, and names nobody
        self._usage = usage(chunk) or self._usage
        if not chunk.choices:
            return ()
        choice = chunk.choices[0]
        delta = choice.delta or Fragment()
        if choice.finish_reason is not None:
            self._finish = choice.finish_reason
        if delta.tool_calls or delta.function_call:
            self._hold(delta)
        return self._passing(delta)

    def _hold(self, delta: Fragment) -> None:
        """Keep what a chunk brings of calls; none of it passes."""
        for position, piece in enumerate(delta.tool_calls or ()):
            call = self._calls.setdefault(piece.index if piece.index is not None else position, _Call())
            if piece.id and not call.id:
                self._fill(len(piece.id))
                call.id = piece.id
            if piece.function is not None:
                self._grow(call, piece.function.name, piece.function.arguments)
        if delta.function_call is not None:
            self._legacy = self._legacy or _Call()
            self._grow(self._legacy, delta.function_call.name, delta.function_call.arguments)
        if len(self._calls) > MAX_CALLS:
            raise UpstreamFailed(
                f"the upstream proposed more than {MAX_CALLS} tool calls in one answer", reason="upstream.too_large"
            )

    def _passing(self, delta: Fragment) -> Sequence[Delta]:
        passing: list[Delta] = []
        if thought := delta.thought:
            passing.append(self._said("reasoning", thought))
        if delta.content:
            passing.append(self._said("text", delta.content))
        if delta.refusal:
            passing.append(self._said("refusal", delta.refusal))
        if delta.annotations and (citations := delta.citations):
            self._fill(sum(weight(citation) for citation in citations))
            part = self._last("text")
            part.citations.extend(citations)
            passing.extend(Cited(len(self._parts) - 1, citation) for citation in citations)
        return passing

    def _said(self, kind: _Kind, text: str) -> Piece:
        """Keep a piece: of the part before, if it is of the same kind."""
        self._fill(len(text))
        self._last(kind).text.append(text)
        return Piece(len(self._parts) - 1, kind, text)

    def _last(self, kind: _Kind) -> _Part:
        """Return the last part, which is of this kind: begun if the one before is of another."""
        if not self._parts or self._parts[-1].kind != kind:
            if len(self._parts) >= MAX_PARTS:
                raise UpstreamFailed(f"the upstream's stream changes its kind more than {MAX_PARTS} times")
            self._parts.append(_Part(kind))
        return self._parts[-1]

    def _grow(self, call: _Call, name: str | None, arguments: str | None) -> None:
        for piece, kept in ((name, call.name), (arguments, call.arguments)):
            if piece:
                self._fill(len(piece))
                kept.append(piece)

    def _fill(self, size: int) -> None:
        self._size += size
        if self._size > self.max_chars:
            raise UpstreamFailed(
                f"the upstream's stream is larger than {self.max_chars} characters", reason="upstream.too_large"
            )

    @property
    def started(self) -> bool:
        """Return whether the stream has carried anything of an answer."""
        return bool(self._parts or self._calls or self._legacy or self._finish)

    @property
    def finished(self) -> bool:
        """Return whether a finish_reason has come."""
        return self._finish is not None

    def answer(self) -> Answer:
        """Return the answer collected so far; partial when `finished` is false."""
        first = self._seen or Payload()
        calls = [
            proposed(call.id, "".join(call.name), "".join(call.arguments), position)
            for position, (_, call) in enumerate(sorted(self._calls.items()))
        ]
        legacy = self._legacy
        every = merged(calls, "".join(legacy.name) if legacy else None, "".join(legacy.arguments) if legacy else None)
        return Answer(
            upstream_id=first.id,
            model=first.model,
            fingerprint=first.system_fingerprint,
            content=(*(_whole(part) for part in self._parts), *every),
            stop=None if self._finish is None else stop_reason(self._finish),
            stop_word=self._finish,
            usage=self._usage,
        )


def _whole(part: _Part) -> Text | Refusal | Reasoning:
    text = "".join(part.text)
    match part.kind:
        case "text":
            return Text(text, tuple(part.citations))
        case "refusal":
            return Refusal(text)
        case "reasoning":
            return Reasoning(text=text)
