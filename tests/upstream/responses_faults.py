# SPDX-License-Identifier: Apache-2.0
"""What goes wrong after a good start in OpenAI's Responses API: streams that break off, lie, or say two things."""

from collections.abc import Iterator
from typing import Any, Final

from tests.upstream.responses import (
    RESPONSE_ID,
    Edit,
    Item,
    answer,
    call,
    error_body,
    message,
    numbered,
    response,
    text,
)
from tests.upstream.wire import (
    DONE,
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

STATUS: Final = call("get_order_status", '{"order_id":"A-1001"}')
REFUND: Final = call("issue_refund", '{"order_id":"A-1001","amount":"25.00"}', 1)
OTHER: Final = '{"order_id":"A-9999","amount":"1.00"}'
ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
ARGUMENTS: Final = "response.function_call_arguments"


def cut(after: int) -> Edit:
    """Close the connection after so many events."""
    return lambda planned: [*planned[:after], Close()]


def without(*kinds: str) -> Edit:
    """Leave events of these types out and end cleanly."""
    return lambda planned: [said for said in planned if said["type"] not in kinds]


def put(at: int, *more: Item | Step, then_end: bool = False) -> Edit:
    """Put events in between; `then_end` sends nothing after them."""

    def edit(planned: list[Item]) -> list[Item | Step]:
        number: int = planned[at]["sequence_number"]
        filled = [{"sequence_number": number, **one} if isinstance(one, dict) else one for one in more]
        return [*planned[:at], *filled, *(() if then_end else planned[at:])]

    return edit


def changed(kind: str, *, within: str | None = None, **to: Any) -> Edit:  # noqa: ANN401
    """Change fields of the events of one type, or of the object they hold."""

    def edit(planned: list[Item]) -> list[Item]:
        return [_with(said, within, to) if said["type"] == kind else said for said in planned]

    return edit


def ending(**to: Any) -> Edit:  # noqa: ANN401
    """Change fields of the response that the last event holds."""
    return lambda planned: [*planned[:-1], _with(planned[-1], "response", to)]


def slow(planned: list[Item]) -> list[Item | Step]:
    """Let 0.2 s pass before each event."""
    return [one for said in planned for one in (Wait(0.2), said)]


def interleaved(planned: list[Item]) -> list[Item]:
    """Send the events of two items in turns, as a provider may: `output_index` tells them apart."""
    first, second = ([said for said in planned if said.get("output_index") == index] for index in (0, 1))
    turns: list[Item] = []
    for number in range(max(len(first), len(second))):
        turns += [*first[number : number + 1], *second[number : number + 1]]
    return numbered([*planned[:2], *turns, planned[-1]])


def renumbered(index: int) -> Edit:
    """Give the events of the second item another index than 1."""
    return lambda planned: [
        {**said, "output_index": index} if said.get("output_index") == 1 else said for said in planned
    ]


def renamed(kind: str, to: str | None) -> Edit:
    """Send the events of one type, or `every` one, under another name; the object keeps its type."""
    return lambda planned: [piece(event(said, to)) if kind in {said["type"], "every"} else said for said in planned]


def ragged(planned: list[Item]) -> list[Step]:
    """Send one byte at a time."""
    return [piece(bytes((value,))) for said in planned for value in event(said, said["type"])]


def raw(content: str) -> Reply:
    """Answer 200 with these exact bytes as JSON body; a stream gets them as its one event."""

    def reply(request: Received) -> Iterator[Step]:
        if request.streamed:
            yield event_stream_head()
            yield piece(f"event: response.completed\ndata: {content}\n\n".encode())
            yield END_OF_CHUNKS
        else:
            yield whole(200, content.encode())

    return reply


def wrong_length(request: Received) -> Iterator[Step]:
    """Promise more bytes than come, then close."""
    yield Send(whole(200, as_json(response(request, [message(text())]))).content[:-20])
    yield Close()


def _with(said: Item, within: str | None, to: Item) -> Item:
    return {**said, **to} if within is None else {**said, within: {**said[within], **to}}


ERROR: Final[Item] = {"type": "error", "code": "server_error", "message": "The server had an error.", "param": None}
NESTED: Final[Item] = {"type": "error", **error_body("server_error", "The server had an error.", code="server_error")}
HINT: Final[Item] = {"type": "response.hint", "hint": "more to come"}
STRANGE: Final[Item] = {"id": "holo_1", "type": "hologram_call", "name": "issue_refund", "arguments": OTHER}
LATE: Final[Item] = {"type": "response.output_text.delta", "item_id": "msg_0_scripted", "output_index": 0}
LATE_TEXT: Final[Item] = {**LATE, "content_index": 0, "delta": "late", "logprobs": []}
FAILED: Final[Item] = {"code": "server_error", "message": "An error occurred while processing your request."}
ANSWERED: Final = message(text("one two"))

FAULTS: Final[dict[str, Reply]] = {
    "failed": answer(status="failed", error=FAILED, usage=None),
    "cut-stream": answer(message(text()), edit=cut(7)),
    "cut-before-first": answer(message(text()), edit=cut(0)),
    "cut-in-call": answer(REFUND, edit=cut(5)),
    "no-finish": answer(message(text()), edit=without(*ENDS)),
    "clean-end-no-done": answer(message(text()), edit=without(*ENDS)),
    "no-item-done": answer(REFUND, edit=without("response.output_item.done")),
    "no-arguments-done": answer(STATUS, edit=without(f"{ARGUMENTS}.done")),
    "no-start": answer(message(text()), edit=without("response.created", "response.in_progress")),
    "empty-stream": answer(edit=lambda _planned: ()),
    "done-marker": answer(message(text()), edit=lambda planned: [*planned, piece(DONE)]),
    "slow-chunks": answer(message(text()), edit=slow),
    "hang-in-stream": answer(ANSWERED, edit=put(5, Hold())),
    "bad-chunk": answer(message(text()), edit=put(6, piece(b"event: response.output_text.delta\ndata: {not json\n\n"))),
    "error-in-stream": answer(message(text()), edit=put(6, ERROR, then_end=True)),
    "nested-error-in-stream": answer(message(text()), edit=put(6, NESTED, then_end=True)),
    "error-first": answer(message(text()), edit=put(0, ERROR, then_end=True)),
    "error-with-200": raw(as_json(error_body("server_error", "The server had an error.")).decode()),
    "ragged-stream": answer(message(text("héllo wörld ✓")), edit=ragged),
    "wrong-json": raw('{"object": "response", "output": [{'),
    "not-an-object": raw("[]"),
    "no-output": raw('{"id":"resp_1","object":"response","status":"completed","model":"m"}'),
    "wrong-length": wrong_length,
    "still-in-progress": answer(status="in_progress"),
    "interleaved-calls": answer(STATUS, REFUND, edit=interleaved),
    "index-gap": answer(STATUS, REFUND, edit=renumbered(5)),
    "index-twice": answer(STATUS, REFUND, edit=renumbered(0)),
    "sequence-gap": answer(ANSWERED, edit=changed("response.output_text.done", sequence_number=99)),
    "delta-before-start": answer(ANSWERED, edit=put(2, LATE_TEXT)),
    "delta-after-done": answer(ANSWERED, edit=put(-1, LATE_TEXT)),
    "start-after-finish": answer(
        ANSWERED, edit=lambda planned: numbered([*planned, {**planned[2], "output_index": 1, "item": REFUND}])
    ),
    "differing-arguments": answer(REFUND, edit=changed(f"{ARGUMENTS}.done", arguments=OTHER)),
    "differing-item": answer(REFUND, edit=changed("response.output_item.done", within="item", arguments=OTHER)),
    "differing-name": answer(REFUND, edit=changed("response.output_item.added", within="item", name=STATUS["name"])),
    "differing-call-id": answer(REFUND, edit=changed("response.output_item.done", within="item", call_id="call_x")),
    "differing-response": answer(REFUND, edit=ending(output=[{**REFUND, "arguments": OTHER}])),
    "differing-text": answer(ANSWERED, edit=ending(output=[message(text("something else"))])),
    "call-only-at-the-end": answer(ANSWERED, edit=ending(output=[ANSWERED, REFUND])),
    "call-not-at-the-end": answer(ANSWERED, REFUND, edit=ending(output=[ANSWERED])),
    "differing-id": answer(ANSWERED, edit=ending(id=f"{RESPONSE_ID}_other")),
    "bad-arguments": answer(call("issue_refund", '{"order_id":"A-1001"]')),
    "arguments-no-object": answer(call("issue_refund", '["A-1001"]')),
    "duplicate-argument-keys": answer(call("issue_refund", '{"order_id":"A-1001","order_id":"A-9999"}')),
    "two-types": answer(REFUND, edit=renamed("response.output_item.added", "response.output_text.delta")),
    "unnamed-events": answer(message(text()), edit=renamed("every", None)),
    "duplicate-name": answer(REFUND, rewrite=(b'"name":"', b'"name":"get_order_status","name":"')),
    "duplicate-arguments": answer(REFUND, rewrite=(b'"arguments":"', b'"arguments":"{}","arguments":"')),
    "duplicate-type": answer(REFUND, rewrite=(b'"type":"function_call"', b'"type":"message","type":"function_call"')),
    "unknown-event": answer(ANSWERED, edit=put(5, HINT)),
    "unknown-item": answer(ANSWERED, STRANGE),
    "unknown-part": answer(
        ANSWERED, edit=changed("response.content_part.added", part={"type": "hologram", "hologram": "x"})
    ),
    "no-usage": answer(ANSWERED, usage=None),
    "wrong-usage": answer(ANSWERED, usage={"input_tokens": -1, "output_tokens": "nine", "total_tokens": None}),
}
"""Replies that are wrong in one way each."""
