# SPDX-License-Identifier: Apache-2.0
"""The openai SDK, responses: each question continues the stored response before it."""

from argparse import Namespace
from typing import Any

from openai import OpenAI
from task import MAX_TOKENS, QUESTION, TOOLS, Seen, main


def converse(told: Namespace, seen: Seen) -> None:
    client = OpenAI(base_url=told.base_url, api_key=told.key, max_retries=0)
    tools: Any = [
        {"type": "function", "name": name, "description": text, "parameters": schema, "strict": True}
        for name, (text, schema, _) in TOOLS.items()
    ]
    asked: Any = QUESTION
    previous: str | None = None
    for name in TOOLS:
        choice: Any = {"type": "function", "name": name}
        response = ask(client, told, seen, input=asked, tools=tools, tool_choice=choice, previous_response_id=previous)
        previous = response.id
        asked = [
            {"type": "function_call_output", "call_id": item.call_id, "output": seen.run(item.name, item.arguments)}
            for item in response.output
            if item.type == "function_call"
        ]
    last = ask(client, told, seen, input=asked, tools=tools, tool_choice="none", previous_response_id=previous)
    seen.text = last.output_text


def ask(client: OpenAI, told: Namespace, seen: Seen, **fields: Any) -> Any:  # noqa: ANN401 - the SDK's own types
    given = {name: value for name, value in fields.items() if value is not None}
    asked: dict[str, Any] = {"model": told.model, "max_output_tokens": MAX_TOKENS, **given}
    if not told.stream:
        return client.responses.create(**asked)
    with client.responses.stream(**asked) as stream:
        for _ in stream:
            seen.pieces += 1
        return stream.get_final_response()


main(converse)
