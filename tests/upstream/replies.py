# SPDX-License-Identifier: Apache-2.0
"""The replies a provider can give, good and bad. `BY_MODEL` names each, so that a test picks one by the model's name.

Shapes follow OpenAI's chat completions; faults follow what real providers were seen to do.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

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

TEXT: Final = "Your order is on its way and arrives on Friday."
Delta = dict[str, Any]


def completion(message: Delta, finish_reason: str, request: Received) -> Delta:
    """Return a chat completion object."""
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1790000000,
        "model": request.model,
        "system_fingerprint": "fp_scripted",
        "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30},
    }


def chunk(delta: Delta, request: Received, finish_reason: str | None = None) -> Delta:
    """Return a chat completion chunk object."""
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": request.model,
        "system_fingerprint": "fp_scripted",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }


def usage_chunk(request: Received) -> Delta:
    """Return the chunk that carries the usage when `stream_options.include_usage` asked for it."""
    usage = {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30}
    return {**chunk({}, request), "choices": [], "usage": usage}


def call(name: str, arguments: str, index: int = 0) -> Delta:
    """Return one proposed tool call."""
    return {
        "index": index,
        "id": f"call_{index}_{name}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def stream(
    deltas: Iterable[Delta],
    *,
    finish_reason: str | None = "stop",
    done: bool = True,
    cut_after: int | None = None,
    gap_s: float = 0,
) -> Reply:
    """Stream these deltas. `cut_after` closes the connection after so many; `gap_s` passes before each."""
    planned = tuple(deltas)

    def reply(request: Received) -> Iterator[Step]:
        yield event_stream_head()
        for number, delta in enumerate(planned):
            if number == cut_after:
                yield Close()
                return
            if gap_s:
                yield Wait(gap_s)
            yield piece(event(chunk(delta, request)))
        if finish_reason is not None:
            yield piece(event(chunk({}, request, finish_reason)))
        if request.wants_usage:
            yield piece(event(usage_chunk(request)))
        if done:
            yield piece(DONE)
        yield END_OF_CHUNKS

    return reply


def words(text: str) -> Iterator[Delta]:
    """Split text into deltas, the first naming the role as providers do."""
    yield {"role": "assistant", "content": ""}
    for word in text.split():
        yield {"content": word + " "}


def answer(text: str = TEXT, *, finish_reason: str = "stop") -> Reply:
    """Answer with text, streamed word by word when a stream was asked for."""
    streamed = stream(words(text), finish_reason=finish_reason)

    def reply(request: Received) -> Iterator[Step]:
        if request.streamed:
            yield from streamed(request)
        else:
            yield whole(200, as_json(completion({"content": text}, finish_reason, request)))

    return reply


def tool_calls(calls: Sequence[Delta], *, content: str | None = None) -> Reply:
    """Propose these tool calls; in a stream each call is one delta."""

    def reply(request: Received) -> Iterator[Step]:
        if request.streamed:
            yield from stream(_call_deltas(calls, content), finish_reason="tool_calls")(request)
        else:
            listed = [{key: value for key, value in item.items() if key != "index"} for item in calls]
            message = {"content": content, "tool_calls": listed}
            yield whole(200, as_json(completion(message, "tool_calls", request)))

    return reply


def split_call(name: str, arguments: str, pieces: int) -> Iterator[Delta]:
    """Split one tool call into exactly so many deltas: the name comes whole and first, as providers send it."""
    opening = call(name, "")
    yield {"role": "assistant", "content": None, "tool_calls": [opening]}
    parts = pieces - 1
    bounds = [len(arguments) * number // parts for number in range(parts + 1)]
    for start, end in itertools.pairwise(bounds):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": arguments[start:end]}}]}


def split_name(name: str, arguments: str) -> Iterator[Delta]:
    """Stream one tool call whose very name arrives letter by letter."""
    yield {"role": "assistant", "tool_calls": [call(name[:1], "")]}
    for letter in name[1:]:
        yield {"tool_calls": [{"index": 0, "function": {"name": letter}}]}
    yield {"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]}


def interleaved(first: Delta, second: Delta) -> Iterator[Delta]:
    """Stream the arguments of two calls in turns, two characters at a time."""
    texts = [first["function"]["arguments"], second["function"]["arguments"]]
    for index, item in enumerate((first, second)):
        function = {"name": item["function"]["name"], "arguments": ""}
        yield {"tool_calls": [{**item, "index": index, "function": function}]}
    for start in range(0, max(map(len, texts)), 2):
        for index, text in enumerate(texts):
            if text[start : start + 2]:
                yield {"tool_calls": [{"index": index, "function": {"arguments": text[start : start + 2]}}]}


def message(value: Delta, *, finish_reason: str = "stop", deltas: Iterable[Delta] | None = None) -> Reply:
    """Answer with a hand-made message; a stream gets `deltas`, or the message as one delta."""
    planned = tuple(deltas) if deltas is not None else ({"role": "assistant", **value},)

    def reply(request: Received) -> Iterator[Step]:
        if request.streamed:
            yield from stream(planned, finish_reason=finish_reason)(request)
        else:
            yield whole(200, as_json(completion(value, finish_reason, request)))

    return reply


def raw(content: str) -> Reply:
    """Answer 200 with these exact bytes as JSON body; a stream gets them as its one event before [DONE]."""

    def reply(request: Received) -> Iterator[Step]:
        if request.streamed:
            yield event_stream_head()
            yield piece(f"data: {content}\n\n".encode())
            yield piece(DONE)
            yield END_OF_CHUNKS
        else:
            yield whole(200, content.encode())

    return reply


def failure(status: int, kind: str, text: str, **headers: str) -> Reply:
    """Refuse with an OpenAI error body; header names are written with underscores."""
    body = as_json({"error": {"message": text, "type": kind, "param": None, "code": kind}})
    return lambda _request: iter((whole(status, body, **headers),))


def slow_first_byte(delay_s: float, then: Reply) -> Reply:
    """Let time pass before the reply begins."""

    def reply(request: Received) -> Iterator[Step]:
        yield Wait(delay_s)
        yield from then(request)

    return reply


def hang(_request: Received) -> Iterator[Step]:
    """Never answer."""
    yield Hold()


def hang_in_stream(request: Received) -> Iterator[Step]:
    """Begin a stream, then wait for `go_on()`, then finish it."""
    yield event_stream_head()
    yield piece(event(chunk({"role": "assistant", "content": "one "}, request)))
    yield Hold()
    yield piece(event(chunk({"content": "two"}, request)))
    yield piece(event(chunk({}, request, "stop")))
    yield piece(DONE)
    yield END_OF_CHUNKS


def disconnect(_request: Received) -> Iterator[Step]:
    """Abort the connection instead of answering."""
    yield Close(reset=True)


def empty_stream(_request: Received) -> Iterator[Step]:
    """Answer 200 and end the event stream without any event."""
    yield event_stream_head()
    yield END_OF_CHUNKS


def ragged_stream(request: Received) -> Iterator[Step]:
    """Stream a good answer whose events break in the middle of lines and of UTF-8 characters, one byte a time."""
    yield event_stream_head()
    deltas = ({"role": "assistant", "content": "héllo "}, {"content": "wörld ✓"})
    content = b"".join(event(chunk(delta, request)) for delta in deltas) + event(chunk({}, request, "stop")) + DONE
    for value in content:
        yield piece(bytes((value,)))
    yield END_OF_CHUNKS


def bad_chunk(request: Received) -> Iterator[Step]:
    """Stream one good event, then one that is not JSON."""
    yield event_stream_head()
    yield piece(event(chunk({"role": "assistant", "content": "one "}, request)))
    yield piece(b"data: {not json\n\n")
    yield piece(DONE)
    yield END_OF_CHUNKS


def error_in_stream(request: Received) -> Iterator[Step]:
    """Stream one good event, then an error object as OpenAI-compatible servers send it."""
    yield event_stream_head()
    yield piece(event(chunk({"role": "assistant", "content": "one "}, request)))
    yield piece(event({"error": {"message": "out of memory", "type": "server_error", "code": 500}}))
    yield END_OF_CHUNKS


def wrong_length(request: Received) -> Iterator[Step]:
    """Promise more bytes than come, then close."""
    sent = whole(200, as_json(completion({"content": TEXT}, "stop", request))).content
    yield Send(sent[:-20])
    yield Close()


def _call_deltas(calls: Sequence[Delta], content: str | None) -> Iterator[Delta]:
    yield {"role": "assistant", "content": content}
    for item in calls:
        yield {"tool_calls": [item]}


STATUS: Final = call("get_order_status", '{"order_id":"A-1001"}')
REFUND: Final = call("issue_refund", '{"order_id":"A-1001","amount":"25.00"}', 1)
_REFUND_FUNCTION: Final = {"name": "issue_refund", "arguments": '{"order_id":"A-1001","amount":"25.00"}'}
_STATUS_TEXT: Final = json.dumps({key: value for key, value in STATUS.items() if key != "index"})
_REFUND_TEXT: Final = json.dumps({key: value for key, value in REFUND.items() if key != "index"})


def _doctored(message_text: str, *, holder: str) -> str:
    choice = f'{{"index":0,"{holder}":{message_text},"finish_reason":"stop"}}'
    return f'{{"id":"chatcmpl-scripted","model":"m","choices":[{choice}]}}'


def _duplicates(message_text: str) -> Reply:
    def reply(request: Received) -> Iterator[Step]:
        return raw(_doctored(message_text, holder="delta" if request.streamed else "message"))(request)

    return reply


BY_MODEL: Final[dict[str, Reply]] = {
    "answer": answer(),
    "empty-stream": empty_stream,
    "cut-stream": stream(words(TEXT), cut_after=4),
    "cut-before-first": stream(words(TEXT), cut_after=0),
    "no-finish": stream(words(TEXT), finish_reason=None),
    "clean-end-no-done": stream(words(TEXT), finish_reason=None, done=False),
    "slow-first-byte": slow_first_byte(2, answer()),
    "slow-chunks": stream(words(TEXT), gap_s=0.2),
    "limited": failure(429, "rate_limit_exceeded", "Slow down.", retry_after="7"),
    "broken": failure(500, "server_error", "The server had an error."),
    "unavailable": failure(503, "server_error", "Loading model."),
    "rejected": failure(400, "invalid_request_error", "messages: too long for this model's context."),
    "unauthorized": failure(401, "invalid_api_key", "Incorrect API key provided."),
    "missing-model": failure(404, "model_not_found", "The model does not exist."),
    "wrong-json": raw('{"choices": [{"message": '),
    "not-an-object": raw("[]"),
    "no-choices": raw('{"id":"x","choices":[]}'),
    "bad-chunk": bad_chunk,
    "error-in-stream": error_in_stream,
    "ragged-stream": ragged_stream,
    "wrong-length": wrong_length,
    "one-call": tool_calls([STATUS]),
    "refund-call": tool_calls([call("issue_refund", REFUND["function"]["arguments"])]),
    "parallel-calls": tool_calls([STATUS, REFUND]),
    "call-with-text": tool_calls([STATUS], content="Let me look."),
    "unknown-call": tool_calls([call("delete_everything", "{}")]),
    "split-call": stream(split_call("issue_refund", REFUND["function"]["arguments"], 40), finish_reason="tool_calls"),
    "split-name": stream(split_name("issue_refund", "{}"), finish_reason="tool_calls"),
    "split-allowed-call": stream(
        split_call("get_order_status", STATUS["function"]["arguments"], 40), finish_reason="tool_calls"
    ),
    "interleaved-calls": stream(interleaved(STATUS, REFUND), finish_reason="tool_calls"),
    "two-names": message(
        {"content": None, "tool_calls": [STATUS], "function_call": _REFUND_FUNCTION}, finish_reason="tool_calls"
    ),
    "function-call": message({"content": None, "function_call": _REFUND_FUNCTION}, finish_reason="function_call"),
    "duplicate-tool-calls": _duplicates(
        f'{{"role":"assistant","content":null,"tool_calls":[{_REFUND_TEXT}],"tool_calls":[{_STATUS_TEXT}]}}'
    ),
    "duplicate-name": _duplicates(
        '{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_0","type":"function",'
        '"function":{"name":"issue_refund","name":"get_order_status","arguments":"{}"}}]}'
    ),
    "calls-said-stop": message({"content": None, "tool_calls": [REFUND]}, finish_reason="stop"),
    "tool-choice-ignored": answer("I would rather talk about the weather."),
    "thousand-chunks": stream({"content": f"{number} "} for number in range(1000)),
    "huge": answer("x" * 40_000_000),
    "hang": hang,
    "hang-in-stream": hang_in_stream,
    "disconnect": disconnect,
}
"""Every scripted reply by name. Replies that are streams by nature stream whatever the request asked for."""
