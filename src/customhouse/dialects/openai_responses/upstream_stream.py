# SPDX-License-Identifier: Apache-2.0
"""A provider's stream, collected: what needs no decision passes at once, calls wait until they are whole and confirmed.

Source of the events: the union in the `openai` package, types/responses/response_stream_event.py. Each of its members
is either understood here, means nothing for an answer, or is refused by its name: events of tools that a provider runs
by itself, and such as no version of the package knew when this was written.

An item ends more than once in a well-behaved stream (its own `done` events, and the response's at the end); they must
agree on every call. Servers that leave out indexes or ids are understood as long as nothing is ambiguous.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from customhouse.dialects.openai_responses import upstream_output as output
from customhouse.dialects.openai_responses.collected import Collected, Open
from customhouse.dialects.openai_responses.provider_tool import EVENTS
from customhouse.dialects.openai_responses.upstream_output import Annotation, Item, Part, Response
from customhouse.domain.answer import Answer, Delta
from customhouse.domain.errors import UpstreamFailed


class Event(msgspec.Struct, frozen=True):
    """One event of the union, as far as any is understood."""

    type: str
    item_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    delta: str | None = None
    arguments: str | None = None
    item: Item | None = None
    part: Part | None = None
    annotation: Annotation | None = None
    response: Response | None = None


_TEXT: Final = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "summary",
}
_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
_NOTHING: Final = frozenset(
    {
        "response.output_text.done",
        "response.refusal.done",
        "response.reasoning_text.done",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_part.done",
        "keepalive",
    }
)
"""What tells nothing that a delta, or the end of an item, does not tell as well."""
_decode = msgspec.json.Decoder(Event).decode


class Collector:
    """Collects one stream. `feed` returns what may pass now; `answer` is what the stream amounts to."""

    __slots__ = ("_collected", "_done", "_end", "_first", "_read")

    def __init__(self, max_bytes: int, granted: frozenset[str] = frozenset()) -> None:
        """Bound what is collected to `max_bytes` characters; `granted` are tools that the provider may run."""
        self._collected = Collected(max_bytes, granted)
        self._first = Response()
        self._end: Response | None = None
        self._done = False
        self._read: dict[str, Callable[[Event], Sequence[Delta]]] = {
            "response.created": self._begin,
            "response.queued": self._begin,
            "response.in_progress": self._begin,
            "response.output_item.added": self._added,
            "response.output_item.done": self._item_done,
            "response.content_part.added": self._part,
            "response.content_part.done": self._part,
            "response.function_call_arguments.delta": self._arguments,
            "response.function_call_arguments.done": self._arguments_done,
            "response.output_text.annotation.added": self._cited,
            **dict.fromkeys(EVENTS, self._using),
        }

    def feed(self, data: bytes) -> Sequence[Delta]:
        """Take the data of one event. Raises UpstreamFailed for what is not the dialect, or is over a bound."""
        if data == b"[DONE]":
            self._done = True
            return ()
        try:
            event = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UpstreamFailed("an event of the upstream's stream is not the JSON of a response's event") from error
        if self._end is not None:
            raise UpstreamFailed("the upstream's stream goes on after its end")
        kind = _TEXT.get(event.type)
        if kind is not None:
            return self._collected.text(self._item(event, kind), kind, _index(event, kind), event.delta or "")
        output.refuse_ambiguous(data)
        if event.type in _NOTHING:
            return ()
        read = self._read.get(event.type)
        if read is not None:
            return read(event)
        if event.type in _ENDS:
            return self._ended(event)
        if event.type == "error":
            # What it says of why is the provider's text, which may quote the prompt.
            raise UpstreamFailed("the upstream reported an error inside its stream")
        raise output.ungranted(f"an event of kind {output.plain(event.type)}")

    @property
    def started(self) -> bool:
        """Return whether the stream has carried anything of an answer."""
        return self._collected.any or self._end is not None

    @property
    def finished(self) -> bool:
        """Return whether the provider has said why it stopped."""
        return self._end is not None

    @property
    def done(self) -> bool:
        """Return whether nothing more is to come."""
        return self._done

    def answer(self) -> Answer:
        """Return the answer collected so far; partial while `finished` is false."""
        content = self._collected.content()
        known = self._end or self._first
        stop, word = output.ended(self._end, calls=self._collected.calls > 0) if self._end else (None, None)
        return Answer(
            upstream_id=known.id or self._first.id,
            model=known.model or self._first.model,
            content=content,
            stop=stop,
            stop_word=word,
            usage=output.usage(known),
        )

    def _begin(self, event: Event) -> Sequence[Delta]:
        self._first = event.response or self._first
        return ()

    def _item(self, event: Event, kind: str) -> Open:
        found = self._collected.find(event.item_id, event.output_index)
        wanted = {"text": "message", "refusal": "message", "call": "function_call"}.get(kind, "reasoning")
        if found is None or found.kind != wanted:
            raise UpstreamFailed("an event of the upstream's stream belongs to no item that it has begun")
        if found.ended:
            raise UpstreamFailed("the upstream's stream goes on with an item that it had ended")
        return found

    def _added(self, event: Event) -> Sequence[Delta]:
        if event.item is None:
            raise UpstreamFailed("the upstream's stream begins an item without saying which")
        self._collected.begin(event.item, event.output_index)
        return ()

    def _item_done(self, event: Event) -> Sequence[Delta]:
        if event.item is None:
            raise UpstreamFailed("the upstream's stream ends an item without saying which")
        return self._collected.end(event.item, event.output_index)

    def _part(self, event: Event) -> Sequence[Delta]:
        if event.part is None or event.part.type not in {"output_text", "refusal", "reasoning_text"}:
            kind = output.plain(event.part.type) if event.part else "unreadable"
            raise UpstreamFailed(f"the upstream's message has a part of kind {kind}, which nobody knows")
        return ()

    def _arguments(self, event: Event) -> Sequence[Delta]:
        self._collected.arguments(self._item(event, "call"), event.delta or "")
        return ()

    def _arguments_done(self, event: Event) -> Sequence[Delta]:
        if event.arguments is None:
            raise UpstreamFailed("the upstream's stream ends a tool call without its arguments")
        self._collected.confirm(self._item(event, "call"), event.arguments)
        return ()

    def _using(self, event: Event) -> Sequence[Delta]:
        """Take how far a use has come; its item tells the whole of it."""
        begun = self._collected.find(event.item_id, event.output_index)
        if begun is None or begun.kind != EVENTS[event.type]:
            raise output.ungranted(f"an event of kind {output.plain(event.type)}")
        return ()

    def _cited(self, event: Event) -> Sequence[Delta]:
        if event.annotation is None:
            return ()
        return self._collected.cite(self._item(event, "text"), event.content_index or 0, event.annotation)

    def _ended(self, event: Event) -> Sequence[Delta]:
        found = event.response
        if found is None:
            raise UpstreamFailed("the upstream's stream ends without its response")
        output.ended(found, calls=False)
        rest = [delta for number, item in enumerate(found.output or ()) for delta in self._collected.end(item, number)]
        if found.status == "completed":
            self._collected.refuse_unconfirmed()
        if found.output and len(found.output) < self._collected.items:
            raise UpstreamFailed("the upstream's stream showed items that are not in its response")
        self._end, self._done = found, True
        return rest


def _index(event: Event, kind: str) -> int:
    """Return which part of its item a delta belongs to."""
    found = event.summary_index if kind == "summary" else event.content_index
    return found or 0
