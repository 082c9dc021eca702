# SPDX-License-Identifier: Apache-2.0
"""What only a provider that runs tools itself sends in the Responses API: items and events, one of each.

A gateway did not decide about these calls, so it refuses such a stream. Shapes: openai 3.54.0,
types/responses/response_stream_event.py; `SERVER_EVENTS` has every type of that union which no plain answer contains.
"""

from typing import Any, Final

from tests.upstream.responses import Item

WEB_SEARCH: Final[Item] = {
    "id": "ws_0_scripted",
    "type": "web_search_call",
    "status": "completed",
    "action": {"type": "search", "query": "shipping times", "queries": ["shipping times"]},
}
MCP_CALL: Final[Item] = {
    "id": "mcp_0_scripted",
    "type": "mcp_call",
    "server_label": "shop",
    "name": "issue_refund",
    "arguments": '{"order_id":"A-1001"}',
    "output": "refunded",
    "status": "completed",
    "error": None,
    "approval_request_id": None,
}
CODE: Final[Item] = {
    "id": "ci_0_scripted",
    "type": "code_interpreter_call",
    "status": "completed",
    "container_id": "cntr_scripted",
    "code": "print(1)",
    "outputs": None,
}
FILE_SEARCH: Final[Item] = {
    "id": "fs_0_scripted",
    "type": "file_search_call",
    "status": "completed",
    "queries": ["shipping"],
    "results": None,
}
IMAGE: Final[Item] = {"id": "ig_0_scripted", "type": "image_generation_call", "status": "completed", "result": "aGk="}
MCP_TOOLS: Final[Item] = {"id": "mcpl_0_scripted", "type": "mcp_list_tools", "server_label": "shop", "tools": []}
MCP_APPROVAL: Final[Item] = {
    "id": "mcpr_0_scripted",
    "type": "mcp_approval_request",
    "server_label": "shop",
    "name": "issue_refund",
    "arguments": "{}",
}
COMPACTION: Final[Item] = {"id": "cmp_0_scripted", "type": "compaction", "encrypted_content": "gAAAAscripted=="}
SERVER_ITEMS: Final = (WEB_SEARCH, MCP_CALL, CODE, FILE_SEARCH, IMAGE, MCP_TOOLS, MCP_APPROVAL, COMPACTION)

_OUTPUT: Final[Item] = {"outcome": {"type": "exit", "exit_code": 0}, "stdout": "x", "stderr": ""}
_STEPS: Final[dict[str, dict[str, Any]]] = {
    "audio.delta": {"delta": "aGk="},
    "audio.done": {},
    "audio.transcript.delta": {"delta": "hi"},
    "audio.transcript.done": {},
    "code_interpreter_call.in_progress": {},
    "code_interpreter_call_code.delta": {"delta": "print"},
    "code_interpreter_call_code.done": {"code": "print(1)"},
    "code_interpreter_call.interpreting": {},
    "code_interpreter_call.completed": {},
    "compaction.compacting": {},
    "file_search_call.in_progress": {},
    "file_search_call.searching": {},
    "file_search_call.completed": {},
    "image_generation_call.in_progress": {},
    "image_generation_call.generating": {},
    "image_generation_call.partial_image": {"partial_image_b64": "aGk=", "partial_image_index": 0},
    "image_generation_call.completed": {},
    "mcp_call.in_progress": {},
    "mcp_call_arguments.delta": {"delta": "{"},
    "mcp_call_arguments.done": {"arguments": "{}"},
    "mcp_call.completed": {},
    "mcp_call.failed": {},
    "mcp_list_tools.in_progress": {},
    "mcp_list_tools.completed": {},
    "mcp_list_tools.failed": {},
    "shell_call_command.added": {"command_index": 0, "command": "ls"},
    "shell_call_command.delta": {"command_index": 0, "delta": "ls"},
    "shell_call_command.done": {"command_index": 0, "command": "ls"},
    "shell_call_output_content.delta": {"command_index": 0, "delta": {"stdout": "x"}},
    "shell_call_output_content.done": {"command_index": 0, "output": [_OUTPUT]},
    "web_search_call.in_progress": {},
    "web_search_call.searching": {},
    "web_search_call.completed": {},
}
SERVER_EVENTS: Final[tuple[Item, ...]] = tuple(
    {"type": f"response.{kind}", "item_id": "tool_0_scripted", "output_index": 0, "sequence_number": number, **more}
    for number, (kind, more) in enumerate(_STEPS.items())
)
"""One event of each type, numbered; together they are no stream that a provider would send."""
