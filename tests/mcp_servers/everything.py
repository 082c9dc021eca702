# SPDX-License-Identifier: Apache-2.0
"""A server of tools that does everything in MCP, on the official SDK: what the conformance suite is run against.

`python -m tests.mcp_servers.everything PORT` serves Streamable HTTP at /mcp of 127.0.0.1 (0: a free port; the first
line that it prints is its URL); without PORT it serves stdio. Handshake revisions and 2026-07-28 alike.
"""

import asyncio
import json
import socket
import sys
from typing import Any, Final

import mcp_types as types
import uvicorn
from mcp.server.caching import CacheHint
from mcp.server.connection import allowed_log_levels
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from pydantic import BaseModel
from tests.mcp_servers import contents
from tests.mcp_servers.contents import Json

Context = ServerRequestContext[dict[str, Any], Any]
_NAME: Final = "customhouse-everything"
_NEEDS: Final = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}


def server() -> Server[dict[str, Any]]:
    """Build the server; each one has a key of its own for the state that it hands to clients."""
    bus = InMemorySubscriptionBus()

    async def call_tool(
        ctx: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        if params.name in contents.ANSWERS:
            return types.CallToolResult.model_validate(contents.ANSWERS[params.name])
        if params.name in contents.ROUNDS and params.name in contents.TOOLS:
            asked = _ask(ctx, params.name, params.input_responses, params.request_state)
            return asked or _words(f"state-ok: {_plain(params.input_responses)}")
        if params.name == "test_trigger_tool_change":
            await bus.publish(ToolsListChanged())
            return _words("changed")
        if params.name == "test_trigger_prompt_change":
            await bus.publish(PromptsListChanged())
            return _words("changed")
        if params.name in contents.CALLING:
            return _words(await _towards_client(ctx, params.name, params.arguments or {}))
        raise MCPError(types.INVALID_PARAMS, f"unknown tool {params.name}")

    return _with_sealed_state(
        Server(
            _NAME,
            version="1.0.0",
            cache_hints={
                method: CacheHint(ttl_ms=60_000, scope="public")
                for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list")
            },
            on_list_tools=_list_tools,
            on_call_tool=call_tool,
            on_list_resources=_list_resources,
            on_list_resource_templates=_list_templates,
            on_read_resource=_read_resource,
            on_subscribe_resource=_nothing,
            on_unsubscribe_resource=_nothing,
            on_subscriptions_listen=ListenHandler(bus),
            on_list_prompts=_list_prompts,
            on_get_prompt=_get_prompt,
            on_completion=_complete,
        )
    )


def _with_sealed_state(made: Server[dict[str, Any]]) -> Server[dict[str, Any]]:
    made.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=_NAME))
    # Not by the constructor: it warns that revision 2026-07-28 has logging no more, and warnings are errors in tests.
    made.add_request_handler("logging/setLevel", types.SetLevelRequestParams, _nothing)
    return made


def _words(words: str) -> types.CallToolResult:
    return types.CallToolResult.model_validate({"content": [contents.text(words)]})


def _plain(value: object) -> str:
    """Return what came in, as JSON."""
    return json.dumps(
        value, default=lambda one: one.model_dump(mode="json") if isinstance(one, BaseModel) else str(one)
    )


def _ask(
    ctx: Context, name: str, responses: types.InputResponses | None, state: str | None
) -> types.InputRequiredResult | None:
    """Return what is still to be asked; None when every round has its answers. The state is the round's number."""
    rounds = contents.ROUNDS[name]
    number = int(state) if state is not None else 0
    if number < len(rounds) and set(rounds[number]) <= set(responses or {}):
        number += 1
    if number == len(rounds):
        return None
    declared = ctx.session.client_capabilities or types.ClientCapabilities()
    # The suite's client declares nothing for most of these; only the tool for capabilities looks at them.
    asked = {
        key: one
        for key, one in rounds[number].items()
        if name != "test_input_required_result_capabilities" or getattr(declared, _NEEDS[one["method"]]) is not None
    }
    return types.InputRequiredResult.model_validate({"inputRequests": asked, "requestState": str(number)})


async def _towards_client(ctx: Context, name: str, arguments: Json) -> str:
    """Log, report or ask on the stream of this call; return what the tool answers."""
    match name:
        case "test_tool_with_logging" | "test_logging_tool":
            for step in ("Tool execution started", "Tool processing data", "Tool execution completed"):
                await _log(ctx, step)
            return "logged"
        case "test_tool_with_progress":
            for done in (0, 50, 100):
                await ctx.session.report_progress(done, 100, f"Completed step {done} of 100")
            return "reported"
        case "test_sampling":
            request = types.CreateMessageRequest.model_validate(contents.sampling(arguments["prompt"]))
            sampled = await ctx.session.send_request(request, types.CreateMessageResult, metadata=_beside(ctx))
            return f"LLM response: {_plain(sampled.content)}"
        case "test_missing_capability":
            raise MCPError(
                types.MISSING_REQUIRED_CLIENT_CAPABILITY,
                "this tool needs sampling",
                {"requiredCapabilities": {"sampling": {}}},
            )
        case _:
            schemas = {"test_elicitation": contents.USER, "test_elicitation_sep1034_defaults": contents.DEFAULTS}
            form = contents.elicitation(arguments.get("message", "Please fill in"), schemas.get(name, contents.ENUMS))
            request = types.ElicitRequest.model_validate(form)
            given = await ctx.session.send_request(request, types.ElicitResult, metadata=_beside(ctx))
            return f"Elicitation completed: action={given.action}, content={_plain(given.content)}"


def _beside(ctx: Context) -> ServerMessageMetadata:
    """Send it on the stream of the call, not on the one that stands open for everything."""
    return ServerMessageMetadata(related_request_id=ctx.request_id)


async def _log(ctx: Context, words: str) -> None:
    """Log to the client: in revision 2026-07-28 only if this request asked for it."""
    if "info" in allowed_log_levels(ctx.protocol_version, ctx.meta):
        params = types.LoggingMessageNotificationParams(level="info", data=words)
        await ctx.session.send_notification(types.LoggingMessageNotification(params=params), ctx.request_id)


async def _list_tools(_ctx: Context, _params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    return types.ListToolsResult.model_validate({"tools": [contents.tool(name) for name in contents.TOOLS]})


async def _list_resources(_ctx: Context, _params: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
    listed = [{"uri": uri, "name": uri, "mimeType": one["mimeType"]} for uri, one in contents.RESOURCES.items()]
    return types.ListResourcesResult.model_validate({"resources": listed})


async def _list_templates(
    _ctx: Context, _params: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    template = {"uriTemplate": "{id}".join(contents.TEMPLATE), "name": "data", "mimeType": "application/json"}
    return types.ListResourceTemplatesResult.model_validate({"resourceTemplates": [template]})


async def _read_resource(_ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    uri = str(params.uri)
    before, after = contents.TEMPLATE
    if uri in contents.RESOURCES:
        found = contents.RESOURCES[uri]
    elif uri.startswith(before) and uri.endswith(after):
        number = uri.removeprefix(before).removesuffix(after)
        data = {"id": number, "templateTest": True, "data": f"Data for ID: {number}"}
        found = {"mimeType": "application/json", "text": json.dumps(data)}
    else:
        raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": uri})
    whole = {"contents": [{"uri": uri, **found}], "ttlMs": 60_000, "cacheScope": "private"}
    return types.ReadResourceResult.model_validate(whole)


async def _list_prompts(_ctx: Context, _params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
    listed = [
        {"name": name, "description": name, "arguments": [{"name": one, "required": True} for one in arguments]}
        for name, arguments in contents.PROMPTS.items()
    ]
    return types.ListPromptsResult.model_validate({"prompts": listed})


async def _get_prompt(
    ctx: Context, params: types.GetPromptRequestParams
) -> types.GetPromptResult | types.InputRequiredResult:
    arguments = params.arguments or {}
    if params.name not in contents.PROMPTS or not set(contents.PROMPTS[params.name]) <= set(arguments):
        raise MCPError(types.INVALID_PARAMS, f"unknown prompt {params.name}, or an argument is missing")
    if params.name in contents.ROUNDS:
        asked = _ask(ctx, params.name, params.input_responses, params.request_state)
        if asked is not None:
            return asked
        said = [contents.text(f"In this context: {_plain(params.input_responses)}")]
    else:
        said = contents.said(params.name, arguments)
    messages = [{"role": "user", "content": content} for content in said]
    return types.GetPromptResult.model_validate({"messages": messages})


async def _complete(_ctx: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    values = [word for word in ("paris", "park", "party") if word.startswith(params.argument.value)]
    completion = {"values": values, "total": len(values), "hasMore": False}
    return types.CompleteResult.model_validate({"completion": completion})


async def _nothing(_ctx: Context, _params: BaseModel) -> types.EmptyResult:
    return types.EmptyResult()


async def _stdio() -> None:
    made = server()
    async with stdio_server() as (reading, writing):
        await made.run(reading, writing, made.create_initialization_options())


def main() -> None:
    """Serve until the end of input (stdio) or a signal (HTTP)."""
    if len(sys.argv) == 1:
        asyncio.run(_stdio())
        return
    listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    sys.stdout.write(f"http://127.0.0.1:{listening.getsockname()[1]}/mcp\n")
    sys.stdout.flush()
    # h11 takes the white space off both ends of a header, as it must; httptools leaves what follows the value.
    config = uvicorn.Config(server().streamable_http_app(), http="h11", ws="none", log_level="warning")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
