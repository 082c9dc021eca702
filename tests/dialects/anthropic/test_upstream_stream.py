# SPDX-License-Identifier: Apache-2.0
"""A stream amounts to the same answer however it was cut, and no byte of a call passes before it is whole."""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dialects.anthropic.values import ENVELOPE, RECEIPT, answers

from customhouse.dialects.anthropic.reply import whole
from customhouse.dialects.anthropic.reply_stream import EventWriter
from customhouse.dialects.anthropic.upstream_answer import MAX_BLOCKS, MAX_CALLS, answer
from customhouse.dialects.anthropic.upstream_stream import Collector
from customhouse.dialects.sse import EventReader
from customhouse.domain.answer import Answer, Cited, Delta, Ended, Piece, Usage
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import ProviderCall, Reasoning, Refusal, Seal, Text, ToolCall

Json = dict[str, Any]
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
CUTS = st.lists(st.integers(0, 1000), max_size=6)
START: Final[Json] = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 1, "cache_read_input_tokens": 7},
    },
}
TEXT: Final[Json] = {"type": "text", "text": ""}
THINKING: Final[Json] = {"type": "thinking", "thinking": "", "signature": ""}
CALL: Final[Json] = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
STOP: Final[Json] = {"type": "message_stop"}


def begun(index: int, block: Json) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": block}


def changed(index: int, kind: str, **fields: object) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def closed(index: int) -> Json:
    return {"type": "content_block_stop", "index": index}


def ended(word: str = "end_turn", **usage: int) -> Json:
    delta = {"stop_reason": word, "stop_sequence": None}
    return {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 9, **usage}}


def collected(events: Iterable[Json], max_chars: int = 100_000) -> tuple[Collector, list[Delta]]:
    collector = Collector(max_chars)
    passed = [delta for event in events for delta in collector.feed(json.dumps(event).encode())]
    return collector, passed


def pieces(text: str, cuts: Sequence[int]) -> list[str]:
    places = [0, *sorted(place % (len(text) + 1) for place in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


@given(WORDS, WORDS, CUTS, CUTS)
@settings(deadline=None)
def test_however_a_call_is_cut_it_is_the_same_call(
    arguments: str, text: str, argument_cuts: list[int], text_cuts: list[int]
) -> None:
    collector, passed = collected(
        [
            START,
            begun(0, TEXT),
            *(changed(0, "text_delta", text=piece) for piece in pieces(text, text_cuts)),
            closed(0),
            begun(1, CALL),
            *(changed(1, "input_json_delta", partial_json=piece) for piece in pieces(arguments, argument_cuts)),
            closed(1),
            ended("tool_use"),
            STOP,
        ]
    )
    found = collector.answer()
    assert (collector.started, collector.finished, collector.done) == (True, True, True)
    assert found.content == (Text(text), ToolCall("t1", "look", arguments))
    assert found.usage == Usage(12, 9, cached_tokens=7)
    assert all(isinstance(delta, Piece) and delta.kind == "text" for delta in passed), "nothing of a call passed"
    assert "".join(delta.text for delta in passed if isinstance(delta, Piece)) == text


@given(answers(), st.lists(st.integers(0, 10_000), max_size=12))
@settings(deadline=None)
def test_what_we_write_is_read_back_as_the_same_wherever_it_is_cut(said: Answer, cuts: list[int]) -> None:
    """Our own writer against our own reader: whole, and streamed in pieces that break anywhere, also inside UTF-8."""
    assert answer(whole(said, ENVELOPE, RECEIPT)) == said
    stream = _streamed(said)
    places = [0, *sorted(place % (len(stream) + 1) for place in cuts), len(stream)]
    reader, collector = EventReader(), Collector(1_000_000)
    for start, end in pairwise(places):
        for data in reader.feed(stream[start:end]):
            collector.feed(data)
    assert collector.finished
    assert collector.answer() == said


def _streamed(said: Answer) -> bytes:
    """Write an answer as its deltas, a character at a time, and what a writer adds at the end."""
    writer = EventWriter(ENVELOPE)
    deltas: list[Delta] = []
    for place, part in enumerate(said.content):
        match part:
            case Text():
                deltas += [Piece(place, "text", character) for character in part.text]
                deltas += [Cited(place, citation) for citation in part.citations]
            case Reasoning():
                deltas += [Piece(place, "reasoning", character) for character in part.text]
                deltas.append(Ended(place, part))
            case Refusal():
                deltas.append(Piece(place, "refusal", part.text))
            case ToolCall() | ProviderCall():
                pass
    return b"".join(writer.deltas([delta]) for delta in deltas) + writer.end(said, "", RECEIPT)


def test_reasoning_is_sealed_when_its_block_ends() -> None:
    collector, passed = collected(
        [
            START,
            begun(0, THINKING),
            changed(0, "thinking_delta", thinking="Hm"),
            changed(0, "thinking_delta", thinking="."),
            changed(0, "signature_delta", signature="c2ln"),
            closed(0),
            begun(1, {"type": "redacted_thinking", "data": "eHg="}),
            closed(1),
            begun(2, TEXT),
            changed(2, "text_delta", text="So."),
            closed(2),
            ended(),
            STOP,
        ]
    )
    told = Reasoning(text="Hm.", seal=Seal(dialect="anthropic", value="c2ln"))
    hidden = Reasoning(redacted=True, seal=Seal(dialect="anthropic", value="eHg="))
    assert passed == [
        Piece(0, "reasoning", "Hm"),
        Piece(0, "reasoning", "."),
        Ended(0, told),
        Ended(1, hidden),
        Piece(2, "text", "So."),
    ]
    assert collector.answer().content == (told, hidden, Text("So."))


def test_counts_at_the_end_replace_those_of_the_start() -> None:
    collector, _ = collected([START, ended(input_tokens=6, cache_creation_input_tokens=2), STOP])
    assert collector.answer().usage == Usage(15, 9, cached_tokens=7, cache_written_tokens=2)


def test_why_a_model_declined_comes_at_the_end() -> None:
    end = ended("refusal")
    end["delta"]["stop_details"] = {"type": "refusal", "explanation": "Not that."}
    collector, passed = collected([START, end, STOP])
    assert passed == [Piece(0, "refusal", "Not that.")]
    assert (collector.answer().stop, collector.answer().refusal) == ("refusal", "Not that.")


def test_a_call_whose_input_came_at_once_or_not_at_all() -> None:
    collector, _ = collected(
        [START, begun(0, {**CALL, "input": {"n": 1}}), closed(0), begun(1, CALL), closed(1), ended("tool_use"), STOP]
    )
    assert [call.arguments for call in collector.answer().tool_calls] == ['{"n": 1}', "{}"]


def test_pings_and_events_of_later_versions_are_passed_over() -> None:
    collector, passed = collected([{"type": "ping"}, START, {"type": "message_hint", "index": 4}, ended(), STOP])
    assert (collector.finished, passed) == (True, [])


@pytest.mark.parametrize(
    ("events", "started", "finished"),
    [
        ([], False, False),
        ([START], False, False),
        ([START, begun(0, TEXT)], True, False),
        ([START, begun(0, TEXT), closed(0)], True, False),
        ([START, ended()], True, False),
        ([START, STOP], False, False),
        ([START, ended(), STOP], True, True),
    ],
)
def test_when_a_stream_is_whole(events: list[Json], started: bool, finished: bool) -> None:  # noqa: FBT001 - a row
    collector, _ = collected(events)
    assert (collector.started, collector.finished) == (started, finished)


def test_what_was_said_before_a_cut_is_kept() -> None:
    collector, _ = collected([START, begun(0, THINKING), changed(0, "thinking_delta", thinking="Hm")])
    assert collector.answer().content == (Reasoning(text="Hm"),)
    collector, _ = collected([START, begun(0, CALL), changed(0, "input_json_delta", partial_json='{"n"')])
    assert collector.answer().content == (ToolCall("t1", "look", '{"n"'),)
    assert collector.answer().stop is None


@pytest.mark.parametrize(
    "events",
    [
        [START, START],
        [begun(0, TEXT)],
        [START, begun(1, TEXT)],
        [START, begun(0, TEXT), begun(1, TEXT)],
        [START, begun(0, TEXT), closed(1)],
        [START, closed(0)],
        [START, changed(0, "text_delta", text="x")],
        [START, begun(0, TEXT), changed(1, "text_delta", text="x")],
        [START, begun(0, TEXT), closed(0), changed(0, "text_delta", text="x")],
        [START, begun(0, TEXT), ended()],
        [START, ended(), begun(0, TEXT)],
        [START, begun(0, TEXT), STOP],
        [ended()],
        [{"type": "message_start"}],
        [{"index": 0}],
        [START, {"type": "content_block_start", "index": 0}],
        [START, begun(0, {**CALL, "input": {"n": 1}}), changed(0, "input_json_delta", partial_json='{"n":2}')],
    ],
)
def test_a_stream_that_is_not_the_dialect_is_a_failure(events: list[Json]) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        collected(events)
    assert caught.value.reason == "upstream.protocol"


@pytest.mark.parametrize(
    "events",
    [
        [START, begun(0, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})],
        [START, begun(0, {"type": "mcp_tool_use", "id": "s", "name": "x", "server_name": "y", "input": {}})],
        [START, begun(0, {"type": "web_search_tool_result", "tool_use_id": "s", "content": []})],
        [START, begun(0, TEXT), changed(0, "compaction_delta", content="x")],
        [START, begun(0, TEXT), changed(0, "input_json_delta", partial_json="{}")],
        [START, begun(0, CALL), changed(0, "text_delta", text="x")],
        [START, begun(0, TEXT), changed(0, "citations_delta", citation={"type": "search_result_location"})],
    ],
)
def test_what_nobody_granted_is_a_failure_that_names_it(events: list[Json]) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        collected(events)
    assert caught.value.reason == "upstream.ungranted"


@pytest.mark.parametrize(
    ("kind", "reason"), [("overloaded_error", "upstream.limited"), ("api_error", "upstream.protocol")]
)
def test_an_error_in_the_middle_is_a_failure(kind: str, reason: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        collected([START, begun(0, TEXT), {"type": "error", "error": {"type": kind, "message": "busy"}}])
    assert caught.value.reason == reason


def test_a_name_given_twice_in_a_call_is_a_failure() -> None:
    collector, _ = collected([START])
    twice = json.dumps(begun(0, CALL)).replace('"name": "look"', '"name": "look", "name": "issue_refund"')
    with pytest.raises(UpstreamFailed, match="twice"):
        collector.feed(twice.encode())


def test_blocks_of_nothing_have_a_bound() -> None:
    empty = [event for index in range(MAX_BLOCKS) for event in (begun(index, TEXT), closed(index))]
    collector, _ = collected([START, *empty], max_chars=50)
    assert len(collector.answer().content) == MAX_BLOCKS
    with pytest.raises(UpstreamFailed, match="more than 1024 blocks"):
        collector.feed(json.dumps(begun(MAX_BLOCKS, TEXT)).encode())


def test_calls_have_a_bound() -> None:
    """A client can ask for as many: its own turn fails, and the breaker does not count it."""
    with pytest.raises(UpstreamFailed, match="more than 128 tool calls") as caught:
        collected([START, *(event for place in range(MAX_CALLS + 1) for event in (begun(place, CALL), closed(place)))])
    assert caught.value.reason == "upstream.too_large"


def test_citations_of_nothing_have_a_bound() -> None:
    nothing = changed(0, "citations_delta", citation={"type": "char_location"})
    with pytest.raises(UpstreamFailed, match="larger than 1000 characters"):
        collected([START, begun(0, TEXT), *[nothing] * 11], max_chars=1000)


@pytest.mark.parametrize(
    "event",
    [
        changed(0, "text_delta", text="x" * 60),
        begun(0, {"type": "redacted_thinking", "data": "x" * 60}),
        begun(0, {**CALL, "input": {"n": "x" * 60}}),
    ],
)
def test_what_is_collected_is_bounded(event: Json) -> None:
    opening = [START, begun(0, TEXT)] if event["type"] == "content_block_delta" else [START]
    with pytest.raises(UpstreamFailed, match="larger than 50 characters") as caught:
        collected([*opening, event], max_chars=50)
    assert caught.value.reason == "upstream.too_large"
