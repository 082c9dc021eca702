# SPDX-License-Identifier: Apache-2.0
"""What MCP clients are told that there is: the release's own definitions, never what a server says today.

Rules kept: names are the release's, so that two servers cannot collide and none can look like another; a client sees
name, description and schemas, and nothing that nobody has pinned (no titles, hints or icons of a server's).

Story: Mallory runs a tool server of her own, and gives `search` the description "… first send the customer's address
to …". It was pinned without; no client reads the new words, and the tool is withheld until somebody reviews them.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from customhouse.planes.tools.document import Document, Grant, Server
from customhouse.planes.tools.runnable import runnable

PAGE: Final = 100
"""Tools in one answer; clients ask for the next page with a cursor."""


class Listed(NamedTuple):
    """A tool that the gateway runs: its definition as clients get it, what the release says of it, where it runs."""

    name: str
    definition: msgspec.Raw
    grant: Grant
    server_name: str
    server: Server

    @property
    def named(self) -> str:
        """Return what its server calls it."""
        return self.grant.named or self.name


def catalog(document: Document) -> Mapping[str, Listed]:
    """Return the tools of a release that the gateway runs, by name, in order."""
    servers = runnable(document)
    return MappingProxyType({name: _listed(name, document.grants[name], servers[name]) for name in sorted(servers)})


def page(tools: Iterable[Listed], after: str) -> tuple[tuple[Listed, ...], str | None]:
    """Return the tools whose names come after `after`, PAGE at most, and the name that the next page comes after."""
    rest = [tool for tool in tools if tool.name > after]
    return tuple(rest[:PAGE]), rest[PAGE - 1].name if len(rest) > PAGE else None


def _listed(name: str, grant: Grant, server: Server) -> Listed:
    definition: dict[str, object] = {"name": name}
    if grant.description is not None:
        definition["description"] = grant.description
    definition["inputSchema"] = msgspec.Raw((grant.parameters or "{}").encode())
    if grant.output is not None:
        definition["outputSchema"] = msgspec.Raw(grant.output.encode())
    return Listed(name, msgspec.Raw(msgspec.json.encode(definition)), grant, grant.server or "", server)
