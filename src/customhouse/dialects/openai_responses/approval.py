# SPDX-License-Identifier: Apache-2.0
"""Held calls as `mcp_approval_request` items, for clients that ask for them, and what such clients answer.

Source of the shapes: the `openai` package, types/responses/response_input_item_param.py (McpApprovalRequest,
McpApprovalResponse) and tool_param.py (Mcp). An unmodified client declares functions only, and must get none of these:
openai-agents raises for a `server_label` that it has not declared (run_internal/turn_resolution.py, "MCP server label
… not found"), pydantic-ai drops the item. So they are written only for a client that declares the server `customhouse`,
which is no server: it is how this dialect says "I can show such a request to somebody".

Rule: `approve: true` is no approval. Only a person who is signed in can give one; the item means "go on, I think it
was given", as the header `customhouse-approval` does. `approve: false`: the client does not want the call any more.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from customhouse.domain.answer import Held
from customhouse.domain.errors import FieldNotAllowed

LABEL: Final = "customhouse"
_OF_ANSWER: Final = frozenset({"reasoning", "function_call", "mcp_approval_request"})


class ApprovalsTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="mcp"):
    """Says that the client takes requests for approval. It has no address: nothing is connected to."""

    server_label: Literal["customhouse"]
    require_approval: Literal["always"] | None = None


class ApprovalRequest(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="mcp_approval_request"
):
    """A call that is held, under the id of its approval; a client gives it back with the history."""

    id: str
    arguments: str
    name: str
    server_label: Literal["customhouse"]


class ApprovalResponse(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="mcp_approval_response"
):
    """What a client says to it; `reason` is for people, and nobody reads it here."""

    approval_request_id: str
    approve: bool
    id: str | None = None
    reason: str | None = None


class _Item(msgspec.Struct, frozen=True):
    type: str = "message"
    role: str | None = None


_item = msgspec.json.Decoder(_Item).decode
_body = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def requested(held: Held) -> ApprovalRequest:
    """Return the item that shows a held call."""
    return ApprovalRequest(id=held.id, arguments=held.arguments, name=held.name, server_label=LABEL)


def as_asked(body: bytes) -> bytes | None:
    """Return the body whose answer asked for approval, of one that repeats it, the answer, and what to say to it.

    None when more follows the answer than responses to its requests and outputs of its calls: that asks another thing.
    `body` has been read (request.py).
    """
    fields = _body(body)
    found = fields.get("input", msgspec.Raw(b'""'))
    items = _items(found) if bytes(found).lstrip()[:1] == b"[" else []
    kinds = [_item(each) for each in items]
    last = max((n for n, each in enumerate(kinds) if each.type == "mcp_approval_request"), default=None)
    if last is None or any(
        each.type not in {"mcp_approval_response", "function_call_output"} for each in kinds[last + 1 :]
    ):
        return None
    first = last
    while first and _answers(kinds[first - 1]):
        first -= 1
    return msgspec.json.encode({**fields, "input": items[:first]}) if first else None


def _answers(item: _Item) -> bool:
    return item.type in _OF_ANSWER or (item.type == "message" and item.role == "assistant")


def refuse_ambiguous(answers: Sequence[ApprovalResponse], place: str) -> None:
    """Raise FieldNotAllowed for a request that is answered twice: whoever takes the other answer would do otherwise."""
    if len({each.approval_request_id for each in answers}) != len(answers):
        raise FieldNotAllowed("one request for approval is answered twice; answer each of them once", param=place)
