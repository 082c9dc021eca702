# SPDX-License-Identifier: Apache-2.0
"""openai-agents, with its default of responses: an agent whose refund waits for a person, and goes on after the yes.

With `--items` it takes requests for approval as items of the answer: its callback shows one to somebody, waits for the
word that it was approved, and only then says "go on".
"""

import json
import sys
from argparse import Namespace
from typing import Any

import openai
from agents import (
    Agent,
    HostedMCPTool,
    MCPToolApprovalRequest,
    ModelSettings,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
)
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from refund import HEADER, QUESTION, Seen, main


async def converse(told: Namespace, seen: Seen) -> None:
    @function_tool
    def get_order_status(order_id: str) -> str:
        """Look up the status of an order."""
        return seen.get_order_status(order_id)

    @function_tool
    def issue_refund(order_id: str, amount: str) -> str:
        """Pay back what an order cost."""
        return seen.issue_refund(order_id, amount)

    http_client = DefaultAsyncHttpxClient(event_hooks={"request": [seen.sent], "response": [seen.answered]})
    client = AsyncOpenAI(base_url=told.base_url, api_key=told.key, http_client=http_client)
    agent: Any = Agent(
        name="support",
        instructions="You help with orders.",
        model=OpenAIResponsesModel(told.model, client),
        tools=[get_order_status, issue_refund, *([requests_for_approval()] if told.items else [])],
        model_settings=ModelSettings(extra_headers={HEADER: told.approval} if told.approval else None),
    )
    history: Any = json.loads(told.state.read_text()) if told.approval else [{"role": "user", "content": QUESTION}]
    try:
        result = await run(agent, told, seen, history)
    except openai.APIStatusError as refused:
        seen.error(refused.status_code, refused.body)
        return
    seen.text = str(result.final_output)
    if seen.approvals and not told.approval:
        told.state.write_text(json.dumps(result.to_input_list()[:-1]))  # the last item is the answer with the sentence


async def run(agent: Any, told: Namespace, seen: Seen, history: Any) -> Any:  # noqa: ANN401 - the SDK's own types
    config = RunConfig(tracing_disabled=True)
    if not told.stream:
        return await Runner.run(agent, history, run_config=config)
    result = Runner.run_streamed(agent, history, run_config=config)
    async for event in result.stream_events():
        seen.pieces += 1
        if event.type == "raw_response_event" and event.data.type == "response.completed":
            seen.receipt(event.data.response.model_extra["customhouse"])
    return result


def requests_for_approval() -> HostedMCPTool:
    """Return the tool that is none: it says that this client takes requests for approval."""

    async def shown(request: MCPToolApprovalRequest) -> Any:  # noqa: ANN401 - the SDK's own type
        # Blocks, as an application would not: this program has nothing else to do.
        print(json.dumps({"asked": request.data.id, "tool": request.data.name}), flush=True)  # noqa: T201
        return {"approve": sys.stdin.readline().strip() == "approved"}

    return HostedMCPTool(
        tool_config={"type": "mcp", "server_label": "customhouse"},
        on_approval_request=shown,
    )


main(converse)
