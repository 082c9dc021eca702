# SPDX-License-Identifier: Apache-2.0
"""The replies of an Anthropic Messages provider, good and bad, by the model's name. Names mean what they mean in chat.

`MESSAGES` is picked from at /v1/messages. Replies that are streams by nature stream whatever the request asked for.
"""

from collections.abc import Iterator
from typing import Final

from tests.upstream.messages import (
    REDACTED,
    TEXT,
    USAGE,
    Block,
    answer,
    failure,
    text,
    thinking,
    tool_use,
)
from tests.upstream.messages_faults import FAULTS, REFUND, STATUS
from tests.upstream.replies import disconnect, hang, slow_first_byte
from tests.upstream.wire import Received, Reply, Step

CITED: Final = "Orders ship within two days."
CITATIONS: Final[tuple[Block, ...]] = (
    {
        "type": "char_location",
        "cited_text": CITED,
        "document_index": 0,
        "document_title": "Shipping",
        "file_id": None,
        "start_char_index": 0,
        "end_char_index": 28,
    },
    {
        "type": "page_location",
        "cited_text": CITED,
        "document_index": 1,
        "document_title": None,
        "file_id": "file_scripted",
        "start_page_number": 2,
        "end_page_number": 3,
    },
    {
        "type": "content_block_location",
        "cited_text": CITED,
        "document_index": 2,
        "document_title": "Terms",
        "file_id": None,
        "start_block_index": 0,
        "end_block_index": 1,
    },
    {
        "type": "web_search_result_location",
        "cited_text": CITED,
        "encrypted_index": "EpMBscripted/index==",
        "title": "Shipping",
        "url": "https://shop.example/shipping",
    },
    {
        "type": "search_result_location",
        "cited_text": CITED,
        "search_result_index": 0,
        "source": "https://shop.example/help/7",
        "title": "Help",
        "start_block_index": 0,
        "end_block_index": 1,
    },
)
SEARCH: Final[Block] = {
    "type": "server_tool_use",
    "id": "srvtoolu_scripted",
    "name": "web_search",
    "input": {"query": "shipping times"},
}
FOUND: Final[Block] = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_scripted",
    "content": [
        {
            "type": "web_search_result",
            "url": "https://shop.example/shipping",
            "title": "Shipping",
            "encrypted_content": "EqgfCioIARgBscripted/content==",
            "page_age": "November 2, 2026",
        }
    ],
}

CACHED_USAGE: Final[Block] = {
    **USAGE,
    "cache_creation_input_tokens": 100,
    "cache_read_input_tokens": 2000,
    "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
}
SEARCH_USAGE: Final[Block] = {**USAGE, "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0}}
REFUSED: Final = {"type": "refusal", "category": "general_harms", "explanation": "Declined by a classifier."}
LIMITS: Final = {
    "retry_after": "7",
    "anthropic_ratelimit_requests_limit": "50",
    "anthropic_ratelimit_requests_remaining": "0",
    "anthropic_ratelimit_requests_reset": "2026-11-24T12:00:07Z",
}


def huge(request: Received) -> Iterator[Step]:
    """Answer with 40 MB of text, made when it is asked for."""
    yield from answer(text("x" * 40_000_000))(request)


ANSWERS: Final[dict[str, Reply]] = {
    "answer": answer(text()),
    "one-call": answer(STATUS),
    "refund-call": answer({**REFUND, "id": "toolu_0_issue_refund"}),
    "parallel-calls": answer(STATUS, REFUND),
    "call-with-text": answer(text("Let me look."), STATUS),
    "unknown-call": answer(tool_use("delete_everything", {})),
    "empty-call": answer(tool_use("get_order_status", {})),
    "split-call": answer(REFUND, pieces=40),
    "split-allowed-call": answer(STATUS, pieces=40),
    "calls-said-stop": answer(REFUND, stop="end_turn"),
    "tool-choice-ignored": answer(text("I would rather talk about the weather.")),
    "reasoning": answer(thinking(), text()),
    "reasoning-call": answer(thinking(), text("Let me look."), STATUS),
    "reasoning-omitted": answer(thinking(""), text()),
    "redacted-reasoning": answer({"type": "redacted_thinking", "data": REDACTED}, text()),
    "citations": answer(*(text(CITED, citations=[one]) for one in CITATIONS)),
    "server-tool": answer(SEARCH, FOUND, text(CITED, citations=[CITATIONS[3]]), usage=SEARCH_USAGE),
    "cached-usage": answer(text(), usage=CACHED_USAGE),
    "max-tokens": answer(text("Your order is on"), stop="max_tokens"),
    "stop-sequence": answer(text("One, two, "), stop="stop_sequence", stop_sequence="three"),
    "pause-turn": answer(SEARCH, FOUND, stop="pause_turn", usage=SEARCH_USAGE),
    "refusal": answer(text("I can't help with"), stop="refusal", stop_details=REFUSED),
    "context-window": answer(text("Your order is on"), stop="model_context_window_exceeded"),
    "wrong-model": answer(text(), model="claude-other-20260101"),
    "thousand-chunks": answer(text(" ".join(map(str, range(1000))))),
    "big-event": answer(text("x" * 1_048_576)),
    "huge": huge,
    "slow-first-byte": slow_first_byte(2, answer(text(TEXT))),
}
FAILURES: Final[dict[str, Reply]] = {
    "rejected": failure(400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"),
    "unauthorized": failure(401, "authentication_error", "invalid x-api-key"),
    "forbidden": failure(403, "permission_error", "Your API key does not have permission to use the model."),
    "missing-model": failure(404, "not_found_error", "model: missing-model"),
    "too-large": failure(413, "request_too_large", "Request exceeds the maximum size"),
    "limited": failure(429, "rate_limit_error", "This request would exceed your rate limit.", **LIMITS),
    "broken": failure(500, "api_error", "Internal server error"),
    "unavailable": failure(503, "api_error", "Service unavailable"),
    "timed-out": failure(504, "timeout_error", "Request timed out."),
    "overloaded": failure(529, "overloaded_error", "Overloaded", retry_after="3"),
    "hang": hang,
    "disconnect": disconnect,
}
MESSAGES: Final[dict[str, Reply]] = {**ANSWERS, **FAULTS, **FAILURES}
"""Every scripted reply by name."""
