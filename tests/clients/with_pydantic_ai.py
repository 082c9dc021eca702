# SPDX-License-Identifier: Apache-2.0
"""pydantic-ai's agent, with its default of responses: a capability says which tool each step must call."""

import asyncio
from argparse import Namespace
from typing import Any

from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from task import MAX_TOKENS, QUESTION, Seen, main

STEPS = (["get_order_status"], ["search_help_center"], "none")


class Steered(AbstractCapability[Any]):
    """Forces one tool after the other, then an answer."""

    def get_model_settings(self) -> Any:  # noqa: ANN401 - the SDK's own types
        """Return settings that depend on the step."""
        return lambda context: {"tool_choice": STEPS[min(context.run_step, len(STEPS)) - 1]}


def converse(told: Namespace, seen: Seen) -> None:
    asyncio.run(_converse(told, seen))


async def _converse(told: Namespace, seen: Seen) -> None:
    client = AsyncOpenAI(base_url=told.base_url, api_key=told.key, max_retries=0)
    model = OpenAIResponsesModel(told.model, provider=OpenAIProvider(openai_client=client))
    agent: Any = Agent(model, model_settings={"max_tokens": MAX_TOKENS}, capabilities=[Steered()])

    @agent.tool_plain
    def get_order_status(order_id: str) -> str:
        """Look up the status of an order."""
        return seen.run("get_order_status", {"order_id": order_id})

    @agent.tool_plain
    def search_help_center(topic: str) -> str:
        """Search the help center."""
        return seen.run("search_help_center", {"topic": topic})

    if not told.stream:
        seen.text = (await agent.run(QUESTION)).output
        return
    async with agent.run_stream(QUESTION) as result:
        async for _ in result.stream_text(delta=True, debounce_by=None):
            seen.pieces += 1
        seen.text = await result.get_output()


main(converse)
