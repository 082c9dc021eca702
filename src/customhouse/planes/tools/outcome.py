# SPDX-License-Identifier: Apache-2.0
"""What became of a request to a tool server. Pure.

Rule kept: `Failed` says whether anything was sent. Without it the tool has certainly not run; with it nobody knows, and
no call is sent again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from customhouse.dialects.mcp.message import Failure, Response
from customhouse.dialects.mcp.refused import Id


@dataclass(frozen=True, slots=True)
class Speaking:
    """How a server is spoken to: in a revision, and in the handshake era perhaps in a session that it gave."""

    revision: str
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request to an MCP server, whose parameters are already sealed or bare; `headers` are its `Mcp-Param-*`.

    `deadline_s` None is the server's own; the id is ours, and its server's answer has the same.
    """

    id: Id
    method: str
    params: Mapping[str, object]
    speaking: Speaking
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    deadline_s: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The server answered with a result."""

    response: Response


@dataclass(frozen=True, slots=True)
class Refused:
    """The server said that it does not do it: a JSON-RPC error, or an HTTP status from 400 to 499."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The server does not know the session any more (404), so it did nothing: the client must initialize anew."""


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer. `reason` is a code of docs/reference/reasons.md, `detail` holds nothing that the server said.

    Without `sent` nothing left, for certain.
    """

    reason: str
    detail: str
    sent: bool


Outcome = Finished | Refused | SessionEnded | Failed
