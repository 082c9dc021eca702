# SPDX-License-Identifier: Apache-2.0
"""The replies of an OpenAI Responses provider, good and bad, by the model's name. Names mean what they mean in chat.

`RESPONSES` is picked from at /v1/responses. Replies that are streams by nature stream whatever the request asked for.
"""

from collections.abc import Iterator
from typing import Final

from tests.upstream.replies import disconnect, hang, slow_first_byte
from tests.upstream.responses import (
    ENCRYPTED,
    THOUGHT,
    USAGE,
    Item,
    answer,
    call,
    failure,
    message,
    numbered,
    reasoning,
    refusal,
    text,
)
from tests.upstream.responses_faults import FAULTS, REFUND, STATUS
from tests.upstream.responses_tools import MCP_CALL, SERVER_EVENTS, WEB_SEARCH
from tests.upstream.wire import Received, Reply, Step

CITED: Final = "Orders ship within two days."
ANNOTATIONS: Final[tuple[Item, ...]] = (
    {
        "type": "url_citation",
        "start_index": 0,
        "end_index": 28,
        "title": "Shipping",
        "url": "https://shop.example/shipping",
    },
    {"type": "file_citation", "file_id": "file_scripted", "filename": "shipping.txt", "index": 27},
    {
        "type": "container_file_citation",
        "container_id": "cntr_scripted",
        "file_id": "cfile_scripted",
        "filename": "orders.csv",
        "start_index": 0,
        "end_index": 6,
    },
    {"type": "file_path", "file_id": "file_scripted", "index": 0},
)
CACHED_USAGE: Final[Item] = {
    "input_tokens": 2121,
    "input_tokens_details": {"cached_tokens": 2000, "cache_write_tokens": 100},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 2130,
}
THOUGHT_USAGE: Final[Item] = {
    **USAGE,
    "output_tokens": 73,
    "output_tokens_details": {"reasoning_tokens": 64},
    "total_tokens": 94,
}
CUSTOM: Final[Item] = {
    "id": "ctc_0_scripted",
    "type": "custom_tool_call",
    "call_id": "call_0_custom",
    "name": "run_query",
    "input": "SELECT 1",
}
LIMITS: Final = {
    "retry_after": "7",
    "x_ratelimit_limit_requests": "500",
    "x_ratelimit_remaining_requests": "0",
    "x_ratelimit_reset_requests": "7s",
}
BUSY: Final = "The engine is currently overloaded, please try again later."
HALF: Final = message(text("Your order is on"), status="incomplete")


def huge(request: Received) -> Iterator[Step]:
    """Answer with 40 MB of text, made when it is asked for."""
    yield from answer(message(text("x" * 40_000_000)))(request)


ANSWERS: Final[dict[str, Reply]] = {
    "answer": answer(message(text())),
    "two-parts": answer(message(text("First part."), text("Second part."))),
    "two-messages": answer(message(text("First.")), message(text("Second."), index=1)),
    "one-call": answer(STATUS),
    "refund-call": answer(call("issue_refund", REFUND["arguments"])),
    "parallel-calls": answer(STATUS, REFUND),
    "call-with-text": answer(message(text("Let me look.")), {**STATUS}),
    "unknown-call": answer(call("delete_everything", "{}")),
    "empty-call": answer(call("get_order_status", "{}")),
    "no-arguments": answer(call("get_order_status", "")),
    "split-call": answer(REFUND, pieces=40),
    "split-allowed-call": answer(STATUS, pieces=40),
    "custom-call": answer(CUSTOM),
    "tool-choice-ignored": answer(message(text("I would rather talk about the weather."))),
    "reasoning": answer(reasoning(THOUGHT, "Then I answer."), message(text()), usage=THOUGHT_USAGE),
    "reasoning-text": answer(reasoning(content=[THOUGHT]), message(text()), usage=THOUGHT_USAGE),
    "reasoning-call": answer(reasoning(THOUGHT, encrypted=ENCRYPTED), STATUS, usage=THOUGHT_USAGE),
    "redacted-reasoning": answer(reasoning(encrypted=ENCRYPTED), message(text()), usage=THOUGHT_USAGE),
    "refusal": answer(message(refusal("I can't help with that."))),
    "citations": answer(message(text(CITED, annotations=ANNOTATIONS))),
    "server-tool": answer(WEB_SEARCH, message(text(CITED, annotations=ANNOTATIONS[:1]))),
    "mcp-tool": answer(MCP_CALL, message(text())),
    "server-events": answer(edit=lambda planned: numbered([*planned[:2], *SERVER_EVENTS, *planned[2:]])),
    "queued": answer(
        message(text()),
        edit=lambda planned: numbered(
            [planned[0], {**planned[1], "type": "response.queued"}, *planned[1:]],
        ),
    ),
    "cached-usage": answer(message(text()), usage=CACHED_USAGE),
    "max-tokens": answer(HALF, status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
    "cut-call": answer(
        call("get_order_status", '{"order_id":"A-', status="incomplete"),
        status="incomplete",
        incomplete_details={"reason": "max_output_tokens"},
    ),
    "content-filter": answer(HALF, status="incomplete", incomplete_details={"reason": "content_filter"}),
    "wrong-model": answer(message(text()), model="gpt-other-2026-01-01"),
    "thousand-chunks": answer(message(text(" ".join(map(str, range(1000)))))),
    "big-event": answer(message(text("x" * 1_048_576))),
    "huge": huge,
    "slow-first-byte": slow_first_byte(2, answer(message(text()))),
}
FAILURES: Final[dict[str, Reply]] = {
    "rejected": failure(
        400,
        "invalid_request_error",
        "Your input exceeds the context window of this model.",
        code="context_length_exceeded",
        param="input",
    ),
    "unauthorized": failure(401, "invalid_request_error", "Incorrect API key provided.", code="invalid_api_key"),
    "forbidden": failure(403, "invalid_request_error", "Project does not have access.", code="model_not_found"),
    "missing-model": failure(404, "invalid_request_error", "The model does not exist.", code="model_not_found"),
    "too-large": failure(413, "invalid_request_error", "Maximum content size limit exceeded.", code=None),
    "limited": failure(429, "requests", "Rate limit reached.", code="rate_limit_exceeded", **LIMITS),
    "no-quota": failure(429, "insufficient_quota", "You exceeded your current quota.", code="insufficient_quota"),
    "broken": failure(500, "server_error", "The server had an error while processing your request."),
    "unavailable": failure(503, "server_error", BUSY, retry_after="3"),
    "overloaded": failure(503, "service_unavailable_error", BUSY, code="server_is_overloaded", retry_after="3"),
    "hang": hang,
    "disconnect": disconnect,
}
RESPONSES: Final[dict[str, Reply]] = {**ANSWERS, **FAULTS, **FAILURES}
"""Every scripted reply by name."""
