# SPDX-License-Identifier: Apache-2.0
"""Refuses what Anthropic's Messages API refuses, in its words: shapes by the SDK's types, then rules among messages.

Sources: anthropic 2.13.0, types/message_create_params.py; the rules are those the provider documents (first message,
tool results right after their calls, thinking before tool use, signatures unchanged). There are two versions of the
API, named by the header `anthropic-version`. 2026-10-21, which anthropic 2.x sends, refuses what 2023-06-01 took:
`temperature`, `top_p` and `top_k` at any value, documents in an assistant's message, citations in a user's text.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
from tests.upstream.messages import REDACTED, SIGNATURE, failure
from tests.upstream.shape import Misfit, misfit
from tests.upstream.wire import Received, Reply

Body = Mapping[str, Any]
TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}\Z")
LEAST_THINKING: Final = 1024
OLD: Final = "2023-06-01"
NEW: Final = "2026-10-21"
SAMPLING: Final = ("temperature", "top_p", "top_k")


def refusal(request: Received, *, counting: bool) -> Reply | None:
    """Return the refusal of this request, or None when the provider would answer it."""
    if not (request.headers.get("x-api-key") or request.headers.get("authorization")):
        return failure(401, "authentication_error", "x-api-key header is required")
    version = request.headers.get("anthropic-version")
    if version is None:
        return failure(400, "invalid_request_error", "anthropic-version: header is required")
    if version not in {OLD, NEW}:
        return failure(400, "invalid_request_error", f'anthropic-version: "{version}" is not a valid version')
    said = problem(request.body, version, counting=counting)
    return None if said is None else failure(400, "invalid_request_error", said)


def problem(body: Body, version: str = NEW, *, counting: bool = False) -> str | None:
    """Return what is wrong with a request, in the provider's words."""
    of = MessageCreateParamsStreaming if body.get("stream") is True else MessageCreateParamsNonStreaming
    known = {name: value for name, value in body.items() if version != OLD or name not in SAMPLING}
    found = misfit(known, MessageCountTokensParams if counting else of)
    if found is not None:
        return _words(found)
    if version == NEW and (said := _newly_refused(body)) is not None:
        return said
    rules: tuple[Callable[[Body], str | None], ...] = (_numbers, _tools, _order, _content, _results, _thoughts)
    return next((said for rule in rules if (said := rule(body)) is not None), None)


def _words(found: Misfit) -> str:
    where = ".".join(map(str, found.path))
    match found.kind:
        case "missing":
            return f"{where}: Field required"
        case "unknown":
            return f"{where}: Extra inputs are not permitted"
        case "value" if found.path[-1:] == ("type",):
            holder = ".".join(map(str, found.path[:-1]))
            return f"{holder}: Input tag {found.found!r} found using 'type' does not match any of: {found.expected}"
        case "value":
            return f"{where}: Input should be {found.expected}"
        case "type":
            return f"{where}: Input should be {found.expected}"


def _numbers(body: Body) -> str | None:
    if body.get("max_tokens", 1) < 1:
        return "max_tokens: Input should be greater than or equal to 1"
    for name in ("temperature", "top_p"):
        if not 0 <= body.get(name, 1) <= 1:
            return f"{name}: Input should be less than or equal to 1"
    thinking: Body = body.get("thinking") or {}
    if thinking.get("type") != "enabled":
        return None
    if thinking["budget_tokens"] < LEAST_THINKING:
        return f"thinking.enabled.budget_tokens: Input should be greater than or equal to {LEAST_THINKING}"
    if "max_tokens" in body and body["max_tokens"] <= thinking["budget_tokens"]:
        return "`max_tokens` must be greater than `thinking.budget_tokens`."
    if body.get("temperature", 1) != 1:
        return "`temperature` may only be set to 1 when thinking is enabled."
    if (body.get("tool_choice") or {}).get("type") in {"any", "tool"}:
        return "Thinking may not be enabled when tool_choice forces tool use."
    return None


def _newly_refused(body: Body) -> str | None:
    for number, message in enumerate(body["messages"]):
        for at, block in enumerate(_blocks(message)):
            where = f"messages.{number}.content.{at}"
            if message["role"] == "assistant" and block["type"] == "document":
                return f"{where}: `document` blocks are not permitted in `assistant` messages"
            if message["role"] == "user" and block["type"] == "text" and block.get("citations"):
                return f"{where}.citations: citations are not permitted in `user` messages"
    return None


def _tools(body: Body) -> str | None:
    names = [tool["name"] for tool in body.get("tools", ())]
    for number, name in enumerate(names):
        if not TOOL_NAME.match(name):
            return f"tools.{number}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
    if len(set(names)) < len(names):
        return "tools: Tool names must be unique."
    choice: Body = body.get("tool_choice") or {}
    if choice and not names:
        return "tool_choice: tool_choice may only be specified while providing tools."
    if choice.get("type") == "tool" and choice["name"] not in names:
        return f"tool_choice.name: Tool '{choice['name']}' not found in provided tools"
    return None


def _order(body: Body) -> str | None:
    if not body["messages"]:
        return "messages: at least one message is required"
    if body["messages"][0]["role"] != "user":
        return 'messages: first message must use the "user" role'
    return None


def _content(body: Body) -> str | None:
    messages = body["messages"]
    for number, message in enumerate(messages):
        last = number == len(messages) - 1 and message["role"] == "assistant"
        if not message["content"] and not last:
            return (
                f"messages.{number}: all messages must have non-empty content except for the optional final assistant "
                "message"
            )
        blocks = _blocks(message)
        if any(block["type"] == "text" and not block["text"] for block in blocks):
            return "messages: text content blocks must be non-empty"
        if last and blocks and blocks[-1]["type"] == "text" and blocks[-1]["text"] != blocks[-1]["text"].rstrip():
            return "messages: final assistant content cannot end with trailing whitespace"
    return None


def _results(body: Body) -> str | None:
    before: list[str] = []
    for number, (role, blocks) in enumerate(_turns(body["messages"])):
        given = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        for at, block in enumerate(blocks):
            if block["type"] == "tool_result" and (role != "user" or block["tool_use_id"] not in before):
                return (
                    f"messages.{number}.content.{at}: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{block['tool_use_id']}. Each `tool_result` block must have a corresponding `tool_use` block in "
                    "the previous message."
                )
        missing = [one for one in before if one not in given]
        if missing:
            return (
                f"messages.{number - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )
        if len(set(given)) < len(given):
            return f"messages.{number}.content: each tool_use must have a single result. Found multiple `tool_result`"
        before = [block["id"] for block in blocks if block["type"] == "tool_use"] if role == "assistant" else []
        if len(set(before)) < len(before):
            return f"messages.{number}.content: `tool_use` ids must be unique"
    return None if not before else f"messages: `tool_use` ids were found without `tool_result` blocks: {before[0]}"


def _thoughts(body: Body) -> str | None:
    """Thinking goes back unchanged; with thinking on, calls being answered come after the thought that made them."""
    asked: Body = body.get("thinking") or {}
    enabled = asked.get("type") == "enabled"
    turns = list(_turns(body["messages"]))
    for number, (role, blocks) in enumerate(turns):
        for at, block in enumerate(blocks):
            where = f"messages.{number}.content.{at}"
            if block["type"] == "thinking" and block["signature"] != SIGNATURE:
                return f"{where}: Invalid `signature` in `thinking` block"
            if block["type"] == "redacted_thinking" and block["data"] != REDACTED:
                return f"{where}: Invalid `data` in `redacted_thinking` block"
        answered = number == len(turns) - 2 and any(block["type"] == "tool_use" for block in blocks)
        if enabled and role == "assistant" and answered and "thinking" not in blocks[0]["type"]:
            return (
                f"messages.{number}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
                f"`{blocks[0]['type']}`. When `thinking` is enabled, a final `assistant` message must start with a "
                "thinking block."
            )
    return None


def _blocks(message: Body) -> Sequence[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _turns(messages: Sequence[Body]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Join neighbours of one role, as the provider does."""
    role, blocks = "", list[dict[str, Any]]()
    for message in messages:
        if message["role"] != role and role:
            yield role, blocks
            blocks = []
        role = message["role"]
        blocks = [*blocks, *_blocks(message)]
    yield role, blocks
