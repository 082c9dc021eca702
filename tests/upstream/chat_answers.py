# SPDX-License-Identifier: Apache-2.0
"""More answers of a chat completions provider: those that the other dialects have too, under the same names.

Shapes: openai 3.54.0, types/chat/chat_completion.py and chat_completion_chunk.py; `reasoning_content` is what vLLM,
DeepSeek and llama.cpp send beside them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from tests.upstream.replies import (
    STATUS,
    TEXT,
    Delta,
    call,
    chunk,
    completion,
    failure,
    tool_calls,
    usage_chunk,
    words,
)
from tests.upstream.wire import (
    DONE,
    END_OF_CHUNKS,
    Received,
    Reply,
    Step,
    as_json,
    event,
    event_stream_head,
    piece,
    whole,
)

THOUGHT: Final = "The customer asks for an order, so I look it up."
DECLINED: Final = "I can't help with that."
LISTED: Final = {key: value for key, value in STATUS.items() if key != "index"}
CITATION: Final[Delta] = {
    "type": "url_citation",
    "url_citation": {
        "start_index": 0,
        "end_index": 28,
        "title": "Shipping",
        "url": "https://shop.example/shipping",
    },
}
CACHED_USAGE: Final[Delta] = {
    "prompt_tokens": 2121,
    "completion_tokens": 9,
    "total_tokens": 2130,
    "prompt_tokens_details": {"cached_tokens": 2000, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
THOUGHT_USAGE: Final[Delta] = {
    "prompt_tokens": 21,
    "completion_tokens": 73,
    "total_tokens": 94,
    "completion_tokens_details": {"reasoning_tokens": 64},
}


def says(
    message: Delta,
    deltas: Iterable[Delta],
    finish_reason: str = "stop",
    *,
    usage: Delta | None = None,
    **more: Any,  # noqa: ANN401
) -> Reply:
    """Answer with this message, or with these deltas; `more` changes fields of the completion and of each chunk."""
    planned: Sequence[Delta] = tuple(deltas)

    def reply(request: Received) -> Iterator[Step]:
        used = {} if usage is None else {"usage": usage}
        if not request.streamed:
            yield whole(200, as_json({**completion(message, finish_reason, request), **used, **more}))
            return
        yield event_stream_head()
        for delta in planned:
            yield piece(event({**chunk(delta, request), **more}))
        yield piece(event({**chunk({}, request, finish_reason), **more}))
        if request.wants_usage:
            yield piece(event({**usage_chunk(request), **used, **more}))
        yield piece(DONE)
        yield END_OF_CHUNKS

    return reply


def thought() -> Iterator[Delta]:
    """Split the thought into deltas."""
    for word in THOUGHT.split(" "):
        yield {"reasoning_content": word + " "}


SAID: Final[Delta] = {"content": TEXT}
OPENING: Final[Delta] = {"role": "assistant", "content": None}
CUT: Final = call("get_order_status", '{"order_id":"A-')

CHAT: Final[dict[str, Reply]] = {
    "empty-call": tool_calls([call("get_order_status", "{}")]),
    "no-arguments": tool_calls([call("get_order_status", "")]),
    "reasoning": says({**SAID, "reasoning_content": THOUGHT}, [OPENING, *thought(), *words(TEXT)], usage=THOUGHT_USAGE),
    "reasoning-call": says(
        {"content": None, "reasoning_content": THOUGHT, "tool_calls": [LISTED]},
        [OPENING, *thought(), {"tool_calls": [STATUS]}],
        "tool_calls",
        usage=THOUGHT_USAGE,
    ),
    "refusal": says({"content": None, "refusal": DECLINED}, [OPENING, {"refusal": DECLINED}]),
    "citations": says({**SAID, "annotations": [CITATION]}, [*words(TEXT), {"annotations": [CITATION]}]),
    "cached-usage": says(SAID, words(TEXT), usage=CACHED_USAGE),
    "max-tokens": says({"content": "Your order is on"}, words("Your order is on"), "length"),
    "cut-call": says(
        {"content": None, "tool_calls": [{key: value for key, value in CUT.items() if key != "index"}]},
        [OPENING, {"tool_calls": [CUT]}],
        "length",
    ),
    "content-filter": says({"content": "Your order is on"}, words("Your order is on"), "content_filter"),
    "wrong-model": says(SAID, words(TEXT), model="gpt-other-2026-01-01", system_fingerprint="fp_other"),
    "unknown-stop": says(SAID, words(TEXT), "tired"),
    "wrong-usage": says(SAID, words(TEXT), usage={"prompt_tokens": -1, "completion_tokens": "nine"}),
    "big-event": says({"content": "x" * 1_048_576}, [{"role": "assistant", "content": "x" * 1_048_576}]),
    "forbidden": failure(403, "model_not_found", "Project does not have access to the model."),
    "too-large": failure(413, "invalid_request_error", "Maximum content size limit exceeded."),
    "overloaded": failure(503, "service_unavailable_error", "The engine is currently overloaded.", retry_after="3"),
    "no-quota": failure(429, "insufficient_quota", "You exceeded your current quota."),
}
"""Replies by name, beside those of `replies.py`."""
