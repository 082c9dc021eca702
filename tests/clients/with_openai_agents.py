# SPDX-License-Identifier: Apache-2.0
"""openai-agents, with its default of responses: two agents that must call a tool each, and one that answers."""

import asyncio
from argparse import Namespace
from typing import Any

from agents import Agent, ModelSettings, OpenAIResponsesModel, RunConfig, Runner, function_tool
from openai import AsyncOpenAI
from task import MAX_TOKENS, QUESTION, Seen, main


def converse(told: Namespace, seen: Seen) -> None:
    asyncio.run(_converse(told, seen))


async def _converse(told: Namespace, seen: Seen) -> None:
    @function_tool
    def get_order_status(order_id: str) -> str:
        """Look up the status of an order."""
        return seen.run("get_order_status", {"order_id": order_id})

    @function_tool
    def search_help_center(topic: str) -> str:
        """Search the help center."""
        return seen.run("search_help_center", {"topic": topic})

    client = AsyncOpenAI(base_url=told.base_url, api_key=told.key, max_retries=0)
    model = OpenAIResponsesModel(told.model, client)
    history: list[Any] = [{"role": "user", "content": QUESTION}]
    for choice in ("get_order_status", "search_help_center", "none"):
        agent: Any = Agent(
            name="support",
            instructions="You help with orders.",
            model=model,
            tools=[get_order_status, search_help_center],
            model_settings=ModelSettings(tool_choice=choice, max_tokens=MAX_TOKENS),
            tool_use_behavior="stop_on_first_tool",
        )
        result = await run(agent, told, seen, history)
        history = result.to_input_list()
        seen.text = str(result.final_output)


async def run(agent: Any, told: Namespace, seen: Seen, history: list[Any]) -> Any:  # noqa: ANN401 - the SDK's own types
    config = RunConfig(tracing_disabled=True)
    if not told.stream:
        return await Runner.run(agent, history, run_config=config)
    result = Runner.run_streamed(agent, history, run_config=config)
    async for _ in result.stream_events():
        seen.pieces += 1
    return result


main(converse)
