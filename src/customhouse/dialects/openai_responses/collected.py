# SPDX-License-Identifier: Apache-2.0
"""What a provider's stream of items amounts to so far. Invariant: a call has one name, one id and one text.

Story: a server streams `{"amount": 5}` in pieces and ends the call with `{"amount": 5000}`. Whoever reads the pieces
and whoever reads the end would run different calls; so the answer is refused, and nobody runs either.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from customhouse.dialects.openai_responses import seal
from customhouse.dialects.openai_responses import upstream_output as output
from customhouse.dialects.openai_responses.upstream_output import MAX_CALLS, MAX_ITEMS, Annotation, Item
from customhouse.dialects.weight import weight
from customhouse.domain.answer import Cited, Delta, Ended, Piece, Ran, Said
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import Citation, ProviderCall, Reasoning, Refusal, Seal, Text, ToolCall

_PARAGRAPH: Final = "\n\n"
_KINDS: Final[dict[str, Literal["text", "refusal", "reasoning"]]] = {
    "text": "text",
    "refusal": "refusal",
    "reasoning": "reasoning",
    "summary": "reasoning",
}


@dataclass(slots=True)
class _Part:
    """A part of the answer, at its place. `paragraph` is the one of a reasoning that is being told."""

    kind: str
    place: int
    paragraph: int = 0
    pieces: list[str] = field(default_factory=list[str])
    citations: list[Citation] = field(default_factory=list[Citation])
    seal: Seal | None = None
    redacted: bool = False


@dataclass(slots=True)
class Open:
    """One item. `parts` by kind and number; a call's text is in `pieces` until it is `whole`."""

    kind: str
    index: int | None
    call_id: str | None = None
    name: str | None = None
    parts: dict[tuple[str, int], _Part] = field(default_factory=dict[tuple[str, int], _Part])
    pieces: list[str] = field(default_factory=list[str])
    whole: str | None = None
    ended: bool = False
    place: int = 0
    used: ProviderCall | None = None


class Collected:
    """The items of one stream, bounded to `max_bytes` characters."""

    def __init__(self, max_bytes: int, granted: frozenset[str] = frozenset()) -> None:
        """Begin with nothing. `granted` are tools that the provider may run by itself."""
        self._granted = granted
        self._max_bytes = max_bytes
        self._size = 0
        self._said: list[_Part | Open] = []
        self._telling: _Part | None = None
        self._items: list[Open] = []
        self._by_id: dict[str, Open] = {}
        self._by_index: dict[int, Open] = {}
        self.calls = 0
        self._uses = 0

    @property
    def any(self) -> bool:
        """Return whether anything of an answer has come."""
        return bool(self._said)

    @property
    def items(self) -> int:
        """Return how many items have begun."""
        return len(self._items)

    def content(self) -> tuple[Said, ...]:
        """Return what was said so far, in the order in which it began."""
        return tuple(
            (each.used or _call(each, n)) if isinstance(each, Open) else _whole(each)
            for n, each in enumerate(self._said)
        )

    def find(self, item_id: str | None, index: int | None) -> Open | None:
        """Return the item that an event names. Raises UpstreamFailed when its id and its index name two."""
        by_id = self._by_id.get(item_id) if item_id else None
        by_index = self._by_index.get(index) if index is not None else None
        if by_id is not None and by_index is not None and by_id is not by_index:
            raise UpstreamFailed("an event of the upstream's stream names one item by its id and another by its index")
        return by_id or by_index

    def begin(self, item: Item, index: int | None) -> Open:
        """Begin an item. Raises UpstreamFailed for a kind that nobody granted, or an index that was passed already."""
        output.refuse_kind(item.type)
        names = [name for name in (item.id, item.call_id) if name]
        if index is not None and index <= max(self._by_index, default=-1):
            raise UpstreamFailed("the upstream's stream begins its items out of order, or one of them twice")
        if any(name in self._by_id for name in names):
            raise UpstreamFailed("the upstream's stream begins two items under one id")
        if len(self._items) >= MAX_ITEMS:
            raise UpstreamFailed(f"the upstream's stream has more than {MAX_ITEMS} items")
        for name in names:
            self._count(name)
        begun = Open(item.type, index)
        self._items.append(begun)
        self._by_id.update(dict.fromkeys(names, begun))
        if index is not None:
            self._by_index[index] = begun
        if item.type in output.CALLS:
            self._use(begun, item)
        if item.type == "function_call":
            self.calls += 1
            if self.calls > MAX_CALLS:
                raise UpstreamFailed(
                    f"the upstream proposed more than {MAX_CALLS} tool calls in one answer", reason="upstream.too_large"
                )
            begun.call_id, begun.name = item.call_id or item.id, item.name
            self._count(item.name or "")
            self._said.append(begun)
            self.arguments(begun, item.arguments or "")
        return begun

    def text(self, item: Open, kind: str, number: int, text: str) -> list[Delta]:
        """Take a piece of a part; paragraphs of one reasoning are one part."""
        if not text:
            return []
        paragraphs = kind in {"reasoning", "summary"}
        part = self._told(self._part(item, kind, 0 if paragraphs else number))
        if paragraphs and number != part.paragraph:
            text, part.paragraph = (_PARAGRAPH if part.pieces else "") + text, number
        self._count(text)
        part.pieces.append(text)
        return [Piece(part.place, _KINDS[kind], text, summary=kind == "summary")]

    def cite(self, item: Open, number: int, found: Annotation) -> list[Delta]:
        """Take what a text rests on."""
        part = self._told(self._part(item, "text", number))
        citation = output.citation(found)
        self._fill(weight(citation))
        part.citations.append(citation)
        return [Cited(part.place, citation)]

    def arguments(self, item: Open, text: str) -> None:
        """Take a piece of a call's arguments."""
        if not text:
            return
        if item.whole is not None:
            raise UpstreamFailed("the upstream's stream goes on with a tool call that it had ended")
        self._count(text)
        item.pieces.append(text)

    def confirm(self, item: Open, arguments: str) -> None:
        """Take the whole of a call's arguments. Raises UpstreamFailed when it is another than its pieces."""
        told = item.whole if item.whole is not None else "".join(item.pieces) or None
        if told is not None and told != arguments:
            raise UpstreamFailed("the upstream's stream tells the arguments of one tool call in two ways")
        if told is None:
            self._count(arguments)
        item.whole = arguments

    def end(self, item: Item, index: int | None) -> list[Delta]:
        """Take an item as it ended, begun before or not; return what of it no event had told."""
        output.refuse_kind(item.type)
        found = self.find(item.id or item.call_id, index) or self.find(item.call_id, index)
        if found is None:
            found = self.begin(Item(item.type, item.id, call_id=item.call_id, name=item.name), index)
        if found.kind != item.type:
            raise UpstreamFailed("the upstream's stream ends an item as another kind than it began")
        if item.type == "function_call":
            if (item.call_id or item.id, item.name) != (found.call_id, found.name):
                raise UpstreamFailed("the upstream's stream gives one tool call two names or ids")
            self.confirm(found, item.arguments or "")
            return []
        if found.ended:
            return []
        found.ended = True
        if item.type in output.CALLS:
            found.used = output.provider_call(item, found.place)
            self._count(found.used.told)
            return [Ran(found.place, found.used)]
        return self._rest_of_reasoning(found, item) if item.type == "reasoning" else self._rest_of_message(found, item)

    def refuse_unconfirmed(self) -> None:
        """Raise UpstreamFailed for a call whose end nobody has told: its arguments may be half of what they are."""
        if any(each.kind == "function_call" and each.whole is None for each in self._items):
            raise UpstreamFailed("the upstream's stream ended, and one of its tool calls did not")

    def _use(self, begun: Open, item: Item) -> None:
        """Begin a use of a tool that the provider runs by itself. Raises UpstreamFailed for one that nobody granted."""
        if output.CALLS[item.type] not in self._granted:
            raise output.ungranted(f"an item of kind {item.type}")
        self._uses += 1
        if self._uses > MAX_CALLS:
            raise UpstreamFailed(f"the upstream ran more than {MAX_CALLS} tools by itself", reason="upstream.too_large")
        begun.place, self._telling = len(self._said), None
        begun.used = output.provider_call(item, begun.place)
        self._said.append(begun)

    def _part(self, item: Open, kind: str, number: int) -> _Part:
        part = item.parts.get((kind, number))
        if part is None:
            part = item.parts[kind, number] = _Part(kind, len(self._said))
            self._said.append(part)
            self._telling = part
            if len(self._said) > MAX_ITEMS:
                raise UpstreamFailed(f"the upstream's stream has more than {MAX_ITEMS} parts")
        return part

    def _told(self, part: _Part) -> _Part:
        """Return a part that may still be told: a client was shown the order, and the answer on record has no other."""
        if part is not self._telling:
            raise UpstreamFailed("the upstream's stream goes back to a part that another one has followed")
        return part

    def _rest_of_message(self, found: Open, item: Item) -> list[Delta]:
        deltas: list[Delta] = []
        for number, part in enumerate(item.content or ()):
            kind, whole = ("refusal", part.refusal) if part.type == "refusal" else ("text", part.text)
            deltas += self._rest(found, kind, number, whole or "")
            known = found.parts.get((kind, number))
            for each in (part.annotations or ())[len(known.citations) if known else 0 :]:
                deltas += self.cite(found, number, each)
        return deltas

    def _rest_of_reasoning(self, found: Open, item: Item) -> list[Delta]:
        deltas: list[Delta] = []
        for kind, paragraphs in (("summary", item.summary), ("reasoning", item.content)):
            if (kind, 0) not in found.parts:
                for number, text in enumerate(output.texts(paragraphs)):
                    deltas += self.text(found, kind, number, text)
        if item.encrypted_content:
            told = list(found.parts.values())
            part = self._told(told[-1] if told else self._part(found, "reasoning", 0))
            part.seal, part.redacted = seal.own(item.encrypted_content, item.id).seal, not told
            self._count(item.encrypted_content)
            deltas.append(Ended(part.place, _reasoning(part)))
        return deltas

    def _rest(self, found: Open, kind: str, number: int, whole: str) -> Sequence[Delta]:
        """Return what the whole of a text adds to its pieces. Where they differ, what was shown is what was said."""
        known = found.parts.get((kind, number))
        told = "".join(known.pieces) if known else ""
        return self.text(found, kind, number, whole[len(told) :]) if whole.startswith(told) else ()

    def _count(self, text: str) -> None:
        self._fill(len(text))

    def _fill(self, size: int) -> None:
        self._size += size
        if self._size > self._max_bytes:
            raise UpstreamFailed(
                f"the upstream's stream is larger than {self._max_bytes} characters", reason="upstream.too_large"
            )


def _call(item: Open, position: int) -> ToolCall:
    arguments = item.whole if item.whole is not None else "".join(item.pieces)
    return ToolCall(item.call_id or f"call_{position}", item.name or "", arguments)


def _whole(part: _Part) -> Text | Refusal | Reasoning:
    match part.kind:
        case "text":
            return Text("".join(part.pieces), citations=tuple(part.citations))
        case "refusal":
            return Refusal("".join(part.pieces))
        case _:
            return _reasoning(part)


def _reasoning(part: _Part) -> Reasoning:
    return Reasoning(text="".join(part.pieces), summary=part.kind == "summary", redacted=part.redacted, seal=part.seal)
