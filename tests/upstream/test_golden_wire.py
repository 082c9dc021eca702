# SPDX-License-Identifier: Apache-2.0
"""The golden wire files are what the scripted providers send, and every event of them has the SDK's own shape."""

import http.client
import importlib.metadata
import json
from collections.abc import Iterator
from typing import Any, Final, cast, get_args

import pytest
from anthropic.types import ErrorResponse, Message, MessageTokensCount, RawMessageStreamEvent
from openai.types.responses import Response, ResponseOutputItem, ResponseStreamEvent
from pydantic import TypeAdapter, ValidationError
from tests.golden.golden import check_golden
from tests.golden.streams import WIRE, Event, events, names, reply, stream
from tests.upstream import messages_replies, responses_replies
from tests.upstream.responses_tools import SERVER_EVENTS, SERVER_ITEMS
from tests.upstream.server import Upstream, scripted_upstream

NOT_KEPT: Final = {"huge", "big-event", "slow-first-byte", "thousand-chunks", "hang", "disconnect", "server-events"}
BROKEN_STREAMS: Final = ("error-in-stream", "error-first", "failed", "nested-error-in-stream")
REQUESTS: Final[dict[str, dict[str, Any]]] = {
    "messages": {"max_tokens": 64, "messages": [{"role": "user", "content": "Where is my order?"}]},
    "responses": {"input": "Where is my order?"},
}
SOURCES: Final = {
    "messages": "anthropic {anthropic} types/raw_message_stream_event.py, types/message.py, types/shared",
    "responses": "openai {openai} types/responses/response_stream_event.py, types/responses/response.py",
}
HEADERS: Final = {"content-type": "application/json", "anthropic-version": "2026-10-21", "x-api-key": "key"}
STREAM_EVENT: Final[TypeAdapter[Any]] = TypeAdapter(ResponseStreamEvent)
OUTPUT_ITEM: Final[TypeAdapter[Any]] = TypeAdapter(ResponseOutputItem)
MESSAGE_EVENT: Final[TypeAdapter[Any]] = TypeAdapter(RawMessageStreamEvent)


def kept(folder: str) -> Iterator[tuple[str, bool]]:
    """Return which replies are kept, and whether as a stream."""
    module = messages_replies if folder == "messages" else responses_replies
    every = module.MESSAGES if folder == "messages" else module.RESPONSES  # type: ignore[union-attr]
    for name in sorted(module.ANSWERS.keys() - NOT_KEPT):
        yield name, True
        if name != "queued":
            yield name, False
    yield from ((name, True) for name in BROKEN_STREAMS if name in every)
    yield from ((name, False) for name in sorted(module.FAILURES.keys() - NOT_KEPT))


def ask(upstream: Upstream, folder: str, model: str, *, streamed: bool) -> tuple[int, bytes]:
    body = {"model": model, **REQUESTS[folder], **({"stream": True} if streamed else {})}
    connection = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=10)
    connection.request("POST", f"/v1/{folder}", json.dumps(body), HEADERS)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, content


@pytest.mark.parametrize("folder", ["messages", "responses"])
def test_the_files_are_what_the_provider_sends(folder: str) -> None:
    versions = {name: importlib.metadata.version(name) for name in ("anthropic", "openai")}
    source = SOURCES[folder].format(**versions)
    with scripted_upstream() as upstream:
        for name, streamed in kept(folder):
            status, content = ask(upstream, folder, name, streamed=streamed)
            if streamed:
                check_golden(f"wire/{folder}/{name}.sse", f": {source}; model {name}\n\n{content.decode()}")
            else:
                whole = {"source": source, "path": f"/v1/{folder}", "request": {"model": name, **REQUESTS[folder]}}
                text = json.dumps({**whole, "status": status, "body": json.loads(content)}, indent=2)
                check_golden(f"wire/{folder}/{name}.json", text + "\n")
    expected = {f"{name}.{'sse' if streamed else 'json'}" for name, streamed in kept(folder)}
    assert {path.name for path in (WIRE / folder).iterdir()} == expected


@pytest.mark.parametrize("name", names("responses", ".sse"))
def test_each_event_of_a_response_has_its_shape(name: str) -> None:
    for event in events(stream(name)):
        assert event.name == event.data["type"]
        if name != "responses/nested-error-in-stream":  # as Azure was seen to send it; the types know the flat one
            STREAM_EVENT.validate_python(event.data)


@pytest.mark.parametrize("name", names("messages", ".sse"))
def test_each_event_of_a_message_has_its_shape(name: str) -> None:
    for event in events(stream(name)):
        assert event.name == event.data["type"]
        validate(event)


def validate(event: Event) -> None:
    if event.name == "error":
        ErrorResponse.model_validate(event.data)
    elif event.name != "ping":
        MESSAGE_EVENT.validate_python(event.data)


@pytest.mark.parametrize("name", [*names("messages", ".json"), *names("responses", ".json")])
def test_each_whole_reply_has_its_shape(name: str) -> None:
    kept_reply = reply(name)
    body, status = kept_reply["body"], kept_reply["status"]
    match (name.split("/", maxsplit=1)[0], status):
        case ("messages", 200):
            Message.model_validate(body)
        case ("messages", 413 | 504):
            assert body["error"]["type"] in {
                "request_too_large",
                "timeout_error",
            }  # documented; the types lack the first
        case ("messages", _):
            ErrorResponse.model_validate(body)
        case ("responses", 200):
            Response.model_validate(body)
        case _:
            assert set(body["error"]) == {"message", "type", "param", "code"}


def test_an_event_with_an_unknown_type_or_without_a_field_is_no_event() -> None:
    for kind, adapter in (("messages", MESSAGE_EVENT), ("responses", STREAM_EVENT)):
        one = next(event.data for event in events(stream(f"{kind}/answer")) if "delta" in event.data)
        adapter.validate_python(one)
        for wrong in ({**one, "type": "hologram"}, {key: one[key] for key in one if key != "delta"}):
            with pytest.raises(ValidationError):
                adapter.validate_python(wrong)


def test_every_event_of_the_responses_api_is_in_a_file_or_a_server_event() -> None:
    union = get_args(get_args(ResponseStreamEvent)[0])
    known = {get_args(one.model_fields["type"].annotation)[0] for one in union}
    shown = {event.data["type"] for name in names("responses", ".sse") for event in events(stream(name))}
    served = {event["type"] for event in SERVER_EVENTS}
    assert known == shown | served
    assert not shown & served
    for event in SERVER_EVENTS:
        STREAM_EVENT.validate_python(event)
    for item in SERVER_ITEMS:
        OUTPUT_ITEM.validate_python(item)


def test_every_reason_delta_block_and_citation_of_a_plain_message_is_in_a_file() -> None:
    seen = [event.data for name in names("messages", ".sse") for event in events(stream(name))]
    shown = {text for data in seen for text in kinds(data)}
    assert shown >= {"text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "web_search_tool_result"}
    assert shown >= {"text_delta", "thinking_delta", "signature_delta", "input_json_delta", "citations_delta"}
    assert shown >= {
        f"{one}_location" for one in ("char", "page", "content_block", "web_search_result", "search_result")
    }
    assert shown >= {"ping", "error", "overloaded_error"}
    reasons = {data["delta"]["stop_reason"] for data in seen if data["type"] == "message_delta"}
    assert reasons == set(get_args(Message.model_fields["stop_reason"].annotation)[0].__args__)


def kinds(value: object) -> Iterator[str]:
    """Return every `type` in a value."""
    if isinstance(value, dict):
        for name, one in cast("dict[str, Any]", value).items():
            if name == "type" and isinstance(one, str):
                yield one
            yield from kinds(one)
    elif isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from kinds(one)


def test_recordings_of_llama_cpp_name_their_source() -> None:
    assert len(names("llama-cpp", ".sse")) >= 11
    for name in names("llama-cpp", ".sse"):
        assert stream(name).startswith(b": llama.cpp server in xllamacpp 2026.10.11549, recorded 2026-11-25; POST /v1/")
        assert events(stream(name))
    for name in names("llama-cpp", ".json"):
        assert reply(name)["source"].startswith("llama.cpp server in xllamacpp 2026.10.11549")
    MessageTokensCount.model_validate(reply("llama-cpp/messages-count-tokens")["body"])
