# SPDX-License-Identifier: Apache-2.0
"""The first exchange with an MCP server: how the gateway introduces itself, and what it learns. Pure."""

from collections.abc import Mapping
from typing import NamedTuple, assert_never

from customhouse.dialects.mcp import server as said
from customhouse.dialects.mcp.envelope import Identity
from customhouse.dialects.mcp.message import Response
from customhouse.domain.errors import UpstreamFailed
from customhouse.planes.tools.outcome import Failed, Finished, Outcome, Refused, SessionEnded, Speaking


class Introduced(NamedTuple):
    """What a server said of itself, and how it is spoken to from now on."""

    server: said.Server
    speaking: Speaking


def introducing(us: Identity, offered: str, capabilities: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters of `initialize`; `capabilities` are those that the server may make use of."""
    return {"protocolVersion": offered, "capabilities": capabilities, "clientInfo": us.stated()}


def response(outcome: Outcome) -> Response:
    """Return the answer, a refusal included. Raises UpstreamFailed where there is none."""
    match outcome:
        case Finished(answer):
            return answer
        case Refused(failure):
            return Response(None, {}, {}, failure)
        case SessionEnded():
            raise UpstreamFailed("the server has ended its session")
        case Failed():
            raise UpstreamFailed(outcome.detail, reason=outcome.reason)
        case _ as unreachable:
            assert_never(unreachable)
