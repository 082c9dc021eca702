# SPDX-License-Identifier: Apache-2.0
"""What a bare client says and hears in each dialect, and what a provider of each was asked: for tests that cross them.

A tongue is one dialect on both sides of the gateway. `Heard` and `Asked` are the same whichever was spoken, so that a
test states once what must keep its meaning.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

from tests.gateway.running import BOT, Answer, Running, takes
from tests.upstream.wire import Received

from customhouse.domain.message import DialectName

Json = dict[str, Any]
Call = tuple[str, str, Any]
"""A call's id, name and arguments as a value."""
QUESTION: Final = "Where is order 7?"
TOOL_NAMES: Final = ("get_order_status", "issue_refund")
SCHEMA: Final[Json] = {
    "type": "object",
    "properties": {"status": {"type": "string"}},
    "required": ["status"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Heard:
    """One answer as a client understands it. `stop` is in words of the tests."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    stop: str = ""
    reasoning: str = ""
    refusal: str = ""
    usage: tuple[int, int, int] = (0, 0, 0)
    receipt: Json = field(default_factory=dict[str, Any])
    raw: Any = None


@dataclass(frozen=True)
class Asked:
    """One request as a provider understands it."""

    system: str
    roles: tuple[str, ...]
    tools: tuple[str, ...]
    results: tuple[tuple[str, str], ...]
    calls: tuple[Call, ...]
    schema: Json | None
    max_tokens: int | None


class Tongue(Protocol):
    """One dialect, on the client's side and on the provider's."""

    path: str

    def first(self, **wish: Any) -> Json:  # noqa: ANN401 - a JSON body
        """Return a body that asks QUESTION; wishes are `tools`, `schema`, `stream`, `reasons`."""
        ...

    def second(self, body: Json, heard: Heard, results: Sequence[str]) -> Json:
        """Return the body that goes on: what was answered, and what each call came to."""
        ...

    def hear(self, answer: Answer) -> Heard:
        """Return what an answer says, whole or streamed."""
        ...

    def asked(self, request: Received) -> Asked:
        """Return what a provider was asked."""
        ...

    def problem(self, answer: Answer) -> Json:
        """Return the error of an answer."""
        ...


def say(gateway: Running, tongue: Tongue, body: Json) -> Answer:
    """Send one request with the key."""
    headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
    return gateway.request("POST", tongue.path, json.dumps(body).encode(), headers)


def events(answer: Answer) -> list[Json]:
    """Return the JSON of each server-sent event but `[DONE]`."""
    lines = [line.removeprefix("data: ") for line in answer.body.decode().split("\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def streamed(answer: Answer) -> bool:
    return answer.headers["content-type"].startswith("text/event-stream")


class Chat:
    """OpenAI chat completions."""

    path = "/v1/chat/completions"

    def first(self, **wish: Any) -> Json:  # noqa: ANN401
        body: Json = {"model": BOT, "max_tokens": 2000, "messages": [{"role": "user", "content": QUESTION}]}
        if wish.get("tools"):
            body["tools"] = [
                {"type": "function", "function": {"name": n, "parameters": takes(n)}} for n in wish["tools"]
            ]
        if wish.get("schema"):
            form = {"name": "status", "schema": wish["schema"], "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        if wish.get("stream"):
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body

    def second(self, body: Json, heard: Heard, results: Sequence[str]) -> Json:
        called = [
            {"id": i, "type": "function", "function": {"name": name, "arguments": json.dumps(value)}}
            for i, name, value in heard.calls
        ]
        told = [
            {"role": "tool", "tool_call_id": call[0], "content": result}
            for call, result in zip(heard.calls, results, strict=True)
        ]
        said = {"role": "assistant", "content": heard.text or None, "tool_calls": called}
        return {**body, "messages": [*body["messages"], said, *told]}

    def hear(self, answer: Answer) -> Heard:
        if streamed(answer):
            message, finish, usage, receipt = self._joined(events(answer))
        else:
            body = answer.json
            choice = body["choices"][0]
            message, finish = choice["message"], choice["finish_reason"]
            usage, receipt = body.get("usage"), body["customhouse"]
        counted: Json = usage or {}
        cached = _object(counted.get("prompt_tokens_details")).get("cached_tokens", 0)
        return Heard(
            text=message.get("content") or "",
            calls=tuple(
                (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
                for call in message.get("tool_calls") or ()
            ),
            stop={"stop": "done", "length": "cut", "tool_calls": "calls", "content_filter": "filtered"}[finish],
            reasoning=message.get("reasoning_content") or "",
            refusal=message.get("refusal") or "",
            usage=(counted.get("prompt_tokens", 0), counted.get("completion_tokens", 0), cached),
            receipt=receipt,
        )

    def _joined(self, chunks: list[Json]) -> tuple[Json, str, Json | None, Json]:
        message: Json = {"content": "", "refusal": "", "reasoning_content": "", "tool_calls": []}
        finish: str = ""
        usage: Json | None = None
        receipt: Json = {}
        for chunk in chunks:
            usage = chunk.get("usage") or usage
            receipt = chunk.get("customhouse") or receipt
            for choice in chunk["choices"]:
                finish = choice["finish_reason"] or finish
                for name in ("content", "refusal", "reasoning_content"):
                    message[name] += choice["delta"].get(name) or ""
                message["tool_calls"] += choice["delta"].get("tool_calls") or []
        return message, finish, usage, receipt

    def asked(self, request: Received) -> Asked:
        messages: list[Json] = request.body["messages"]
        form = request.body.get("response_format")
        return Asked(
            system=" ".join(m["content"] for m in messages if m["role"] == "system"),
            roles=tuple(m["role"] for m in messages if m["role"] != "system"),
            tools=tuple(tool["function"]["name"] for tool in request.body.get("tools", ())),
            results=tuple((m["tool_call_id"], m["content"]) for m in messages if m["role"] == "tool"),
            calls=tuple(
                (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
                for m in messages
                for call in m.get("tool_calls") or ()
            ),
            schema=form["json_schema"]["schema"] if form else None,
            max_tokens=request.body.get("max_tokens") or request.body.get("max_completion_tokens"),
        )

    def problem(self, answer: Answer) -> Json:
        return (events(answer)[-1] if streamed(answer) else answer.json)["error"]


_ROLES: Final = {"function_call": "assistant", "function_call_output": "tool"}


class Responses:
    """OpenAI Responses."""

    path = "/v1/responses"

    def first(self, **wish: Any) -> Json:  # noqa: ANN401
        body: Json = {
            "model": BOT,
            "max_output_tokens": 2000,
            "store": False,
            "input": [{"type": "message", "role": "user", "content": QUESTION}],
        }
        if wish.get("tools"):
            body["tools"] = [
                {"type": "function", "name": name, "parameters": takes(name), "strict": False} for name in wish["tools"]
            ]
        if wish.get("schema"):
            form = {"type": "json_schema", "name": "status", "schema": wish["schema"], "strict": True}
            body["text"] = {"format": form}
        if wish.get("stream"):
            body["stream"] = True
        return body

    def second(self, body: Json, heard: Heard, results: Sequence[str]) -> Json:
        told = [
            {"type": "function_call_output", "call_id": call[0], "output": result}
            for call, result in zip(heard.calls, results, strict=True)
        ]
        return {**body, "input": [*body["input"], *heard.raw, *told]}

    def hear(self, answer: Answer) -> Heard:
        body = answer.json if not streamed(answer) else events(answer)[-1]["response"]
        if streamed(answer):
            self._require_told(events(answer), body)
        parts = [part for item in body["output"] if item["type"] == "message" for part in item["content"]]
        thought = [item for item in body["output"] if item["type"] == "reasoning"]
        calls = tuple(
            (item["call_id"], item["name"], json.loads(item["arguments"]))
            for item in body["output"]
            if item["type"] == "function_call"
        )
        reason = _object(body.get("incomplete_details")).get("reason")
        words = {"max_output_tokens": "cut", "content_filter": "filtered", None: "calls" if calls else "done"}
        usage: Json = body.get("usage") or {}
        return Heard(
            text="".join(part["text"] for part in parts if part["type"] == "output_text"),
            calls=calls,
            stop=words[reason],
            reasoning="".join(
                piece["text"] for item in thought for piece in (*item["summary"], *(item.get("content") or ()))
            ),
            refusal="".join(part["refusal"] for part in parts if part["type"] == "refusal"),
            usage=(
                usage.get("input_tokens", 0),
                usage.get("output_tokens", 0),
                _object(usage.get("input_tokens_details")).get("cached_tokens", 0),
            ),
            receipt=body["customhouse"],
            raw=body["output"],
        )

    def _require_told(self, told: list[Json], body: Json) -> None:
        """Check that the deltas of a stream say what its last event says."""
        said = "".join(event["delta"] for event in told if event["type"] == "response.output_text.delta")
        parts = [part for item in body["output"] if item["type"] == "message" for part in item["content"]]
        assert said == "".join(part.get("text", "") for part in parts)

    def asked(self, request: Received) -> Asked:
        body = request.body
        items: list[Json] = body["input"]
        form = _object(_object(body.get("text")).get("format"))
        told = [item for item in items if item.get("role") in {"system", "developer"}]
        return Asked(
            system=" ".join([body.get("instructions") or "", *(_words(item["content"]) for item in told)]).strip(),
            roles=tuple(_ROLES.get(item["type"]) or str(item.get("role")) for item in items if item not in told),
            tools=tuple(tool["name"] for tool in body.get("tools") or ()),
            results=tuple(
                (item["call_id"], _words(item["output"])) for item in items if item["type"] == "function_call_output"
            ),
            calls=tuple(
                (item["call_id"], item["name"], json.loads(item["arguments"]))
                for item in items
                if item["type"] == "function_call"
            ),
            schema=form.get("schema"),
            max_tokens=body.get("max_output_tokens"),
        )

    def problem(self, answer: Answer) -> Json:
        if not streamed(answer):
            return answer.json["error"]
        last = events(answer)[-1]
        return last["response"]["error"] if last["type"] == "response.failed" else last


class Messages:
    """Anthropic Messages."""

    path = "/v1/messages"

    def first(self, **wish: Any) -> Json:  # noqa: ANN401
        body: Json = {"model": BOT, "max_tokens": 2000, "messages": [{"role": "user", "content": QUESTION}]}
        if wish.get("tools"):
            body["tools"] = [{"name": name, "input_schema": takes(name)} for name in wish["tools"]]
        if wish.get("schema"):
            body["output_config"] = {"format": {"type": "json_schema", "schema": wish["schema"]}}
        if wish.get("stream"):
            body["stream"] = True
        return body

    def second(self, body: Json, heard: Heard, results: Sequence[str]) -> Json:
        told = [
            {"type": "tool_result", "tool_use_id": call[0], "content": result}
            for call, result in zip(heard.calls, results, strict=True)
        ]
        said = [{"role": "assistant", "content": heard.raw}, {"role": "user", "content": told}]
        return {**body, "messages": [*body["messages"], *said]}

    def hear(self, answer: Answer) -> Heard:
        body = self._joined(events(answer)) if streamed(answer) else answer.json
        content: list[Json] = body["content"]
        usage = body["usage"]
        cached = usage["cache_read_input_tokens"] or 0
        words = {"end_turn": "done", "max_tokens": "cut", "tool_use": "calls", "refusal": "filtered"}
        return Heard(
            text="".join(block["text"] for block in content if block["type"] == "text"),
            calls=tuple((b["id"], b["name"], b["input"]) for b in content if b["type"] == "tool_use"),
            stop=words[body["stop_reason"]],
            reasoning="".join(block["thinking"] for block in content if block["type"] == "thinking"),
            refusal=_object(body.get("stop_details")).get("explanation", ""),
            usage=(
                usage["input_tokens"] + cached + (usage["cache_creation_input_tokens"] or 0),
                usage["output_tokens"],
                cached,
            ),
            receipt=body["customhouse"],
            raw=content,
        )

    def _joined(self, told: list[Json]) -> Json:
        message: Json = {}
        pieces: list[str] = []
        for event in told:
            match event["type"]:
                case "message_start":
                    message = event["message"]
                case "content_block_start":
                    message["content"].append(event["content_block"])
                    pieces = []
                case "content_block_delta":
                    self._grow(message["content"][event["index"]], event["delta"], pieces)
                case "content_block_stop":
                    block = message["content"][event["index"]]
                    if block["type"] == "tool_use":
                        block["input"] = json.loads("".join(pieces))
                case "message_delta":
                    message |= {**event["delta"], "usage": event["usage"], "customhouse": event["customhouse"]}
                case _:
                    assert event["type"] == "message_stop"
        return message

    def _grow(self, block: Json, delta: Json, pieces: list[str]) -> None:
        match delta["type"]:
            case "input_json_delta":
                pieces.append(delta["partial_json"])
            case "signature_delta":
                block["signature"] = delta["signature"]
            case "citations_delta":
                block.setdefault("citations", []).append(delta["citation"])
            case kind:
                block[kind.removesuffix("_delta")] += delta[kind.removesuffix("_delta")]

    def asked(self, request: Received) -> Asked:
        body = request.body
        blocks: list[Json] = [block for message in body["messages"] for block in message["content"]]
        form = _object(body.get("output_config")).get("format")
        return Asked(
            system=_words(body.get("system", ())),
            roles=tuple(message["role"] for message in body["messages"]),
            tools=tuple(tool["name"] for tool in body.get("tools", ())),
            results=tuple((b["tool_use_id"], _words(b["content"])) for b in blocks if b["type"] == "tool_result"),
            calls=tuple((b["id"], b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"),
            schema=form["schema"] if form else None,
            max_tokens=body["max_tokens"],
        )

    def problem(self, answer: Answer) -> Json:
        return (events(answer)[-1] if streamed(answer) else answer.json)["error"]


def _object(value: object) -> Json:
    """Return an object that may be absent, or an empty one."""
    return cast("Json", value or {})


def _words(content: str | Sequence[Json]) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


TONGUES: Final[Mapping[DialectName, Tongue]] = {
    "openai_chat": Chat(),
    "openai_responses": Responses(),
    "anthropic": Messages(),
}
"""Every dialect by its name."""
