# SPDX-License-Identifier: Apache-2.0
"""The openai SDK, chat completions."""

from argparse import Namespace
from typing import Any

from openai import OpenAI
from task import MAX_TOKENS, QUESTION, TOOLS, Seen, main


def converse(told: Namespace, seen: Seen) -> None:
    client = OpenAI(base_url=told.base_url, api_key=told.key, max_retries=0)
    tools: Any = [
        {"type": "function", "function": {"name": name, "description": text, "parameters": schema}}
        for name, (text, schema, _) in TOOLS.items()
    ]
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    for name in TOOLS:
        choice: Any = {"type": "function", "function": {"name": name}}
        message = ask(client, told, seen, messages=messages, tools=tools, tool_choice=choice)
        messages.append(message)
        messages += [
            {
                "role": "tool",
                "tool_call_id": call.id,
                "content": seen.run(call.function.name, call.function.arguments),
            }
            for call in message.tool_calls
        ]
    seen.text = ask(client, told, seen, messages=messages, tools=tools, tool_choice="none").content


def ask(client: OpenAI, told: Namespace, seen: Seen, **fields: Any) -> Any:  # noqa: ANN401 - the SDK's own types
    asked = {"model": told.model, "max_tokens": MAX_TOKENS, **fields}
    if not told.stream:
        return client.chat.completions.create(**asked).choices[0].message
    with client.chat.completions.stream(**asked) as stream:
        for _ in stream:
            seen.pieces += 1
        return stream.current_completion_snapshot.choices[0].message


main(converse)
