# SPDX-License-Identifier: Apache-2.0
"""A provider's stream: text passes at once, a call is one call or none, and what nobody granted ends the stream."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from openai.types.responses import ResponseStreamEvent
from tests.dialects.openai_responses.conversations import OWN, answers

from customhouse.dialects.envelope import Envelope, Receipt
from customhouse.dialects.openai_responses import seal, upstream
from customhouse.dialects.openai_responses.reply_stream import EventWriter
from customhouse.dialects.openai_responses.upstream_stream import Collector
from customhouse.dialects.sse import EventReader
from customhouse.domain.answer import Answer, Cited, Delta, Ended, Piece
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import ProviderCall, Reasoning, Refusal, Seal, Text, ToolCall, WebCitation
from customhouse.domain.request import Request

Json = dict[str, Any]
WIRE: Final = Path(__file__).parents[2] / "golden" / "wire" / "llama-cpp"
MAX: Final = 100_000
RECEIPT: Final = Receipt(trace_id="019ab", release="support@3", deployment="local/small")


GRANTED: Final = frozenset({"web_search", "code_interpreter"})
"""Tools that the provider of a scripted stream may run by itself; elsewhere none is granted."""


def collect(stream: bytes, *cuts: int) -> tuple[Collector, list[Delta]]:
    """Feed a stream, cut at the given places."""
    reader, collector, deltas = EventReader(), Collector(MAX, GRANTED), list[Delta]()
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for first, last in pairwise(places):
        for event in reader.feed(stream[first:last]):
            deltas += collector.feed(event)
    return collector, deltas


def feed(*events: Json) -> Collector:
    collector = Collector(MAX)
    for event in events:
        collector.feed(json.dumps(event).encode())
    return collector


def event(kind: str, **fields: object) -> Json:
    return {"type": f"response.{kind}", **fields}


def added(index: int | None, kind: str = "function_call", **fields: object) -> Json:
    named: Json = {"call_id": f"c{index}", "name": "a", "arguments": ""} if kind == "function_call" else {}
    place: Json = {} if index is None else {"output_index": index}
    return event("output_item.added", item={"type": kind, "id": f"i{index}", **named, **fields}, **place)


def done(index: int, kind: str = "function_call", **fields: object) -> Json:
    named: Json = {"call_id": f"c{index}", "name": "a", "arguments": "{}"} if kind == "function_call" else {}
    return event("output_item.done", item={"type": kind, "id": f"i{index}", **named, **fields}, output_index=index)


def arguments(index: int, text: str, **fields: object) -> Json:
    return event("function_call_arguments.delta", item_id=f"i{index}", output_index=index, delta=text, **fields)


def completed(**fields: object) -> Json:
    return event("completed", response={"id": "r", "model": "m", "status": "completed", **fields})


TEXT: Final = event("output_text.delta", item_id="i0", output_index=0, content_index=0, delta="hi")


def sealed_by_us(answer: Answer) -> Answer:
    """Return an answer as it reads after our own reply was taken for a provider's: its seals are marked."""
    content = tuple(
        replace(part, seal=Seal(dialect=OWN, value=seal.written(part) or "", id=None))
        if isinstance(part, Reasoning) and part.seal
        else part
        for part in answer.content
    )
    return replace(answer, content=content)


def without_ids(answer: Answer) -> Answer:
    content = tuple(
        replace(part, seal=replace(part.seal, id=None)) if isinstance(part, Reasoning) and part.seal else part
        for part in answer.content
    )
    return replace(answer, content=content)


def pieces(answer: Answer) -> list[Delta]:
    """Return an answer as the pieces that a collector of any dialect would give."""
    found: list[Delta] = []
    for place, part in enumerate(answer.content):
        match part:
            case Text():
                found += [Piece(place, "text", letter) for letter in part.text]
                found += [Cited(place, citation) for citation in part.citations]
            case Refusal():
                found.append(Piece(place, "refusal", part.text))
            case Reasoning():
                found += [Piece(place, "reasoning", part.text, summary=part.summary)] if part.text else []
                found += [Ended(place, part)] if part.seal else []
            case ToolCall() | ProviderCall():
                pass
    return found


@settings(deadline=None)
@given(answers(), st.lists(st.integers(0, 5000), max_size=4))
def test_our_own_stream_reads_back_as_the_same_answer_wherever_it_is_cut(said: Answer, cuts: list[int]) -> None:
    writer = EventWriter(Envelope("019ab", 7, "small", Request(model="support", messages=(), wants_usage=True)))
    stream = writer.deltas(pieces(said)) + writer.end(said, "", RECEIPT)
    collector, deltas = collect(stream, *cuts)
    assert (collector.started, collector.finished, collector.done) == (True, True, True)
    assert without_ids(collector.answer()) == sealed_by_us(said)
    told = "".join(each.text for each in deltas if isinstance(each, Piece) and each.kind == "text")
    assert told == (said.text or "")
    assert sum(isinstance(each, Ended) for each in deltas) == sum(
        isinstance(part, Reasoning) and part.seal is not None for part in said.content
    )


@pytest.mark.parametrize("name", ["responses-call", "responses-text", "responses-cut"])
def test_what_the_local_server_says(name: str) -> None:
    """It leaves out every index, and says that an answer is complete which it cut off."""
    whole = upstream.answer(json.dumps(json.loads((WIRE / f"{name}.json").read_text())["body"]).encode())
    collector, deltas = collect((WIRE / f"{name}.sse").read_bytes())
    said = collector.answer()
    assert (said.text, said.stop) == (whole.text, whole.stop)
    assert [(call.name, json.loads(call.arguments)) for call in said.tool_calls] == [
        (call.name, json.loads(call.arguments)) for call in whole.tool_calls
    ]
    assert "".join(each.text for each in deltas if isinstance(each, Piece)) == (said.text or "")


def test_nothing_of_a_call_passes() -> None:
    collector = Collector(MAX)
    events = [added(0), arguments(0, "{"), arguments(0, "}"), done(0), completed()]
    assert [list(collector.feed(json.dumps(each).encode())) for each in events] == [[]] * 5
    assert collector.answer().tool_calls == (ToolCall("c0", "a", "{}"),)


def test_a_whole_item_without_deltas_is_told_at_its_end() -> None:
    parts = [
        {
            "type": "output_text",
            "text": "hi",
            "annotations": [{"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 2}],
        },
        {"type": "refusal", "refusal": "no"},
    ]
    thought = {"summary": [{"text": "a"}, {"text": "b"}], "encrypted_content": "E"}
    collector = Collector(MAX)
    deltas: list[Delta] = []
    for each in (
        added(0, "reasoning"),
        done(0, "reasoning", **thought),
        done(1, "message", content=parts),
        completed(),
    ):
        deltas += collector.feed(json.dumps(each).encode())
    reasoning = Reasoning(text="a\n\nb", summary=True, seal=Seal(dialect=OWN, value="E", id="i0"))
    page = WebCitation(url="u", title="t", start=0, end=2)
    assert deltas == [
        Piece(0, "reasoning", "a", summary=True),
        Piece(0, "reasoning", "\n\nb", summary=True),
        Ended(0, reasoning),
        Piece(1, "text", "hi"),
        Cited(1, page),
        Piece(2, "refusal", "no"),
    ]
    assert collector.answer().content == (reasoning, Text("hi", citations=(page,)), Refusal("no"))


def test_a_response_whose_items_were_never_streamed_is_told_at_its_end() -> None:
    message = {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "hi"}]}
    collector = feed(event("created", response={"id": "r"}), completed(output=[message]))
    assert collector.answer().text == "hi"


def test_a_stream_without_an_end_is_not_finished() -> None:
    collector = feed(event("created", response={"id": "r", "model": "m"}), added(0, "message"), TEXT)
    collector.feed(b"[DONE]")
    assert (collector.started, collector.finished, collector.done) == (True, False, True)
    assert (collector.answer().stop, collector.answer().text, collector.answer().model) == (None, "hi", "m")


def test_a_stream_that_was_cut_short_by_the_model_keeps_what_came() -> None:
    end = event("incomplete", response={"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}})
    answer = feed(added(0, "message"), TEXT, added(1), arguments(1, '{"a'), end).answer()
    assert (answer.stop, answer.text, answer.tool_calls) == ("length", "hi", (ToolCall("c1", "a", '{"a'),))


TEXT_ITEM: Final = added(0, "message")
TWICE: Final = {"type": "function_call", "id": "i0", "call_id": "c0", "name": "a", "arguments": "{}"}
ATTACKS: list[tuple[str, list[Json]]] = [
    ("an end with other arguments", [added(0), arguments(0, '{"amount":5}'), done(0, arguments='{"amount":5000}')]),
    (
        "done arguments that differ",
        [added(0), arguments(0, "{"), event("function_call_arguments.done", item_id="i0", arguments="{}")],
    ),
    ("two ends that differ", [added(0), done(0), done(0, arguments="[]")]),
    ("an end under another name", [added(0), arguments(0, "{}"), done(0, name="b")]),
    ("an end under another id", [added(0), arguments(0, "{}"), done(0, call_id="other")]),
    ("a response with other arguments", [added(0), done(0), completed(output=[{**TWICE, "arguments": "[]"}])]),
    ("a response with another name", [added(0), done(0), completed(output=[{**TWICE, "name": "b"}])]),
    ("a response without an item that was shown", [added(0), done(0), added(1), done(1), completed(output=[TWICE])]),
    ("more after its end", [added(0), done(0), arguments(0, " ")]),
    ("a call without an end", [added(0), arguments(0, "{}"), completed()]),
    ("an item begun twice", [added(0), added(0)]),
    ("items out of order", [added(1), added(0)]),
    ("two items under one id", [added(0), {**added(1), "item": added(0)["item"]}]),
    ("an id and an index of two items", [added(0), added(1), {**arguments(0, "{}"), "output_index": 1}]),
    ("arguments of no item", [arguments(0, "{}")]),
    ("arguments of a message", [TEXT_ITEM, arguments(0, "{}")]),
    ("text of a call", [added(0), TEXT]),
    ("a call that ends as a message", [added(0), done(0, "message")]),
    ("an end without arguments", [added(0), event("function_call_arguments.done", item_id="i0")]),
    ("an item without content", [event("output_item.added", output_index=0)]),
    ("an end of nothing", [event("output_item.done", output_index=0)]),
    ("a part of an unknown kind", [TEXT_ITEM, event("content_part.added", item_id="i0", part={"type": "audio"})]),
    ("a part of no kind", [TEXT_ITEM, event("content_part.added", item_id="i0")]),
    ("an end without a response", [event("completed")]),
    ("an end that failed", [event("failed", response={"status": "failed"})]),
    ("an end that did not end", [event("completed", response={"status": "in_progress"})]),
    ("an error", [{"type": "error", "message": "secret"}]),
    ("something after its end", [completed(), TEXT_ITEM]),
    (
        "a file's citation",
        [TEXT_ITEM, event("output_text.annotation.added", item_id="i0", annotation={"type": "file_citation"})],
    ),
    ("more calls than a bound", [added(n) for n in range(129)]),
    *((f"an item of kind {kind}", [added(0, kind)]) for kind in ("web_search_call", "mcp_call", "custom_tool_call")),
    ("an event of a search that no item began", [event("web_search_call.searching", item_id="i0", output_index=0)]),
    ("code of an item that is none", [TEXT_ITEM, event("code_interpreter_call_code.done", item_id="i0", code="x")]),
    *((f"an end of kind {kind}", [done(0, kind)]) for kind in ("web_search_call", "mcp_call", "custom_tool_call")),
    ("a response with what nobody granted", [completed(output=[{"type": "mcp_call"}])]),
]


@pytest.mark.parametrize(("what", "events"), ATTACKS, ids=[row[0] for row in ATTACKS])
def test_what_is_ambiguous_or_not_granted_ends_the_stream(what: str, events: list[Json]) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        feed(*events)
    assert "secret" not in caught.value.detail, what


def test_a_key_twice_in_what_carries_a_call_ends_the_stream() -> None:
    whole = json.dumps(added(0))
    with pytest.raises(UpstreamFailed, match="names a key twice"):
        Collector(MAX).feed((whole[:-1] + ', "output_index": 0}').encode())


def test_what_is_no_event_ends_the_stream() -> None:
    for data in (b"{", b"[]", b"{}", b'{"type": 1}'):
        with pytest.raises(UpstreamFailed, match="not the JSON of a response's event"):
            Collector(MAX).feed(data)


def test_a_stream_over_its_bound_ends() -> None:
    collector = Collector(5)
    collector.feed(json.dumps(TEXT_ITEM).encode())
    with pytest.raises(UpstreamFailed, match="larger than 5 characters") as caught:
        collector.feed(json.dumps({**TEXT, "delta": "123456"}).encode())
    assert caught.value.reason == "upstream.too_large"


SECOND: Final = [TEXT_ITEM, TEXT, added(1, "message"), {**TEXT, "item_id": "i1", "output_index": 1}]
BACK: list[tuple[str, list[Json]]] = [
    ("text", [*SECOND, TEXT]),
    ("text of another part", [TEXT_ITEM, TEXT, {**TEXT, "content_index": 1}, TEXT]),
    (
        "a citation",
        [*SECOND, event("output_text.annotation.added", item_id="i0", annotation={"type": "url_citation", "url": "u"})],
    ),
    (
        "a seal",
        [
            added(0, "reasoning"),
            event("reasoning_text.delta", item_id="i0", content_index=0, delta="x"),
            added(1, "message"),
            {**TEXT, "item_id": "i1", "output_index": 1},
            done(0, "reasoning", encrypted_content="E"),
        ],
    ),
]


@pytest.mark.parametrize(("what", "events"), BACK, ids=[row[0] for row in BACK])
def test_a_stream_does_not_go_back(what: str, events: list[Json]) -> None:
    """A client is shown pieces as they come: an answer put together otherwise would not be what was shown."""
    feed(*events[:-1])
    with pytest.raises(UpstreamFailed, match="goes back to a part that another one has followed"):
        feed(*events)
    assert what


def test_an_item_that_has_ended_is_told_no_further() -> None:
    """Its seal has gone to the client: what comes after it would stand in a second reasoning, without one."""
    thought = event("reasoning_text.delta", item_id="i0", content_index=0, delta="x")
    sealed = done(0, "reasoning", encrypted_content="E")
    with pytest.raises(UpstreamFailed, match="goes on with an item that it had ended"):
        feed(added(0, "reasoning"), thought, sealed, thought)


def test_a_call_between_two_pieces_of_text_cuts_nothing() -> None:
    answer = feed(TEXT_ITEM, TEXT, added(1, name="a", call_id="c"), TEXT).answer()
    assert answer.text == TEXT["delta"] * 2


@pytest.mark.parametrize("field", ["id", "call_id", "name"])
def test_names_have_a_bound(field: str) -> None:
    with pytest.raises(UpstreamFailed, match="larger than"):
        feed(*(added(n, **{field: f"{n}" + "x" * 30_000}) for n in range(4)))


def test_citations_of_nothing_have_a_bound() -> None:
    collector = Collector(1000)
    collector.feed(json.dumps(TEXT_ITEM).encode())
    nothing = event("output_text.annotation.added", output_index=0, annotation={"type": "url_citation", "url": ""})
    for _ in range(9):
        collector.feed(json.dumps(nothing).encode())
    with pytest.raises(UpstreamFailed, match="larger than 1000 characters"):
        collector.feed(json.dumps(nothing).encode())


UNDERSTOOD: Final = frozenset(
    {
        "completed created failed in_progress incomplete queued",
        "content_part.added content_part.done output_item.added output_item.done",
        "function_call_arguments.delta function_call_arguments.done",
        "output_text.delta output_text.done output_text.annotation.added refusal.delta refusal.done",
        "reasoning_text.delta reasoning_text.done reasoning_summary_part.added reasoning_summary_part.done",
        "reasoning_summary_text.delta reasoning_summary_text.done",
    }
)
NAMES: Final = frozenset(f"response.{name}" for line in UNDERSTOOD for name in line.split()) | {"error"}
UNION: Final = frozenset(
    get_args(member.model_fields["type"].annotation)[0] for member in get_args(get_args(ResponseStreamEvent)[0])
)


def test_every_event_that_is_understood_is_one_of_the_sdk() -> None:
    assert NAMES <= UNION


@pytest.mark.parametrize("kind", sorted(UNION - NAMES))
def test_every_other_event_of_the_sdk_is_refused_by_its_name(kind: str) -> None:
    with pytest.raises(UpstreamFailed, match=kind):
        Collector(MAX).feed(json.dumps({"type": kind}).encode())


@settings(deadline=None)
@given(answers())
def test_a_whole_answer_and_its_stream_are_one(said: Answer) -> None:
    """The last event repeats the whole response: read by itself it is the same answer."""
    writer = EventWriter(Envelope("019ab", 7, "small", Request(model="support", messages=(), wants_usage=True)))
    stream = writer.deltas(pieces(said)) + writer.end(said, "", RECEIPT)
    last = json.loads(EventReader().feed(stream)[-1])
    assert without_ids(upstream.answer(json.dumps(last["response"]).encode())) == sealed_by_us(said)


SCRIPTED: Final = WIRE.parent / "responses"
BOTH: Final = sorted(path.stem for path in SCRIPTED.glob("*.sse") if path.with_suffix(".json").exists())


def outcome(read: Callable[[], Answer]) -> Answer | str:
    try:
        return read()
    except UpstreamFailed as failed:
        return failed.detail


def answered(stream: bytes) -> Answer:
    collector, _ = collect(stream)
    return collector.answer()


@pytest.mark.parametrize("name", BOTH)
def test_a_scripted_answer_is_the_same_whole_and_streamed(name: str) -> None:
    """What is refused is refused in both forms, in the same words."""
    whole = json.dumps(json.loads((SCRIPTED / f"{name}.json").read_text())["body"]).encode()
    stream = (SCRIPTED / f"{name}.sse").read_bytes()
    assert outcome(lambda: upstream.answer(whole)) == outcome(lambda: answered(stream))
