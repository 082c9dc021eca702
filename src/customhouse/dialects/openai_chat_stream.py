# SPDX-License-Identifier: Apache-2.0
"""A provider's stream, collected: text passes at once, tool-call deltas wait until the whole call can be decided.

A client that is shown half a call may act on it; so no byte of a call leaves before its decision.
"""

from dataclasses import dataclass, field

from customhouse.dialects.openai_chat_upstream import MAX_CALLS, Payload, merged, proposed, usage
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import Answer, ToolCall, Usage


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece that needs no decision."""

    text: str | None = None
    refusal: str | None = None
    reasoning: str | None = None


@dataclass(slots=True)
class _Call:
    id: str | None = None
    name: list[str] = field(default_factory=list[str])
    arguments: list[str] = field(default_factory=list[str])


class Collector:
    """Collects one stream. `feed` returns what may pass now; `answer` is what the stream amounts to."""

    __slots__ = (
        "_calls",
        "_finish",
        "_legacy",
        "_reasoning",
        "_refusal",
        "_seen",
        "_size",
        "_text",
        "_usage",
        "max_bytes",
    )

    def __init__(self, max_bytes: int) -> None:
        """Bound what is collected to `max_bytes` characters."""
        self.max_bytes = max_bytes
        self._seen: Payload | None = None
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._legacy: _Call | None = None
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._size = 0

    def feed(self, chunk: Payload) -> Delta | None:
        """Take one chunk; return the piece that may pass now. Raises UpstreamFailed over a bound."""
        if self._seen is None:
            self._seen = chunk
        if chunk.usage is not None:
            self._usage = usage(chunk)
        if not chunk.choices:
            return None
        choice = chunk.choices[0]
        delta = choice.delta
        if choice.finish_reason is not None:
            self._finish = choice.finish_reason
        for position, piece in enumerate(delta.tool_calls or ()):
            call = self._calls.setdefault(piece.index if piece.index is not None else position, _Call())
            call.id = call.id or piece.id
            if piece.function is not None:
                self._grow(call, piece.function.name, piece.function.arguments)
        if delta.function_call is not None:
            self._legacy = self._legacy or _Call()
            self._grow(self._legacy, delta.function_call.name, delta.function_call.arguments)
        if len(self._calls) > MAX_CALLS:
            raise UpstreamFailed(f"the upstream proposed more than {MAX_CALLS} tool calls in one answer")
        return self._passing(delta.content, delta.refusal, delta.reasoning_content)

    def _passing(self, text: str | None, refusal: str | None, reasoning: str | None) -> Delta | None:
        if not (text or refusal or reasoning):
            return None
        for piece, kept in ((text, self._text), (refusal, self._refusal), (reasoning, self._reasoning)):
            if piece:
                self._count(piece)
                kept.append(piece)
        return Delta(text or None, refusal or None, reasoning or None)

    def _grow(self, call: _Call, name: str | None, arguments: str | None) -> None:
        for piece, kept in ((name, call.name), (arguments, call.arguments)):
            if piece:
                self._count(piece)
                kept.append(piece)

    def _count(self, piece: str) -> None:
        self._size += len(piece)
        if self._size > self.max_bytes:
            raise UpstreamFailed(f"the upstream's stream is larger than {self.max_bytes} characters")

    @property
    def started(self) -> bool:
        """Return whether the stream has carried anything of an answer."""
        return bool(self._text or self._refusal or self._reasoning or self._calls or self._legacy or self._finish)

    @property
    def finished(self) -> bool:
        """Return whether a finish_reason has come."""
        return self._finish is not None

    def answer(self) -> Answer:
        """Return the answer collected so far; partial when `finished` is false."""
        first = self._seen or Payload()
        calls: list[ToolCall] = [
            proposed(call.id, "".join(call.name), "".join(call.arguments), position)
            for position, (_, call) in enumerate(sorted(self._calls.items()))
        ]
        legacy = self._legacy
        return Answer(
            upstream_id=first.id,
            model=first.model,
            fingerprint=first.system_fingerprint,
            text="".join(self._text) or None,
            refusal="".join(self._refusal) or None,
            reasoning="".join(self._reasoning) or None,
            tool_calls=merged(
                calls, "".join(legacy.name) if legacy else None, "".join(legacy.arguments) if legacy else None
            ),
            finish_reason=self._finish,
            usage=self._usage,
        )
