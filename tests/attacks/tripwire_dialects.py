# SPDX-License-Identifier: Apache-2.0
"""The endpoints beside chat completions, full of wires: what applications send there, and what a provider says back.

Each goes to a provider of its own dialect (`SPOKEN`), which repeats the wires of whoever asked in its dialect's places.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from tests.attacks.tripwire import PAYLOAD, RECORD, encodings, wire
from tests.gateway.running import BOT
from tests.upstream import embeddings, messages, responses
from tests.upstream.wire import Close, Received, Reply, as_json, whole

Json = dict[str, Any]
RESPONSES: Final = "/v1/responses"
MESSAGES: Final = "/v1/messages"
COUNT: Final = "/v1/messages/count_tokens"
EMBEDDINGS: Final = "/v1/embeddings"
SPOKEN: Final[Mapping[str, str]] = MappingProxyType(
    {RESPONSES: "openai_responses", MESSAGES: "anthropic", COUNT: "anthropic", EMBEDDINGS: "openai_chat"}
)
"""The dialect of the provider that answers each of them."""
REFUSED: Final = ("rejected", "broken", "limited")
MODES: Final = ("text", "calls", "odd-calls", "cut", "wrong-type", *REFUSED, "not-json", "status-line", "header")
ONLY_WHOLE: Final = ("text", "wrong-type", *REFUSED, "not-json")
"""How a provider answers where nothing is streamed and no tool is called."""


def replies(path: str, number: int, mode: str, proposed: tuple[str, ...]) -> Reply:
    """Return how the provider answers on a path other than chat's, in a mode that depends on the dialect."""
    said = " ".join(encodings(wire(number, PAYLOAD, "said")).values())
    record, payload = wire(number, RECORD, "given"), wire(number, PAYLOAD, "given")
    failing = messages.failure if SPOKEN[path] == "anthropic" else responses.failure
    match mode:
        case "rejected":
            return failing(400, "invalid_request_error", said)
        case "broken":
            return failing(500, "api_error", said)
        case "limited":
            return failing(429, record, said)
        case "wrong-type":
            return _object({"id": record, "output": payload, "content": payload, "data": payload, "input_tokens": said})
        case _:
            return _ANSWERS[path](number, mode, said, proposed)


def _object(body: Json) -> Reply:
    return lambda _request: iter((whole(200, as_json(body)),))


def _response(number: int, mode: str, said: str, proposed: tuple[str, ...]) -> Reply:
    own: Json = {key: wire(number, RECORD, key) for key in ("id", "model")}
    spoken = responses.message(responses.text(said))
    arguments = json.dumps({"order_id": wire(number, PAYLOAD, "given")})
    called = [
        responses.call(name, arguments, place, call_id=f"{wire(number, RECORD, 'given')}-{place}")
        for place, name in enumerate(proposed)
    ]
    match mode:
        case "cut":
            return responses.answer(spoken, edit=lambda events: [*events[:6], Close()], **own)
        case "text":
            return responses.answer(spoken, **own)
        case _:
            return responses.answer(spoken, *(called[:2] if mode == "calls" else called), **own)


def _message(number: int, mode: str, said: str, proposed: tuple[str, ...]) -> Reply:
    own: Json = {key: wire(number, RECORD, key) for key in ("id", "model")}
    called = [
        {
            **messages.tool_use(name, {"order_id": wire(number, PAYLOAD, "given")}, place),
            "id": f"{wire(number, RECORD, 'given')}-{place}",
        }
        for place, name in enumerate(proposed)
    ]
    match mode:
        case "cut":
            return messages.answer(messages.text(said), edit=lambda events: [*events[:5], Close()], **own)
        case "text":
            return messages.answer(messages.text(said), **own)
        case _:
            return messages.answer(messages.text(said), *(called[:2] if mode == "calls" else called), **own)


def _count(_number: int, _mode: str, said: str, _proposed: tuple[str, ...]) -> Reply:
    return _object({"input_tokens": 7, "said": said})


def _vectors(number: int, _mode: str, _said: str, _proposed: tuple[str, ...]) -> Reply:
    return embeddings.answer(lambda full: {**full, "model": wire(number, RECORD, "model")})


_ANSWERS: Final[Mapping[str, Callable[[int, str, str, tuple[str, ...]], Reply]]] = MappingProxyType(
    {RESPONSES: _response, MESSAGES: _message, COUNT: _count, EMBEDDINGS: _vectors}
)


def path_of(request: Received) -> str | None:
    """Return which of these endpoints a provider was asked on, or None for chat completions."""
    return request.path if request.path in SPOKEN else None


def bodies(number: int) -> Iterator[tuple[str, str, Json]]:
    """Return everything that a tenant asks on these endpoints: a label, the path, the body."""
    for mode in MODES:
        for label, fields in (("whole", {}), ("streamed", {"stream": True})):
            yield f"{mode} {label}", RESPONSES, response(number, mode, **fields)
            yield f"{mode} {label}", MESSAGES, message(number, mode, max_tokens=64, **fields)
    for mode in ONLY_WHOLE:
        yield f"{mode} whole", COUNT, message(number, mode)
        yield f"{mode} whole", EMBEDDINGS, embedding(number, mode)


def response(number: int, mode: str, **fields: object) -> Json:
    """Return a request to /v1/responses with wires in everything that a client may fill in."""
    said, own = wire(number, PAYLOAD, "asked"), wire(number, RECORD, "brought")
    given = [
        {"role": "user", "content": f"mode={mode} {said}"},
        {"type": "function_call", "call_id": own, "name": own, "arguments": json.dumps({"a": said})},
        {"type": "function_call_output", "call_id": own, "output": said},
    ]
    brought = {"type": "function", "name": own, "description": said, "parameters": {"title": said}, "strict": False}
    granted = {**brought, "name": "get_order_status"}
    told = {"instructions": f"system {said}", "metadata": {"customer": said}, "tools": [granted, brought]}
    return {"model": BOT, "input": given, **told, **fields}


def message(number: int, mode: str, **fields: object) -> Json:
    """Return a request to /v1/messages, or of its count, with wires in everything that a client may fill in."""
    said, own = wire(number, PAYLOAD, "asked"), wire(number, RECORD, "brought")
    given = [
        {"role": "user", "content": f"mode={mode} {said}"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": own, "name": own, "input": {"a": said}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": own, "content": said}]},
    ]
    brought = {"name": own, "description": said, "input_schema": {"type": "object", "title": said}}
    granted = {**brought, "name": "get_order_status"}
    return {"model": BOT, "system": f"system {said}", "messages": given, "tools": [granted, brought], **fields}


def embedding(number: int, mode: str, **fields: object) -> Json:
    """Return a request to /v1/embeddings with wires in everything that a client may fill in."""
    said = wire(number, PAYLOAD, "asked")
    return {"model": BOT, "input": [f"mode={mode} {said}", said], "user": said, **fields}


def healthy(number: int, path: str) -> bytes:
    """Return a request that is answered well."""
    return json.dumps(next(body for label, at, body in bodies(number) if at == path and label == "text whole")).encode()


def broken(number: int) -> Iterator[tuple[str, str, bytes]]:
    """Return what is refused on every one of these endpoints: a label, the path, the bytes."""
    said = wire(number, PAYLOAD, "wrong")
    makers: Mapping[str, Callable[..., Json]] = {
        RESPONSES: response, MESSAGES: message, COUNT: message, EMBEDDINGS: embedding,
    }  # fmt: skip
    for path, make in makers.items():
        plain = json.dumps(make(number, "text")).encode()
        yield "no JSON", path, f'{{"model": {said}'.encode()
        yield "unknown field", path, json.dumps(make(number, "text", **{said: 1})).encode()
        yield "wrong type", path, json.dumps(make(number, "text", input=7, messages=said)).encode()
        yield "unknown model", path, json.dumps(make(number, "text", model=said)).encode()
        yield "twice", path, plain[:-1] + f', "model": "{said}"}}'.encode()
    yield "no such response", RESPONSES, json.dumps(response(number, "text", previous_response_id=said)).encode()
