# SPDX-License-Identifier: Apache-2.0
"""The anthropic SDK, messages."""

from argparse import Namespace
from typing import Any

from anthropic import Anthropic
from task import MAX_TOKENS, QUESTION, TOOLS, Seen, main


def converse(told: Namespace, seen: Seen) -> None:
    client = Anthropic(base_url=told.base_url.removesuffix("/v1"), api_key=told.key, max_retries=0)
    tools: Any = [
        {"name": name, "description": text, "input_schema": schema} for name, (text, schema, _) in TOOLS.items()
    ]
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    for name in TOOLS:
        message = ask(client, told, seen, messages=messages, tools=tools, tool_choice={"type": "tool", "name": name})
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": seen.run(block.name, block.input)}
            for block in message.content
            if block.type == "tool_use"
        ]
        messages += [{"role": "assistant", "content": message.content}, {"role": "user", "content": results}]
    last = ask(client, told, seen, messages=messages, tools=tools, tool_choice={"type": "none"})
    seen.text = "".join(block.text for block in last.content if block.type == "text")


def ask(client: Anthropic, told: Namespace, seen: Seen, **fields: Any) -> Any:  # noqa: ANN401 - the SDK's own types
    asked: dict[str, Any] = {"model": told.model, "max_tokens": MAX_TOKENS, **fields}
    if not told.stream:
        return client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        for _ in stream:
            seen.pieces += 1
        return stream.get_final_message()


main(converse)
