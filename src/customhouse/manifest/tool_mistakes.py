# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a tool or its server, so that no release may carry it. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

from customhouse.manifest.manifest import Declarations
from customhouse.manifest.mistakes import Mistake
from customhouse.manifest.tool import Http, Tool, ToolServer
from customhouse.manifest.tool_schema import schema_hint, schema_problem
from customhouse.manifest.words import secret_name
from customhouse.outgoing.reference import Reference, refusal
from customhouse.planes.tools.plain_call import PLACEHOLDER
from customhouse.planes.tools.signed import is_ours

_ARGUMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_SCHEMA: Final = "a JSON Schema of type object that refers to nothing outside itself"


def server_mistakes(servers: Mapping[str, ToolServer]) -> Iterator[Mistake]:
    """Give the mistakes of tool servers: each is reached in one way, with what that way needs."""
    for name, server in servers.items():
        at = ("tool_servers", name)
        if server.transport == "http" and server.url is None:
            yield Mistake(at, f"no url in the http server {name}", "url: https://…")
        if server.transport == "stdio" and not server.command:
            yield Mistake(at, f"no command in the stdio server {name}", "command: [program, …]")
        if server.transport == "stdio" and server.protocol == "http":
            yield Mistake((*at, "protocol"), f"protocol http in the stdio server {name}", "protocol: mcp")
        other = ("command", "executable", "env") if server.transport == "http" else ("url", "headers")
        for field in other:
            if getattr(server, field):
                expected = "what an http server has" if server.transport == "http" else "what a stdio server has"
                yield Mistake((*at, field), f"{field} in the {server.transport} server {name}", expected)
        yield from _credentials(at, server)


def tool_mistakes(declared: Declarations) -> Iterator[Mistake]:
    """Give the mistakes of tools."""
    for name, tool in declared.tools.items():
        at = ("tools", name)
        for field, schema in (("parameters", tool.parameters), ("output", tool.output)):
            problem = None if schema is None else schema_problem(schema)
            if problem:
                yield Mistake((*at, field), problem, _SCHEMA, hint=schema_hint(problem))
        server = None if tool.server is None else declared.tool_servers.get(tool.server)
        if tool.http is not None:
            yield from _http(name, tool, tool.http, server)
        elif server is not None and server.protocol == "http":
            expected = "http: {method: GET, path: /…}"
            yield Mistake(at, f"no http in {name}, a tool of the plain HTTP server {tool.server}", expected)


def _credentials(at: tuple[str, str], server: ToolServer) -> Iterator[Mistake]:
    for header in filter(is_ours, server.headers):
        yield Mistake((*at, "headers"), f"the header {header}", "one that neither HTTP nor MCP means something by")
    for field, declared in (("headers", server.headers), ("env", server.env)):
        for secret in declared.values():
            refused = refusal(Reference("env", secret_name(secret)))
            if refused is not None:
                expected = "a variable that holds nothing but this server's credential"
                yield Mistake((*at, field), refused, expected)


def _http(name: str, tool: Tool, http: Http, server: ToolServer | None) -> Iterator[Mistake]:
    at = ("tools", name, "http")
    if server is not None and server.protocol != "http":
        yield Mistake(at, f"http in {name}, a tool of an MCP server", "a server of protocol http")
    named = PLACEHOLDER.findall(http.path)
    if any(_ARGUMENT.fullmatch(each) is None for each in named) or re.search(r"[{}]", PLACEHOLDER.sub("", http.path)):
        yield Mistake((*at, "path"), f"the path {http.path}", "{argument} for each argument in it")
        return
    placed = [*named, *http.query, *(http.body or ())]
    twice = sorted({each for each in placed if placed.count(each) > 1})
    if twice:
        yield Mistake(at, f"{', '.join(twice)} in two places", "each argument in one place")
    if http.method in {"GET", "DELETE"} and http.body:
        yield Mistake((*at, "body"), f"a body of a {http.method}", "arguments in the path or the query")
    known = _names(tool, "properties")
    missing = sorted(set(placed) - known)
    if missing:
        found = f"{', '.join(missing)}, which the tool's parameters do not name"
        yield Mistake(at, found, "arguments among parameters.properties")
    loose = sorted(set(named) - _names(tool, "required"))
    if loose and not missing:
        yield Mistake((*at, "path"), f"{', '.join(loose)}, which a call may leave out", "required arguments in a path")


def _names(tool: Tool, member: str) -> set[str]:
    """Return the arguments that a member of the tool's parameters names."""
    found: object = (tool.parameters or {}).get(member)
    return {str(each) for each in cast("Iterable[object]", found)} if isinstance(found, (dict, list)) else set()
