# SPDX-License-Identifier: Apache-2.0
"""Whatever a client or a provider sends is understood or refused, with no other exception."""

import json
from contextlib import suppress
from typing import Any, Final, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dialects.openai_responses.test_request import SENT_BY_DEFAULT

from customhouse.dialects.openai_responses import request, upstream
from customhouse.dialects.openai_responses.upstream_stream import Collector
from customhouse.domain.errors import InvalidRequest, UpstreamFailed

Json = Any
leaves: Final = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
anything: Final = st.recursive(
    leaves, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=5), one)
)
BODIES: Final = [{"model": "support", **fields} for fields in SENT_BY_DEFAULT.values()]
RESPONSE: Final[dict[str, Any]] = {
    "id": "r",
    "model": "m",
    "status": "completed",
    "output": [
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "a"}], "encrypted_content": "E"},
        {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "x"}]},
        {"type": "function_call", "id": "f", "call_id": "c", "name": "a", "arguments": "{}"},
    ],
    "usage": {"input_tokens": 1, "output_tokens": 1, "output_tokens_details": {"reasoning_tokens": 0}},
}
EVENTS: Final[list[Json]] = [
    {"type": "response.created", "response": {"id": "r"}},
    *(
        {"type": f"response.output_item.{when}", "output_index": index, "item": item}
        for index, item in enumerate(RESPONSE["output"])
        for when in ("added", "done")
    ),
    {"type": "response.output_text.delta", "item_id": "m", "output_index": 1, "content_index": 0, "delta": "x"},
    {"type": "response.function_call_arguments.delta", "item_id": "f", "delta": "{"},
    {"type": "response.function_call_arguments.done", "item_id": "f", "arguments": "{}"},
    {"type": "response.completed", "response": RESPONSE},
]


def places(value: Json, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every value inside."""
    found = [path] if path else []
    if isinstance(value, dict):
        for name, one in cast("dict[str, Json]", value).items():
            found += places(one, (*path, name))
    elif isinstance(value, list):
        for number, one in enumerate(cast("list[Json]", value)):
            found += places(one, (*path, number))
    return found


@st.composite
def nearly(draw: st.DrawFn, right: list[Json]) -> Json:
    """Draw something right in which a few values are anything, or gone."""
    value = json.loads(json.dumps(draw(st.sampled_from(right))))
    for _ in range(draw(st.integers(0, 3))):
        *path, last = draw(st.sampled_from(places(value)))
        inside = value
        for name in path:
            inside = inside[name]
        if draw(st.booleans()):
            inside[last] = draw(anything)
        else:
            del inside[last]
        if not places(value):
            break
    return value


@settings(deadline=None, max_examples=200)
@given(nearly(BODIES) | anything)
def test_a_client_s_request_is_read_or_refused(body: Json) -> None:
    with suppress(InvalidRequest):
        request.read(json.dumps(body).encode())


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=40))
def test_bytes_that_are_no_request_are_refused(body: bytes) -> None:
    with suppress(InvalidRequest):
        request.read(body)


@settings(deadline=None, max_examples=200)
@given(nearly([RESPONSE]) | anything)
def test_a_provider_s_answer_is_read_or_refused(body: Json) -> None:
    with suppress(UpstreamFailed):
        upstream.answer(json.dumps(body).encode())


@settings(deadline=None, max_examples=200)
@given(st.lists(nearly(EVENTS), max_size=12))
def test_a_provider_s_events_are_read_or_refused(events: list[Json]) -> None:
    collector = Collector(1000)
    with suppress(UpstreamFailed):
        for event in events:
            collector.feed(json.dumps(event).encode())
    assert len(collector.answer().tool_calls) <= len(events)
