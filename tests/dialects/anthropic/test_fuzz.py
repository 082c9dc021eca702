# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes either side sends, the answer is a refusal or a failure of ours, never a surprise."""

import json
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dialects.anthropic.values import ENVELOPE, JSON, RECEIPT, WORDS

from customhouse.dialects.anthropic import request as client
from customhouse.dialects.anthropic import upstream_answer
from customhouse.dialects.anthropic.reply import whole
from customhouse.dialects.anthropic.reply_stream import EventWriter
from customhouse.dialects.anthropic.upstream_stream import Collector
from customhouse.dialects.anthropic.wire import MessagesRequest
from customhouse.dialects.provider import PROVIDERS
from customhouse.domain.errors import Inexpressible, InvalidRequest, UpstreamFailed

KINDS: Final = (
    "text",
    "image",
    "document",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "tool_result",
    "server_tool_use",
    "search_result",
)
EVENTS: Final = (
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "error",
    "ping",
)
SOURCES: Final = st.fixed_dictionaries(
    {"type": st.sampled_from(["base64", "url", "text", "content", "file"])},
    optional={
        "media_type": st.sampled_from(["image/png", "application/pdf", "text/plain"]),
        "data": WORDS,
        "url": WORDS,
        "content": JSON,
    },
)
BLOCKS: Final = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS)},
    optional={
        "text": WORDS,
        "thinking": WORDS,
        "signature": WORDS,
        "data": WORDS,
        "id": WORDS,
        "name": WORDS,
        "input": JSON,
        "source": SOURCES,
        "tool_use_id": WORDS,
        "content": JSON,
        "citations": JSON,
        "cache_control": st.just({"type": "ephemeral"}) | JSON,
    },
)
MESSAGES: Final = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool"]), "content": st.lists(BLOCKS, max_size=3) | JSON}
)
BODIES: Final = st.fixed_dictionaries(
    {"model": st.just("support"), "max_tokens": st.just(9), "messages": st.lists(MESSAGES, max_size=4)},
    optional={
        name: JSON for name in MessagesRequest.__struct_fields__ if name not in {"model", "messages", "max_tokens"}
    },
)


@given(BODIES)
@settings(deadline=None, max_examples=300)
def test_a_request_is_read_or_refused_and_then_written_or_refused(body: dict[str, object]) -> None:
    try:
        request = client.read(json.dumps(body).encode())
    except InvalidRequest:
        return
    for dialect in PROVIDERS.values():
        try:
            json.loads(dialect.body(request, ()))
        except Inexpressible:
            continue


@given(st.binary(max_size=60) | BODIES.map(lambda body: json.dumps(body).encode()[:-3]))
@settings(deadline=None)
def test_bytes_that_are_no_request_are_refused(body: bytes) -> None:
    for read in (client.read, client.read_count):
        try:
            read(body)
        except InvalidRequest:
            continue
        raise AssertionError("nothing whole was sent")


@given(
    st.fixed_dictionaries(
        {"type": st.just("message"), "content": st.lists(BLOCKS, max_size=4)},
        optional={"stop_reason": st.just("end_turn") | JSON, "usage": JSON, "model": JSON, "stop_details": JSON},
    )
)
@settings(deadline=None, max_examples=300)
def test_an_answer_is_read_and_can_be_written_or_is_a_failure(body: dict[str, object]) -> None:
    try:
        found = upstream_answer.answer(json.dumps(body).encode())
    except UpstreamFailed:
        return
    if not found.tool_calls:  # Those are decided first, and what is no object does not pass.
        json.loads(whole(found, ENVELOPE, RECEIPT))


@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from(EVENTS)},
            optional={
                "index": st.integers(0, 2),
                "message": st.just({"id": "m", "content": []}),
                "content_block": BLOCKS,
                "delta": BLOCKS | JSON,
                "usage": JSON,
            },
        ),
        max_size=8,
    )
)
@settings(deadline=None, max_examples=300)
def test_a_stream_is_collected_and_passed_on_or_is_a_failure(events: list[dict[str, object]]) -> None:
    collector, writer = Collector(10_000), EventWriter(ENVELOPE)
    for event in events:
        try:
            writer.deltas(collector.feed(json.dumps(event).encode()))
        except UpstreamFailed:
            break
    collector.answer()
