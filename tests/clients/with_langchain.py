# SPDX-License-Identifier: Apache-2.0
"""What langchain-openai and langchain-anthropic have in common: a chat model with tools, invoked or streamed."""

from argparse import Namespace
from typing import Any

from langchain_core.messages import HumanMessage, ToolMessage
from task import QUESTION, TOOLS, Seen


def converse(model: Any, told: Namespace, seen: Seen, *, no_tool: Any) -> None:  # noqa: ANN401 - either package's own
    tools = [
        {"type": "function", "function": {"name": name, "description": text, "parameters": schema}}
        for name, (text, schema, _) in TOOLS.items()
    ]
    messages: list[Any] = [HumanMessage(QUESTION)]
    for name in TOOLS:
        answer = ask(model.bind_tools(tools, tool_choice=name), told, seen, messages)
        messages.append(answer)
        messages += [
            ToolMessage(seen.run(call["name"], call["args"]), tool_call_id=call["id"]) for call in answer.tool_calls
        ]
    seen.text = ask(model.bind_tools(tools, tool_choice=no_tool), told, seen, messages).text


def ask(model: Any, told: Namespace, seen: Seen, messages: list[Any]) -> Any:  # noqa: ANN401 - the SDK's own types
    if not told.stream:
        return model.invoke(messages)
    whole: Any = None
    for chunk in model.stream(messages):
        seen.pieces += 1
        whole = chunk if whole is None else whole + chunk
    return whole
