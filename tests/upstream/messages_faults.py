# SPDX-License-Identifier: Apache-2.0
"""What goes wrong after a good start in Anthropic's Messages API: streams that break off, lie, or say two things."""

from collections.abc import Iterator
from typing import Any, Final

from tests.upstream.messages import (
    REQUEST_ID,
    Block,
    Edit,
    Said,
    answer,
    delta,
    error,
    message,
    start,
    stop,
    text,
    tool_use,
)
from tests.upstream.wire import (
    END_OF_CHUNKS,
    Close,
    Hold,
    Received,
    Reply,
    Send,
    Step,
    Wait,
    as_json,
    event,
    event_stream_head,
    piece,
    whole,
)

STATUS: Final = tool_use("get_order_status", {"order_id": "A-1001"})
REFUND: Final = tool_use("issue_refund", {"order_id": "A-1001", "amount": "25.00"}, 1)
LAST: Final = ("content_block_stop", "message_delta", "message_stop")


def cut(after: int) -> Edit:
    """Close the connection after so many events."""
    return lambda planned: [*planned[:after], Close()]


def without(*names: str) -> Edit:
    """Leave these events out and end cleanly."""
    return lambda planned: [said for said in planned if said.name not in names]


def put(at: int, *more: Said | Step, then_end: bool = False) -> Edit:
    """Put events in between; `then_end` sends nothing after them."""
    return lambda planned: [*planned[:at], *more, *(() if then_end else planned[at:])]


def slow(planned: list[Said]) -> list[Said | Step]:
    """Let 0.2 s pass before each event."""
    return [one for said in planned for one in (Wait(0.2), said)]


def interleaved(planned: list[Said]) -> list[Said]:
    """Send the events of two blocks in turns, which the provider does not do and clients would mix up."""
    first, second = ([said for said in planned if said.data.get("index") == index] for index in (0, 1))
    turns = [said for pair in zip(first[:-1], second[:-1], strict=False) for said in pair]
    rest = [said for said in (*first, *second) if all(said is not other for other in turns)]
    return [planned[0], *turns, *rest, *planned[-2:]]


def renumbered(index: int) -> Edit:
    """Give the second block another number than 1."""

    def edit(planned: list[Said]) -> list[Said]:
        moved = [Said(name, {**data, "index": index}) for name, data in planned if data.get("index") == 1]
        kept = [said for said in planned if said.data.get("index") != 1]
        return [*kept[:-2], *moved, *kept[-2:]]

    return edit


def renamed(name: str, to: str | None) -> Edit:
    """Send the events whose name begins so under another name; the object keeps its type."""

    def edit(planned: list[Said]) -> list[Said | Step]:
        return [piece(event(said.data, to)) if said.name.startswith(name) else said for said in planned]

    return edit


def changed(of: str, **to: Any) -> Edit:  # noqa: ANN401
    """Change fields of the `content_block` or `delta` of each event that has one."""

    def edit(planned: list[Said]) -> list[Said]:
        return [
            Said(said.name, {**said.data, of: {**said.data[of], **to}}) if of in said.data else said for said in planned
        ]

    return edit


def inputs(*parts: str) -> Edit:
    """Send the only block's input as these parts."""
    return lambda planned: [
        *(said for said in planned if said.name in {"message_start", "content_block_start"}),
        *(delta(0, {"type": "input_json_delta", "partial_json": part}) for part in parts),
        *(said for said in planned if said.name in LAST),
    ]


def raw(content: str) -> Reply:
    """Answer 200 with these exact bytes as JSON body; a stream gets them as its one event."""

    def reply(request: Received) -> Iterator[Step]:
        if request.streamed:
            yield event_stream_head(request_id=REQUEST_ID)
            yield piece(f"event: message_start\ndata: {content}\n\n".encode())
            yield END_OF_CHUNKS
        else:
            yield whole(200, content.encode(), request_id=REQUEST_ID)

    return reply


def ragged(planned: list[Said]) -> list[Step]:
    """Send one byte at a time."""
    return [piece(bytes((value,))) for said in planned for value in event(said.data, said.name)]


def wrong_length(request: Received) -> Iterator[Step]:
    """Promise more bytes than come, then close."""
    yield Send(whole(200, as_json(message(request, [text()], "end_turn"))).content[:-20])
    yield Close()


def _stray(index: int, kind: str = "text_delta", **value: Any) -> Said:  # noqa: ANN401
    return delta(index, {"type": kind, **value})


OVERLOADED: Final = Said("error", error("overloaded_error", "Overloaded"))
HINT: Final = Said("content_block_hint", {"type": "content_block_hint", "index": 0, "hint": "more to come"})
STRANGE: Final[Block] = {"type": "hologram", "id": "holo_1", "name": "issue_refund", "input": {"order_id": "A-1001"}}

FAULTS: Final[dict[str, Reply]] = {
    "cut-stream": answer(text(), edit=cut(5)),
    "cut-before-first": answer(text(), edit=cut(0)),
    "cut-in-call": answer(REFUND, edit=cut(5)),
    "cut-call": answer(STATUS, stop="max_tokens", edit=inputs("", '{"order_id": "A-')),
    "no-finish": answer(text(), edit=without("message_delta")),
    "no-stop": answer(text(), edit=without("message_stop")),
    "clean-end-no-done": answer(text(), edit=without("message_delta", "message_stop")),
    "no-block-stop": answer(STATUS, edit=without("content_block_stop")),
    "no-start": answer(text(), edit=without("message_start")),
    "empty-stream": answer(edit=lambda _planned: ()),
    "slow-chunks": answer(text(), edit=slow),
    "hang-in-stream": answer(text("one two"), edit=put(4, Hold())),
    "bad-chunk": answer(text(), edit=put(4, piece(b"event: content_block_delta\ndata: {not json\n\n"))),
    "error-in-stream": answer(text(), edit=put(4, OVERLOADED, then_end=True)),
    "error-first": answer(text(), edit=lambda _planned: (OVERLOADED,)),
    "error-with-200": raw(as_json(error("api_error", "Internal server error")).decode()),
    "ragged-stream": answer(text("héllo wörld ✓"), edit=ragged),
    "wrong-json": raw('{"type": "message", "content": [{'),
    "not-an-object": raw("[]"),
    "no-content": raw('{"id":"msg_1","type":"message","role":"assistant","model":"m","stop_reason":"end_turn"}'),
    "wrong-length": wrong_length,
    "interleaved-calls": answer(STATUS, REFUND, edit=interleaved),
    "index-gap": answer(STATUS, REFUND, edit=renumbered(5)),
    "index-twice": answer(STATUS, REFUND, edit=renumbered(0)),
    "delta-before-start": answer(text(), edit=put(1, _stray(0, text="early"))),
    "delta-after-stop": answer(text("one"), edit=put(-2, _stray(0, text="late"))),
    "delta-of-another-kind": answer(text("one"), edit=put(4, _stray(0, "input_json_delta", partial_json="{}"))),
    "start-after-finish": answer(text("one"), edit=put(-1, start(1, {**REFUND, "input": {}}), stop(1))),
    "two-messages": answer(text("one"), edit=lambda planned: [*planned, *planned]),
    "two-types": answer(REFUND, edit=renamed("content_block", "ping")),
    "unnamed-events": answer(text(), edit=renamed("", None)),
    "differing-input": answer(REFUND, edit=changed("content_block", input={"order_id": "A-9999", "amount": "1.00"})),
    "bad-input": answer(REFUND, edit=inputs("", '{"order_id": "A-1001"', "]")),
    "input-no-object": answer(REFUND, edit=inputs("", '["A-1001"]')),
    "duplicate-input-keys": answer(REFUND, edit=inputs("", '{"order_id":"A-1001",', '"order_id":"A-9999"}')),
    "duplicate-name": answer(REFUND, rewrite=(b'"name":"', b'"name":"get_order_status","name":"')),
    "duplicate-input": answer(REFUND, rewrite=(b'"input":{', b'"input":{"order_id":"A-9999"},"input":{')),
    "duplicate-type": answer(REFUND, rewrite=(b'"type":"tool_use"', b'"type":"text","type":"tool_use"')),
    "unknown-event": answer(text(), edit=put(4, HINT)),
    "unknown-block": answer(text(), STRANGE),
    "unknown-delta": answer(text(), edit=put(4, _stray(0, "hologram_delta", hologram="x"))),
    "unknown-stop": answer(text(), stop="tired"),
    "no-usage": answer(text(), usage={}),
    "wrong-usage": answer(text(), usage={"input_tokens": -1, "output_tokens": "nine"}),
}
"""Replies that are wrong in one way each."""
