# SPDX-License-Identifier: Apache-2.0
"""What the gateway says itself to clients: results, still without an id, and notifications as bytes.

A result here is one of the handshake era; `result.modern` makes it a modern one. `input_required` is modern alone.

Rule kept: nothing here comes from an upstream. The items of a list are the release's own definitions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from customhouse.dialects.mcp.envelope import Identity
from customhouse.dialects.mcp.input_required import Asked, InputRequired
from customhouse.dialects.mcp.message import notification
from customhouse.dialects.mcp.refused import MISSING_CAPABILITY, Id, Refused, refused
from customhouse.dialects.mcp.revision import MODERN
from customhouse.dialects.mcp.subscription import CHANGED, Kind

CODE: Final = "customhouse/code"
"""In `_meta` of a result that is an error: the stable code, for programs."""
TRACE: Final = "customhouse/trace_id"
APPROVAL: Final = "customhouse/approval"
HELD: Final = "approval"
"""The name under which a held call asks its client to open the approval's page."""

_write = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Offered:
    """What this gateway has for a client: which of the three kinds, and whether it tells of changes."""

    tools: bool = True
    prompts: bool = False
    resources: bool = False
    changes: bool = False
    completions: bool = False
    logging: bool = False
    subscribe: bool = False

    def stated(self) -> dict[str, object]:
        """Return what the protocol calls the capabilities of a server."""
        changes: dict[str, object] = {"listChanged": True} if self.changes else {}
        subscribe: dict[str, object] = {"subscribe": True} if self.subscribe else {}
        said: dict[str, object] = {}
        if self.tools:
            said["tools"] = changes
        if self.prompts:
            said["prompts"] = changes
        if self.resources:
            said["resources"] = {**changes, **subscribe}
        if self.completions:
            said["completions"] = {}
        if self.logging:
            said["logging"] = {}
        return said


@dataclass(frozen=True, slots=True)
class Denial:
    """A call that did not run, as its model reads it and as its program does."""

    text: str
    code: str
    trace_id: str
    approval: Mapping[str, object] | None = None

    def result(self) -> dict[str, object]:
        """Return it as the result of the call: models are shown results, and seldom protocol errors."""
        meta: dict[str, object] = {CODE: self.code, TRACE: self.trace_id}
        if self.approval is not None:
            meta[APPROVAL] = self.approval
        return {"content": [{"type": "text", "text": self.text}], "isError": True, "_meta": meta}


def initialized(
    revision: str, server: Identity, offered: Offered, instructions: str | None = None
) -> dict[str, object]:
    """Return the result of `initialize`."""
    said: dict[str, object] = {
        "protocolVersion": revision,
        "capabilities": offered.stated(),
        "serverInfo": server.stated(),
    }
    return said if instructions is None else {**said, "instructions": instructions}


def discovered(offered: Offered, instructions: str | None = None) -> dict[str, object]:
    """Return the result of `server/discover`: the revisions that a request may name, and what there is."""
    said: dict[str, object] = {"supportedVersions": list(MODERN), "capabilities": offered.stated()}
    return said if instructions is None else {**said, "instructions": instructions}


def listed(kind: str, items: Sequence[object], following: str | None = None) -> dict[str, object]:
    """Return a page of a list: `kind` is `tools`, `prompts`, `resources` or `resourceTemplates`."""
    said: dict[str, object] = {kind: list(items)}
    return said if following is None else {**said, "nextCursor": following}


def held(url: str, message: str, state: str) -> InputRequired:
    """Return what asks a client to have a person open an approval's page, and to call again with the state then.

    Only for a client that can `elicitation` by `url`.
    """
    params = {"mode": "url", "message": message, "url": url}
    whole = msgspec.Raw(_write({"method": "elicitation/create", "params": params}))
    return InputRequired({HELD: Asked("elicitation/create", whole)}, state)


def incapable(capabilities: Mapping[str, object], request_id: Id | None = None) -> Refused:
    """Return the refusal of a request that needs capabilities which its client did not declare."""
    data = {"requiredCapabilities": capabilities}
    return refused(MISSING_CAPABILITY, "the client did not declare a capability that this needs", data, request_id)


def changed(kind: Kind) -> bytes:
    """Return the notification to a session that a list is another one now; a modern client subscribes to it."""
    return notification(CHANGED[kind])


def progressed(token: Id, progress: float, total: float | None = None, message: str | None = None) -> bytes:
    """Return the notification that a request came further."""
    said: dict[str, object] = {"progressToken": token, "progress": progress}
    if total is not None:
        said["total"] = total
    if message is not None:
        said["message"] = message
    return notification("notifications/progress", said)


def cancelled(request_id: Id, reason: str) -> bytes:
    """Return the notification to an upstream that nobody waits for an answer any longer."""
    return notification("notifications/cancelled", {"requestId": request_id, "reason": reason})
