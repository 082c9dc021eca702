# SPDX-License-Identifier: Apache-2.0
"""Anthropic Messages, a provider's stream, collected: what needs no decision passes at once, calls wait until whole.

Source of the shapes: types/raw_message_stream_event.py of the `anthropic` package. Event types that are not known are
passed over, as its makers ask; blocks and deltas that are not known are a failure, because they are part of an answer.
A stream is whole with `message_stop`. Counts in `message_delta` are totals that replace those of `message_start`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from customhouse.dialects.anthropic.citations import Found
from customhouse.dialects.anthropic.upstream_answer import (
    MAX_BLOCKS,
    MAX_CALLS,
    InBlock,
    InError,
    InMessage,
    InStopDetails,
    InUsage,
    citation,
    explained,
    part,
    reported,
    stop_reason,
    thought,
    ungranted,
    usage,
)
from customhouse.dialects.strict_json import has_duplicates
from customhouse.dialects.weight import weight
from customhouse.domain.answer import Answer, Cited, Delta, Ended, Piece, Said
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import Citation, Reasoning, Text, ToolCall

_KINDS: Final = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
_EMPTY_INPUTS: Final = frozenset({b"", b"{}", b"null"})


class _InDelta(msgspec.Struct, frozen=True):
    type: str | None = None
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    citation: Found | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: InStopDetails | None = None


class _InEvent(msgspec.Struct, frozen=True):
    type: str
    index: int | None = None
    message: InMessage | None = None
    content_block: InBlock | None = None
    delta: _InDelta = _InDelta()
    usage: InUsage | None = None
    error: InError | None = None


_decode = msgspec.json.Decoder(_InEvent).decode


@dataclass(slots=True)
class _Open:
    """A block that is not whole yet."""

    block: InBlock
    text: list[str] = field(default_factory=list[str])
    seal: list[str] = field(default_factory=list[str])
    citations: list[Citation] = field(default_factory=list[Citation])

    def whole(self, *, ended: bool) -> Said:
        """Return what it says. Reasoning that has not `ended` has no seal yet."""
        text = "".join(self.text)
        match self.block.type:
            case "text":
                return Text(text, tuple(self.citations))
            case "thinking":
                return thought(text, "".join(self.seal) if ended else None, redacted=False)
            case "tool_use":
                # What the model wrote stands in the deltas; a call without any has what its start says.
                arguments = text or bytes(self.block.input).decode()
                return ToolCall(self.block.id or "", self.block.name or "", arguments)
            case _:
                return part(self.block)


class Collector:
    """Collects one stream. `feed` returns what may pass now; `answer` is what the stream amounts to."""

    __slots__ = (
        "_calls",
        "_details",
        "_message",
        "_open",
        "_said",
        "_sequence",
        "_size",
        "_usage",
        "_word",
        "done",
        "max_chars",
    )

    def __init__(self, max_chars: int, granted: frozenset[str] = frozenset()) -> None:
        """Bound what is collected to `max_chars` characters. No provider of this dialect is granted any tool."""
        del granted
        self.max_chars = max_chars
        self.done = False
        self._message: InMessage | None = None
        self._said: list[Said] = []
        self._open: _Open | None = None
        self._calls = 0
        self._usage = InUsage()
        self._word: str | None = None
        self._sequence: str | None = None
        self._details: InStopDetails | None = None
        self._size = 0

    def feed(self, data: bytes) -> Sequence[Delta]:
        """Take the data of one event; return the pieces that may pass now. Raises UpstreamFailed."""
        try:
            event = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UpstreamFailed("the upstream's stream is not the JSON of Anthropic's events") from error
        match event.type:
            case "message_start":
                self._begin(event)
            case "content_block_start":
                return self._start(event, data)
            case "content_block_delta":
                return self._delta(event)
            case "content_block_stop":
                return self._stop(event)
            case "message_delta":
                return self._end(event)
            case "message_stop":
                self._require_closed("message_stop")
                self.done = True
            case "error":
                raise reported(event.error or InError())
            case _:
                pass
        return ()

    def _begin(self, event: _InEvent) -> None:
        if self._message is not None or event.message is None:
            raise UpstreamFailed("the upstream's stream begins a message twice, or begins none")
        self._message = event.message
        self._count(event.message.usage)

    def _start(self, event: _InEvent, data: bytes) -> Sequence[Delta]:
        block = event.content_block
        if self._message is None or block is None:
            raise UpstreamFailed("the upstream's stream has a block outside a message")
        self._require_closed("a block")
        if event.index != len(self._said) or self._word is not None:
            raise UpstreamFailed("the upstream's stream counts its blocks wrongly")
        if len(self._said) >= MAX_BLOCKS:
            raise UpstreamFailed(f"the upstream's stream has more than {MAX_BLOCKS} blocks")
        if block.type not in _KINDS:
            raise ungranted(block.type)
        if block.type == "tool_use":
            self._take_call(data)
        self._open = _Open(block)
        self._grow(f"{block.data or ''}{block.id or ''}{block.name or ''}{len(bytes(block.input)) * ' '}")
        passing: list[Delta] = []
        if block.text:
            passing.append(self._piece("text", block.text))
        if block.thinking:
            passing.append(self._piece("reasoning", block.thinking))
        if block.signature:
            self._open.seal.append(block.signature)
        passing.extend(self._cite(each) for each in block.citations or ())
        return passing

    def _take_call(self, data: bytes) -> None:
        self._calls += 1
        if self._calls > MAX_CALLS:
            raise UpstreamFailed(
                f"the upstream proposed more than {MAX_CALLS} tool calls in one answer", reason="upstream.too_large"
            )
        if has_duplicates(data):
            raise UpstreamFailed("the upstream's stream names a key twice, so parsers would disagree on its calls")

    def _delta(self, event: _InEvent) -> Sequence[Delta]:
        delta, opened = event.delta, self._opened(event)
        match opened.block.type, delta.type:
            case "text", "text_delta":
                return (self._piece("text", delta.text),) if delta.text else ()
            case "text", "citations_delta" if delta.citation is not None:
                return (self._cite(delta.citation),)
            case "thinking", "thinking_delta":
                return (self._piece("reasoning", delta.thinking),) if delta.thinking else ()
            case "thinking", "signature_delta":
                self._grow(delta.signature)
                opened.seal.append(delta.signature)
                return ()
            case "tool_use", "input_json_delta":
                if bytes(opened.block.input) not in _EMPTY_INPUTS and delta.partial_json:
                    raise UpstreamFailed("the upstream's stream tells a call's input twice")
                self._grow(delta.partial_json)
                opened.text.append(delta.partial_json)
                return ()
            case _:
                raise ungranted(delta.type or "")

    def _stop(self, event: _InEvent) -> Sequence[Delta]:
        whole = self._opened(event).whole(ended=True)
        self._said.append(whole)
        self._open = None
        if isinstance(whole, Reasoning) and whole.seal is not None:
            return (Ended(len(self._said) - 1, whole),)
        return ()

    def _end(self, event: _InEvent) -> Sequence[Delta]:
        if self._message is None:
            raise UpstreamFailed("the upstream's stream ends a message that it never began")
        self._require_closed("the end")
        self._count(event.usage)
        delta = event.delta
        self._word = delta.stop_reason or self._word
        self._sequence = delta.stop_sequence or self._sequence
        if delta.stop_details is None or self._details is not None:
            return ()
        self._details = delta.stop_details
        return tuple(Piece(len(self._said), "refusal", each.text) for each in explained(self._details))

    def _opened(self, event: _InEvent) -> _Open:
        if self._open is None or event.index != len(self._said):
            raise UpstreamFailed("the upstream's stream continues a block that it has not begun")
        return self._open

    def _require_closed(self, what: str) -> None:
        if self._open is not None:
            raise UpstreamFailed(f"the upstream's stream brings {what} before a block has ended")

    def _piece(self, kind: str, text: str) -> Piece:
        self._grow(text)
        if self._open is not None:
            self._open.text.append(text)
        return Piece(len(self._said), "text" if kind == "text" else "reasoning", text)

    def _cite(self, written: Found) -> Cited:
        known = citation(written)
        self._fill(weight(known))
        if self._open is not None:
            self._open.citations.append(known)
        return Cited(len(self._said), known)

    def _count(self, counted: InUsage | None) -> None:
        """Take counts over those before; what an event does not tell stands."""
        if counted is None:
            return
        told = {name: value for name in counted.__struct_fields__ if (value := getattr(counted, name)) is not None}
        self._usage = msgspec.structs.replace(self._usage, **told)

    def _grow(self, piece: str) -> None:
        self._fill(len(piece))

    def _fill(self, size: int) -> None:
        self._size += size
        if self._size > self.max_chars:
            raise UpstreamFailed(
                f"the upstream's stream is larger than {self.max_chars} characters", reason="upstream.too_large"
            )

    @property
    def started(self) -> bool:
        """Return whether the stream has carried anything of an answer."""
        return bool(self._said or self._open or self._word)

    @property
    def finished(self) -> bool:
        """Return whether the provider has said why it stopped, and that it has."""
        return self._word is not None and self.done

    def answer(self) -> Answer:
        """Return the answer collected so far; partial when `finished` is false."""
        first = self._message or InMessage()
        said = [*self._said, *((self._open.whole(ended=False),) if self._open is not None else ())]
        return Answer(
            upstream_id=first.id,
            model=first.model,
            content=(*said, *explained(self._details)),
            stop=None if self._word is None else stop_reason(self._word, self._sequence),
            stop_word=self._word,
            stop_sequence=self._sequence,
            usage=usage(self._usage) if self._usage != InUsage() else None,
        )
