# SPDX-License-Identifier: Apache-2.0
"""Whether the gateway runs a tool itself: what a release must say of it and of its server. Pure.

Rule kept: what nobody has pinned is not run. An MCP server states its tools' definitions, and may state others
tomorrow; a stdio server is a program on the gateway's own machine.
"""

from collections.abc import Mapping

from customhouse.planes.tools.document import Document, Grant, Server


def runs_on(document: Document, grant: Grant) -> Server | None:
    """Return the server on which the gateway runs a tool; None where applications run it, or nobody can."""
    server = None if grant.server is None else document.servers.get(grant.server)
    return server if isinstance(server, Server) and unrunnable(grant, server) is None else None


def unrunnable(grant: Grant, server: str | Server | None) -> str | None:
    """Return the reason for which the gateway does not run a tool, or None."""
    if grant.server is None or not isinstance(server, Server):
        return "tool.no_server"
    if grant.parameters is None:
        return "tool.no_parameters"
    if server.url is None and server.executable is None:
        return "tool.program_not_pinned"
    if server.protocol == "http":
        return "tool.no_request" if grant.http is None else None
    return "tool.not_pinned" if grant.pin is None else None


def runnable(document: Document) -> Mapping[str, Server]:
    """Return the tools that the gateway runs, with their servers."""
    found = ((name, runs_on(document, grant)) for name, grant in document.grants.items())
    return {name: server for name, server in found if server is not None}
