# SPDX-License-Identifier: Apache-2.0
"""llama-index's OpenAI-like use: its function-calling LLM with a base URL of its own."""

from argparse import Namespace
from typing import Any

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI
from task import MAX_TOKENS, QUESTION, Seen, main


def get_order_status(order_id: str) -> str:
    """Look up the status of an order."""
    return order_id


def search_help_center(topic: str) -> str:
    """Search the help center."""
    return topic


def converse(told: Namespace, seen: Seen) -> None:
    # Its class knows OpenAI's models by name; an assistant's name is none of them, and is sent all the same.
    llm = OpenAI(
        model="gpt-4o-mini",
        api_base=told.base_url,
        api_key=told.key,
        max_tokens=MAX_TOKENS,
        max_retries=0,
        additional_kwargs={"model": told.model},
    )
    tools = [FunctionTool.from_defaults(fn=each) for each in (get_order_status, search_help_center)]
    history: list[Any] = [ChatMessage(role="user", content=QUESTION)]
    for tool in tools:
        name = tool.metadata.name
        response = ask(llm, told, seen, tools, history, tool_choice=name)
        history.append(response.message)
        for call in llm.get_tool_calls_from_response(response):
            said = seen.run(call.tool_name, call.tool_kwargs)
            history.append(ChatMessage(role="tool", content=said, additional_kwargs={"tool_call_id": call.tool_id}))
    seen.text = ask(llm, told, seen, tools, history, tool_choice="none").message.content or ""


def ask(llm: Any, told: Namespace, seen: Seen, tools: Any, history: Any, **fields: Any) -> Any:  # noqa: ANN401 - the SDK's own types
    if not told.stream:
        return llm.chat_with_tools(tools, chat_history=history, **fields)
    last: Any = None
    for last in llm.stream_chat_with_tools(tools, chat_history=history, **fields):  # noqa: B007 - the last one is whole
        seen.pieces += 1
    return last


main(converse)
