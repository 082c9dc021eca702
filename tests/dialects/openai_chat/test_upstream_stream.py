# SPDX-License-Identifier: Apache-2.0
"""A stream amounts to the same answer however it was cut, and no byte of a call passes before it is whole."""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customhouse.dialects.openai_chat.upstream_answer import MAX_CALLS
from customhouse.dialects.openai_chat.upstream_stream import MAX_PARTS, Collector
from customhouse.dialects.sse import EventReader
from customhouse.domain.answer import Answer, Cited, Delta, Piece, Usage
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import Reasoning, Refusal, Text, ToolCall, WebCitation

Json = dict[str, Any]
WIRE: Final = sorted((Path(__file__).parents[2] / "golden" / "wire").glob("*.txt"))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def chunk(delta: Json | None = None, finish: str | None = None, **fields: object) -> Json:
    return {"id": "x", "model": "m", "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **fields}


def call(index: int | None = 0, **fields: object) -> Json:
    function = {name: value for name, value in fields.items() if name != "id"}
    return {
        "tool_calls": [
            {**({"index": index} if index is not None else {}), "id": fields.get("id"), "function": function}
        ]
    }


def collected(chunks: Iterable[Json], max_bytes: int = 100_000) -> tuple[Answer, Sequence[Delta]]:
    collector = Collector(max_bytes)
    passed = [delta for one in chunks for delta in collector.feed(json.dumps(one).encode())]
    return collector.answer(), passed


def pieces(text: str, cuts: Sequence[int]) -> list[str]:
    places = [0, *sorted(place % (len(text) + 1) for place in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


CUTS = st.lists(st.integers(0, 1000), max_size=6)


@given(TEXT, TEXT, TEXT, CUTS, CUTS, CUTS)
@settings(deadline=None)
def test_however_a_call_is_cut_it_is_the_same_call(
    name: str, arguments: str, text: str, name_cuts: list[int], argument_cuts: list[int], text_cuts: list[int]
) -> None:
    end: list[Json] = [
        chunk(finish="tool_calls"),
        {"id": "x", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    ]
    at_once = [chunk({"content": text}), chunk(call(id="c1", name=name, arguments=arguments)), *end]
    in_pieces = [
        *(chunk({"content": piece}) for piece in pieces(text, text_cuts)),
        chunk(call(id="c1")),
        *(chunk(call(name=piece)) for piece in pieces(name, name_cuts)),
        *(chunk(call(arguments=piece)) for piece in pieces(arguments, argument_cuts)),
        *end,
    ]
    answer, passed = collected(in_pieces)
    assert answer == collected(at_once)[0]
    assert answer.tool_calls == (ToolCall("c1", name, arguments),)
    assert "".join(delta.text for delta in passed if isinstance(delta, Piece)) == text, (
        "text passes, nothing of the call does"
    )


@given(st.lists(st.tuples(st.integers(0, 2), TEXT), min_size=1, max_size=12))
@settings(deadline=None)
def test_interleaved_calls_are_told_apart_by_their_index(deltas: list[tuple[int, str]]) -> None:
    answer, passed = collected(chunk(call(index, name=piece)) for index, piece in deltas)
    expected = {index: "" for index, _ in sorted(deltas)}
    for index, piece in deltas:
        expected[index] += piece
    assert [found.name for found in answer.tool_calls] == list(expected.values())
    assert passed == []


def test_calls_of_one_chunk_without_an_index_are_told_apart_by_their_place() -> None:
    both: Json = {"tool_calls": [{"id": "1", "function": {"name": "a"}}, {"id": "2", "function": {"name": "b"}}]}
    assert [found.name for found in collected([chunk(both)])[0].tool_calls] == ["a", "b"]


def test_the_first_id_of_a_call_stays() -> None:
    answer, _ = collected([chunk(call(id="first", name="a")), chunk(call(id="second"))])
    assert answer.tool_calls == (ToolCall("first", "a", ""),)


def test_the_legacy_field_is_collected_and_held_back_too() -> None:
    deltas: list[Json] = [
        {"function_call": {"name": "issue_"}},
        {"function_call": {"name": "refund", "arguments": "{}"}},
    ]
    answer, passed = collected(chunk(delta) for delta in deltas)
    assert answer.tool_calls == (ToolCall("call_0", "issue_refund", "{}"),)
    assert passed == []


def test_what_may_pass_passes_in_its_own_field() -> None:
    deltas: list[Json] = [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "hm"},
        {"content": "a"},
        {"refusal": "no"},
    ]
    answer, passed = collected(chunk(delta) for delta in deltas)
    assert passed == [Piece(0, "reasoning", "hm"), Piece(1, "text", "a"), Piece(2, "refusal", "no")]
    assert answer.content == (Reasoning(text="hm"), Text("a"), Refusal("no"))


def test_what_the_text_rests_on_passes_with_it() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "u", "start_index": 0, "end_index": 1}}
    page = WebCitation(url="u", start=0, end=1)
    answer, passed = collected([chunk({"content": "a"}), chunk({"annotations": [cited]})])
    assert passed == [Piece(0, "text", "a"), Cited(0, page)]
    assert answer.content == (Text("a", (page,)),)


STARTED: list[tuple[str, list[Json], bool, bool]] = [
    ("nothing", [], False, False),
    ("a chunk of nothing", [chunk()], False, False),
    ("a role alone", [chunk({"role": "assistant", "content": ""})], False, False),
    ("usage alone", [{"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 0}}], False, False),
    ("text", [chunk({"content": "a"})], True, False),
    ("half a call", [chunk(call(name="a"))], True, False),
    ("an end", [chunk(finish="stop")], True, True),
]


@pytest.mark.parametrize(("what", "chunks", "started", "finished"), STARTED, ids=[row[0] for row in STARTED])
def test_whether_it_has_begun_and_ended(what: str, chunks: list[Json], started: bool, finished: bool) -> None:  # noqa: FBT001 - rows
    collector = Collector(100)
    for one in chunks:
        collector.feed(json.dumps(one).encode())
    assert (collector.started, collector.finished) == (started, finished), what


OVER: list[tuple[str, Json]] = [
    ("text", {"content": "x" * 60}),
    ("reasoning", {"reasoning_content": "x" * 60}),
    ("a refusal", {"refusal": "x" * 60}),
    ("a call's name", call(name="x" * 60)),
    ("a call's arguments", call(arguments="x" * 60)),
    ("a legacy call", {"function_call": {"arguments": "x" * 60}}),
]


@pytest.mark.parametrize(("what", "delta"), OVER, ids=[row[0] for row in OVER])
def test_what_is_collected_has_a_bound(what: str, delta: Json) -> None:
    collected([chunk(delta)], max_bytes=100)
    with pytest.raises(UpstreamFailed, match=r"larger than 100 characters") as caught:
        collected([chunk(delta), chunk(delta)], max_bytes=100)
    assert caught.value.reason == "upstream.too_large", what


@pytest.mark.parametrize("before", [[], [chunk({"reasoning": "hm"})]], ids=["at-first", "after-reasoning"])
def test_a_citation_before_any_text_is_kept(before: list[Json]) -> None:
    """Some servers name the pages before they say what rests on them."""
    pages = chunk({"annotations": [{"url_citation": {"url": "u"}}]})
    page = WebCitation(url="u")
    answer, passed = collected([*before, pages, chunk({"content": "x"})])
    assert answer.content[-1] == Text("x", (page,))
    assert passed[len(before) :] == [Cited(len(before), page), Piece(len(before), "text", "x")]


def test_the_ids_of_calls_have_a_bound() -> None:
    with pytest.raises(UpstreamFailed, match=r"larger than 100 characters"):
        collected([chunk(call(0, id="x" * 60)), chunk(call(1, id="y" * 60))], max_bytes=100)


def test_citations_of_nothing_have_a_bound() -> None:
    page = chunk({"annotations": [{"url_citation": {"url": ""}}]})
    with pytest.raises(UpstreamFailed, match=r"larger than 1000 characters"):
        collected([chunk({"content": "x"}), *[page] * 10], max_bytes=1000)


def test_the_number_of_parts_has_a_bound() -> None:
    kinds = [chunk({"content": "x"}), chunk({"reasoning": "x"})]
    assert len(collected(kinds * (MAX_PARTS // 2))[0].content) == MAX_PARTS
    with pytest.raises(UpstreamFailed, match=r"more than 1024 times"):
        collected([*kinds * (MAX_PARTS // 2), kinds[0]])


def test_the_number_of_calls_has_a_bound() -> None:
    assert len(collected(chunk(call(index)) for index in range(MAX_CALLS))[0].tool_calls) == MAX_CALLS
    with pytest.raises(UpstreamFailed, match=r"more than 128 tool calls") as caught:
        collected(chunk(call(index)) for index in range(MAX_CALLS + 1))
    assert caught.value.reason == "upstream.too_large"


def from_wire(stream: bytes, size: int) -> Answer:
    reader, collector = EventReader(), Collector(100_000)
    for start in range(0, len(stream), size):
        for data in reader.feed(stream[start : start + size]):
            collector.feed(data)
    assert collector.done
    return collector.answer()


ANSWERS: Final = {
    "openai": Answer(
        upstream_id="chatcmpl-BxYz12",
        model="gpt-4o-2024-08-06",
        fingerprint="fp_07871e2ad8",
        content=(
            ToolCall("call_Q1", "get_order_status", '{"order_id": "7"}'),
            ToolCall("call_Q2", "search_help_center", '{"query": "refund\\u00e9"}'),
        ),
        stop="tool_calls",
        stop_word="tool_calls",
        usage=Usage(82, 41),
    ),
    "llama-server": Answer(
        upstream_id="chatcmpl-k3",
        model="smollm2-135m",
        fingerprint="b6100-1c2d3e",
        content=(Text("Your order is on its way \u2014 \u5bc4"),),
        stop="stop",
        stop_word="stop",
        usage=Usage(21, 9),
    ),
    "vllm-reasoning": Answer(
        upstream_id="chat-9",
        model="deepseek-r1",
        fingerprint=None,
        content=(Reasoning(text="Two and two."), Text("Four.")),
        stop="length",
        stop_word="length",
        usage=Usage(11, 5),
    ),
}


@pytest.mark.parametrize("path", WIRE, ids=lambda path: path.stem)
@pytest.mark.parametrize("size", [1, 2, 7, 64, 100_000])
def test_a_stream_as_providers_send_it(path: Path, size: int) -> None:
    assert from_wire(path.read_bytes(), size) == ANSWERS[path.stem]


def test_every_wire_file_has_its_answer() -> None:
    assert [path.stem for path in WIRE] == sorted(ANSWERS)
