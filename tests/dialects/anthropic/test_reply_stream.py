# SPDX-License-Identifier: Apache-2.0
"""Blocks one after the other, each as soon as it comes: what the SDK puts together is the answer."""

import json
from typing import Any, cast

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.dialects.anthropic.values import ENVELOPE, RECEIPT, TICKETED
from tests.golden.golden import check_golden

from customhouse.dialects.anthropic.reply_stream import EventWriter
from customhouse.dialects.sse import EventReader
from customhouse.domain.answer import Answer, Cited, Delta, Ended, Piece, Usage
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import Reasoning, Refusal, Seal, Text, ToolCall, WebCitation

Json = dict[str, Any]
EVENTS: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
SEALED = Reasoning(text="Hm.", seal=Seal(dialect="anthropic", value="c2ln"))


def events(content: bytes) -> list[Json]:
    return [json.loads(data) for data in EventReader().feed(content)]


def kinds(content: bytes) -> list[str]:
    return [event["type"] for event in events(content)]


def understood(content: bytes) -> Json:
    """Return what the SDK's own accumulator makes of a stream, every event checked against its types."""
    message = None
    buffers: dict[int, bytes] = {}
    for data in EventReader().feed(content):
        event = EVENTS.validate_json(data)
        message = accumulate_event(event=event, current_snapshot=message, json_bufs=buffers)
    assert message is not None
    return cast("Json", message.to_dict())


def test_a_whole_stream_is_what_the_sdk_puts_together() -> None:
    writer = EventWriter(ENVELOPE)
    page = WebCitation(url="https://x.test", title="X")
    content = b"".join(
        [
            writer.deltas([Piece(0, "reasoning", "Hm"), Piece(0, "reasoning", ".")]),
            writer.deltas([Ended(0, SEALED), Ended(1, Reasoning(redacted=True, seal=SEALED.seal))]),
            writer.deltas([Piece(2, "text", "I "), Piece(2, "text", "look."), Cited(2, page)]),
            writer.end(
                Answer(
                    content=(SEALED, Text("I look."), ToolCall("t1", "look", '{"n": 1}'), ToolCall("t2", "see", "{}")),
                    stop="tool_calls",
                    usage=Usage(12, 5, cached_tokens=10, reasoning_tokens=2),
                ),
                "",
                RECEIPT,
            ),
        ]
    )
    message = understood(content)
    assert [block["type"] for block in message["content"]] == [
        "thinking",
        "redacted_thinking",
        "text",
        "tool_use",
        "tool_use",
    ]
    assert message["content"][0] == {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    assert message["content"][2]["text"] == "I look."
    assert message["content"][2]["citations"][0]["url"] == "https://x.test"
    assert [block["input"] for block in message["content"][3:]] == [{"n": 1}, {}]
    assert (message["id"], message["stop_reason"]) == ("msg_0", "tool_use")
    assert (message["usage"]["input_tokens"], message["usage"]["cache_read_input_tokens"]) == (2, 10)
    assert events(content)[-2]["customhouse"]["release"] == "support@1"
    starts = [event["index"] for event in events(content) if event["type"] == "content_block_start"]
    assert starts == [0, 1, 2, 3, 4]


def test_calls_with_their_tickets() -> None:
    writer = EventWriter(ENVELOPE)
    answer = Answer(content=(Text("I look."), ToolCall("t1", "look", '{"n": 1}')), stop="tool_calls")
    content = writer.deltas([Piece(0, "text", "I look.")]) + writer.end(answer, "", TICKETED)
    check_golden("reply/messages/stream-calls.txt", content.decode())
    assert understood(content)["content"][1]["input"] == {"n": 1}


def test_each_piece_leaves_with_the_call_that_brought_it() -> None:
    writer = EventWriter(ENVELOPE)
    assert kinds(writer.deltas([])) == ["message_start"]
    assert kinds(writer.deltas([Piece(0, "text", "a")])) == ["content_block_start", "content_block_delta"]
    assert kinds(writer.deltas([Piece(0, "text", "b")])) == ["content_block_delta"]
    assert kinds(writer.deltas([Piece(1, "text", "c")])) == [
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
    ]


def test_every_event_has_its_name() -> None:
    writer = EventWriter(ENVELOPE)
    content = writer.deltas([Piece(0, "text", "a")]) + writer.end(
        Answer(content=(Text("a"),), stop="stop"), "", RECEIPT
    )
    lines = content.decode().split("\n")
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert names == kinds(content)


def test_what_we_add_goes_on_in_the_open_text_or_in_its_own() -> None:
    writer = EventWriter(ENVELOPE)
    content = writer.deltas([Piece(0, "text", "a")]) + writer.end(Answer(stop="stop"), "\n\n[customhouse] no", RECEIPT)
    assert [block["text"] for block in understood(content)["content"]] == ["a\n\n[customhouse] no"]
    writer = EventWriter(ENVELOPE)
    content = writer.deltas([Ended(0, SEALED)]) + writer.end(Answer(stop="stop"), "[customhouse] no", RECEIPT)
    assert [block["type"] for block in understood(content)["content"]] == ["thinking", "text"]
    fallback = EventWriter(ENVELOPE).end(Answer(content=(Text("Later."),), stop="stop"), "Later.", RECEIPT)
    assert [block["text"] for block in understood(fallback)["content"]] == ["Later."]


def test_a_refusal_is_said_at_the_end() -> None:
    writer = EventWriter(ENVELOPE)
    content = writer.deltas([Piece(0, "refusal", "No.")]) + writer.end(Answer(content=(Refusal("No."),)), "", RECEIPT)
    message = understood(content)
    assert (message["content"], message["stop_reason"]) == ([], "refusal")
    assert message["stop_details"]["explanation"] == "No."


def test_an_error_is_the_last_event() -> None:
    content = EventWriter(ENVELOPE).fail(UpstreamFailed("it broke"), "t-1")
    assert content.startswith(b"event: error\ndata: ")
    (event,) = events(content)
    assert (event["type"], event["error"]["code"], event["error"]["trace_id"]) == ("error", "upstream.failed", "t-1")


DELTAS: st.SearchStrategy[Delta] = st.builds(
    Piece, st.integers(0, 2), st.sampled_from(["text", "reasoning", "refusal"]), st.text(min_size=1, max_size=3)
) | st.builds(Ended, st.integers(0, 2), st.just(SEALED) | st.just(Reasoning(redacted=True, seal=SEALED.seal)))


@given(st.lists(DELTAS, max_size=12))
@settings(deadline=None)
def test_whatever_order_pieces_come_in_blocks_are_well_formed(deltas: list[Delta]) -> None:
    writer = EventWriter(ENVELOPE)
    content = writer.deltas(deltas) + writer.end(Answer(stop="stop"), "", RECEIPT)
    opened: int | None = None
    expected = 0
    for event in events(content):
        match event["type"]:
            case "content_block_start":
                assert (opened, event["index"]) == (None, expected)
                opened = expected
            case "content_block_delta":
                assert event["index"] == opened
            case "content_block_stop":
                assert event["index"] == opened
                opened, expected = None, expected + 1
            case "message_delta" | "message_stop":
                assert opened is None
            case _:
                assert event["type"] == "message_start"
    said = "".join(delta.text for delta in deltas if isinstance(delta, Piece) and delta.kind == "text")
    assert "".join(block.get("text", "") for block in understood(content)["content"]) == said
