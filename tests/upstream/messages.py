# SPDX-License-Identifier: Apache-2.0
"""Anthropic's Messages API as a provider writes it: blocks, whole messages, and the events of a streamed one.

Shapes: anthropic 2.13.0, types/message.py and types/raw_message_stream_event.py. A streamed message is made from the
whole one, so that both always say the same. `input_tokens` does not include what the cache held.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from tests.upstream.wire import (
    END_OF_CHUNKS,
    Received,
    Reply,
    Step,
    as_json,
    event,
    event_stream_head,
    piece,
    rewritten,
    words,
)
from tests.upstream.wire import whole as whole_response

Block = dict[str, Any]
TEXT: Final = "Your order is on its way and arrives on Friday."
THOUGHT: Final = "The customer asks for an order, so I look it up."
SIGNATURE: Final = "EqoBCkgIARABGAIiQL8scripted/thinking+signature=="
REDACTED: Final = "EmwKAhgBEgy3va3pzix/scripted/redacted+data=="
USAGE: Final = {
    "input_tokens": 21,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 9,
    "service_tier": "standard",
}
REQUEST_ID: Final = "req_011scripted"
PIECE: Final = 7
"""How many characters of a tool's input one event carries."""


class Said(NamedTuple):
    """One event: its name, which is its type too, and its object."""

    name: str
    data: dict[str, Any]


def text(said: str = TEXT, *, citations: Sequence[Block] | None = None) -> Block:
    """Return a text block; with an empty list of citations too, as when documents were given."""
    return {"type": "text", "text": said, **({} if citations is None else {"citations": list(citations)})}


def tool_use(name: str, value: Block, index: int = 0) -> Block:
    """Return one proposed tool call."""
    return {"type": "tool_use", "id": f"toolu_{index}_{name}", "name": name, "input": value}


def thinking(said: str = THOUGHT, signature: str = SIGNATURE) -> Block:
    """Return a thinking block."""
    return {"type": "thinking", "thinking": said, "signature": signature}


def message(request: Received, content: Sequence[Block], stop_reason: str | None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a whole message object."""
    return {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": USAGE,
        **more,
    }


def events(whole: dict[str, Any], *, pieces: int | None = None) -> Iterator[Said]:
    """Return the events that stream this message; `pieces` says in how many events each tool's input comes."""
    yield opening(whole)
    for index, block in enumerate(whole["content"]):
        yield start(index, _empty(block))
        if index == 0:
            yield Said("ping", {"type": "ping"})
        for delta in _deltas(block, pieces):
            yield Said("content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta})
        yield stop(index)
    yield from closing(whole)


def opening(whole: dict[str, Any]) -> Said:
    """Return `message_start`: the message without content, its reason not known yet, one output token counted."""
    begun: dict[str, Any] = {**whole, "content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    return Said("message_start", {"type": "message_start", "message": {**begun, "usage": _first(whole["usage"])}})


def start(index: int, block: Block) -> Said:
    """Return the event that opens a block."""
    return Said("content_block_start", {"type": "content_block_start", "index": index, "content_block": block})


def delta(index: int, value: Block) -> Said:
    """Return the event that adds to a block."""
    return Said("content_block_delta", {"type": "content_block_delta", "index": index, "delta": value})


def stop(index: int) -> Said:
    """Return the event that closes a block."""
    return Said("content_block_stop", {"type": "content_block_stop", "index": index})


def closing(whole: dict[str, Any]) -> tuple[Said, Said]:
    """Return `message_delta`, whose usage is the whole turn's, and `message_stop`."""
    ended = {name: whole[name] for name in ("stop_reason", "stop_sequence", "stop_details") if name in whole}
    usage = {name: value for name, value in whole["usage"].items() if name != "service_tier"}
    return (
        Said("message_delta", {"type": "message_delta", "delta": ended, "usage": usage}),
        Said("message_stop", {"type": "message_stop"}),
    )


def error(kind: str, said: str) -> dict[str, Any]:
    """Return an error object, as a body or as the event `error`."""
    return {"type": "error", "error": {"type": kind, "message": said}, "request_id": REQUEST_ID}


def failure(status: int, kind: str, said: str, **headers: str) -> Reply:
    """Refuse with an Anthropic error body; header names are written with underscores."""
    body = as_json(error(kind, said))
    return lambda _request: iter((whole_response(status, body, request_id=REQUEST_ID, **headers),))


Edit = Callable[[list[Said]], Sequence[Said | Step]]


def answer(
    *content: Block,
    stop: str | None = None,
    pieces: int | None = None,
    edit: Edit | None = None,
    rewrite: tuple[bytes, bytes] = (b"", b""),
    **more: Any,  # noqa: ANN401
) -> Reply:
    """Answer with these blocks; the reason is `tool_use` when a tool is called, unless `stop` says another.

    `pieces` says in how many events each tool's input comes. `edit` changes the list of events, and the reply is then a
    stream whatever was asked. `rewrite` replaces bytes of the body, or of each event.
    """
    reason = stop or ("tool_use" if any(block["type"] == "tool_use" for block in content) else "end_turn")

    def reply(request: Received) -> Iterator[Step]:
        full = message(request, content, reason, **more)
        if edit is None and not request.streamed:
            yield whole_response(200, rewritten(as_json(full), rewrite), request_id=REQUEST_ID)
            return
        planned = list(events(full, pieces=pieces))
        yield event_stream_head(request_id=REQUEST_ID)
        for one in planned if edit is None else edit(planned):
            yield piece(rewritten(event(one.data, one.name), rewrite)) if isinstance(one, Said) else one
        yield END_OF_CHUNKS

    return reply


def _first(usage: dict[str, Any]) -> dict[str, Any]:
    return {**usage, "output_tokens": 1}


def _empty(block: Block) -> Block:
    match block["type"]:
        case "text":
            return {**block, "text": ""} if "citations" not in block else {**block, "text": "", "citations": []}
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "tool_use" | "server_tool_use":
            return {**block, "input": {}}
        case _:
            return block  # redacted thinking and results come whole


def _deltas(block: Block, pieces: int | None) -> Iterator[Block]:
    match block["type"]:
        case "text":
            yield from ({"type": "text_delta", "text": word} for word in words(block["text"]))
            yield from ({"type": "citations_delta", "citation": citation} for citation in block.get("citations", ()))
        case "thinking":
            if block["thinking"]:
                yield from ({"type": "thinking_delta", "thinking": word} for word in words(block["thinking"]))
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "tool_use" | "server_tool_use":
            yield from ({"type": "input_json_delta", "partial_json": part} for part in _parts(block["input"], pieces))
        case _:
            return


def _parts(value: Block, pieces: int | None) -> Iterator[str]:
    """Split a tool's input; the first part is empty, as the provider sends it, and an empty input has no other."""
    yield ""
    if not value:
        return
    written = json.dumps(value)
    count = pieces - 1 if pieces else -(-len(written) // PIECE)
    bounds = [len(written) * number // count for number in range(count + 1)]
    for begin, end in itertools.pairwise(bounds):
        yield written[begin:end]
