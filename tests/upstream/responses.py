# SPDX-License-Identifier: Apache-2.0
"""OpenAI's Responses API as a provider writes it: output items, whole responses, and the events of a streamed one.

Shapes: openai 3.54.0, types/responses/response.py and response_stream_event.py. A streamed response is made from the
whole one, so that both always say the same; deltas carry `obfuscation`, as the provider's do.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

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
    whole,
    words,
)

Item = dict[str, Any]
TEXT: Final = "Your order is on its way and arrives on Friday."
THOUGHT: Final = "The customer asks for an order, so I look it up."
ENCRYPTED: Final = "gAAAAABscripted-encrypted-reasoning=="
RESPONSE_ID: Final = "resp_scripted"
USAGE: Final = {
    "input_tokens": 21,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 30,
}
ECHOED: Final[Item] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""What a response repeats of its request, with what stands there when the request said nothing."""

ARGUMENTS_PIECE: Final = 7
"""How many characters of a call's arguments one event carries."""


def text(said: str = TEXT, *, annotations: Sequence[Item] = ()) -> Item:
    """Return a content part with text."""
    return {"type": "output_text", "annotations": list(annotations), "logprobs": [], "text": said}


def refusal(said: str) -> Item:
    """Return a content part that refuses."""
    return {"type": "refusal", "refusal": said}


def message(*parts: Item, index: int = 0, **more: Any) -> Item:  # noqa: ANN401
    """Return the item that holds what was said."""
    shown = {"id": f"msg_{index}_scripted", "type": "message", "status": "completed", "role": "assistant"}
    return {**shown, "content": list(parts), **more}


def reasoning(*summary: str, content: Sequence[str] = (), encrypted: str | None = None) -> Item:
    """Return a reasoning item: parts of a summary, and for open models the reasoning itself."""
    item: Item = {
        "id": "rs_0_scripted",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": one} for one in summary],
    }
    if content:
        item["content"] = [{"type": "reasoning_text", "text": one} for one in content]
    return item if encrypted is None else {**item, "encrypted_content": encrypted}


def call(name: str, arguments: str, index: int = 0, **more: Any) -> Item:  # noqa: ANN401
    """Return one proposed tool call."""
    return {
        "id": f"fc_{index}_{name}",
        "type": "function_call",
        "status": "completed",
        "arguments": arguments,
        "call_id": f"call_{index}_{name}",
        "name": name,
        **more,
    }


def response(request: Received, output: Sequence[Item], status: str = "completed", **more: Any) -> Item:  # noqa: ANN401
    """Return a whole response object, which repeats what was asked."""
    asked = {name: request.body.get(name, default) for name, default in ECHOED.items()}
    return {
        "id": RESPONSE_ID,
        "object": "response",
        "created_at": 1790000000,
        "status": status,
        "background": False,
        "completed_at": 1790000003 if status == "completed" else None,
        "error": None,
        "incomplete_details": None,
        "model": request.model,
        "output": list(output),
        "usage": USAGE,
        **asked,
        **more,
    }


def events(full: Item, *, pieces: int | None = None) -> list[Item]:
    """Return the events that stream this response, numbered; `pieces`: in how many each call's arguments come."""
    begun: Item = {
        **full,
        "status": "in_progress",
        "output": [],
        "usage": None,
        "error": None,
        "incomplete_details": None,
    }
    begun["completed_at"] = None
    planned: list[Item] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(full["output"]):
        planned += _item_events(item, index, pieces)
    planned.append({"type": f"response.{full['status']}", "response": full})
    return numbered(planned)


def numbered(planned: Iterable[Item]) -> list[Item]:
    """Give every event its number, in order."""
    return [{**said, "sequence_number": number} for number, said in enumerate(planned)]


def error_body(kind: str, said: str, *, code: str | None = None, param: str | None = None) -> Item:
    """Return OpenAI's error object."""
    return {"error": {"message": said, "type": kind, "param": param, "code": code}}


def failure(
    status: int, kind: str, said: str, *, code: str | None = None, param: str | None = None, **headers: str
) -> Reply:
    """Refuse with an OpenAI error body; header names are written with underscores."""
    body = as_json(error_body(kind, said, code=code, param=param))
    return lambda _request: iter((whole(status, body, x_request_id="req_scripted", **headers),))


Edit = Callable[[list[Item]], Sequence[Item | Step]]


def answer(
    *output: Item,
    status: str = "completed",
    pieces: int | None = None,
    edit: Edit | None = None,
    rewrite: tuple[bytes, bytes] = (b"", b""),
    **more: Any,  # noqa: ANN401
) -> Reply:
    """Answer with these items.

    `pieces` says in how many events each call's arguments come. `edit` changes the list of events, and the reply is
    then a stream whatever was asked. `rewrite` replaces bytes of the body, or of each event.
    """

    def reply(request: Received) -> Iterator[Step]:
        full = response(request, output, status, **more)
        if edit is None and not request.streamed:
            yield whole(200, rewritten(as_json(full), rewrite), x_request_id="req_scripted")
            return
        planned = events(full, pieces=pieces)
        yield event_stream_head(x_request_id="req_scripted")
        for one in planned if edit is None else edit(planned):
            yield piece(rewritten(event(one, one["type"]), rewrite)) if isinstance(one, dict) else one
        yield END_OF_CHUNKS

    return reply


def _item_events(item: Item, index: int, pieces: int | None) -> Iterator[Item]:
    at = {"output_index": index}
    named = {"item_id": item["id"], **at}
    begun = {**item, **({"status": "in_progress"} if "status" in item else {})}
    match item["type"]:
        case "message":
            yield {"type": "response.output_item.added", **at, "item": {**begun, "content": []}}
            for number, part in enumerate(item["content"]):
                yield from _part_events(part, {**named, "content_index": number})
        case "reasoning":
            yield {"type": "response.output_item.added", **at, "item": {**begun, "summary": [], **_no_content(item)}}
            for number, part in enumerate(item["summary"]):
                yield from _summary_events(part, {**named, "summary_index": number})
            for number, part in enumerate(item.get("content", ())):
                yield from _part_events(part, {**named, "content_index": number})
        case "function_call":
            yield {"type": "response.output_item.added", **at, "item": {**begun, "arguments": ""}}
            kind = "response.function_call_arguments"
            for part in _parts(item["arguments"], pieces):
                yield {"type": f"{kind}.delta", **named, "delta": part, "obfuscation": "x" * (16 - len(part) % 16)}
            yield {"type": f"{kind}.done", **named, "arguments": item["arguments"]}
        case "custom_tool_call":
            yield {"type": "response.output_item.added", **at, "item": {**begun, "input": ""}}
            for part in _parts(item["input"], pieces):
                yield {"type": "response.custom_tool_call_input.delta", **named, "delta": part}
            yield {"type": "response.custom_tool_call_input.done", **named, "input": item["input"]}
        case _:
            yield {"type": "response.output_item.added", **at, "item": begun}
    yield {"type": "response.output_item.done", **at, "item": item}


def _no_content(item: Item) -> Item:
    return {"content": []} if "content" in item else {}


def _part_events(part: Item, at: Item) -> Iterator[Item]:
    kind = {"output_text": "output_text", "refusal": "refusal", "reasoning_text": "reasoning_text"}[part["type"]]
    field = "refusal" if kind == "refusal" else "text"
    more: Item = {"logprobs": []} if kind == "output_text" else {}
    empty: Item = {**part, field: "", **({"annotations": []} if kind == "output_text" else {})}
    yield {"type": "response.content_part.added", **at, "part": empty}
    for word in words(part[field]):
        yield {"type": f"response.{kind}.delta", **at, "delta": word, **more, "obfuscation": "x" * 8}
    for number, annotation in enumerate(part.get("annotations", ())):
        added = {"annotation_index": number, "annotation": annotation}
        yield {"type": "response.output_text.annotation.added", **at, **added}
    yield {"type": f"response.{kind}.done", **at, field: part[field], **more}
    yield {"type": "response.content_part.done", **at, "part": part}


def _summary_events(part: Item, at: Item) -> Iterator[Item]:
    kind = "response.reasoning_summary"
    yield {"type": f"{kind}_part.added", **at, "part": {**part, "text": ""}}
    for word in words(part["text"]):
        yield {"type": f"{kind}_text.delta", **at, "delta": word, "obfuscation": "x" * 8}
    yield {"type": f"{kind}_text.done", **at, "text": part["text"]}
    yield {"type": f"{kind}_part.done", **at, "part": part}


def _parts(written: str, pieces: int | None) -> Iterator[str]:
    count = pieces or max(1, -(-len(written) // ARGUMENTS_PIECE))
    bounds = [len(written) * number // count for number in range(count + 1)]
    return (written[begin:end] for begin, end in itertools.pairwise(bounds))
