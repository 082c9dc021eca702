# SPDX-License-Identifier: Apache-2.0
"""pydantic-ai, responses or chat completions: an agent whose refund waits for a person, and goes on after the yes."""

from argparse import Namespace
from typing import Any

from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from pydantic_ai import Agent, ModelHTTPError
from pydantic_ai.messages import ModelMessagesTypeAdapter
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from refund import HEADER, QUESTION, Seen, main


async def converse(told: Namespace, seen: Seen) -> None:
    http_client = DefaultAsyncHttpxClient(event_hooks={"request": [seen.sent], "response": [seen.answered]})
    client = AsyncOpenAI(base_url=told.base_url, api_key=told.key, http_client=http_client)
    model = (OpenAIChatModel if told.chat else OpenAIResponsesModel)(
        told.model, provider=OpenAIProvider(openai_client=client)
    )
    settings: Any = {"extra_headers": {HEADER: told.approval}} if told.approval else {}
    agent: Any = Agent(model, instructions="You help with orders.", model_settings=settings)

    @agent.tool_plain
    def get_order_status(order_id: str) -> str:
        """Look up the status of an order."""
        return seen.get_order_status(order_id)

    @agent.tool_plain
    def issue_refund(order_id: str, amount: str) -> str:
        """Pay back what an order cost."""
        return seen.issue_refund(order_id, amount)

    said = ModelMessagesTypeAdapter.validate_json(told.state.read_bytes()) if told.approval else None
    try:
        result = await run(agent, told, seen, None if said else QUESTION, said)
    except ModelHTTPError as refused:
        seen.error(refused.status_code, refused.body)
        return
    if told.stream:
        seen.read(seen.text)
    if seen.approvals and not told.approval:
        told.state.write_bytes(ModelMessagesTypeAdapter.dump_json(result.all_messages()[:-1]))  # the last is the answer


async def run(agent: Any, told: Namespace, seen: Seen, question: str | None, said: Any) -> Any:  # noqa: ANN401 - the SDK's own types
    """Run to the end. `run_stream` takes the first text for the answer, and a released call may come with one."""

    async def watch(_context: object, events: Any) -> None:  # noqa: ANN401
        async for _ in events:
            seen.pieces += 1

    result = await agent.run(question, message_history=said, event_stream_handler=watch if told.stream else None)
    seen.text = result.output
    return result


main(converse)
