# SPDX-License-Identifier: Apache-2.0
"""Tools and servers that no release may carry: one change of a manifest without problems, one problem."""

from pathlib import Path
from typing import Final

import pytest
from tests.manifest.written import changed, problems

HTTP: Final = "s: {transport: http, protocol: http, url: http://127.0.0.1:9/}"
FETCH: Final = "effect: read, server: s, parameters: {type: object, properties: {id: {}, q: {}}, required: [id]}"
ROWS: Final = [
    ("stdio without a program", "s: {transport: stdio}", "effect: read", "no command in the stdio server s"),
    (
        "plain HTTP over stdio",
        "s: {transport: stdio, protocol: http, command: [a]}",
        "effect: read",
        "protocol http in the stdio server s",
    ),
    ("a program of an address", HTTP[:-1] + ", command: [a]}", "effect: read", "command in the http server s"),
    (
        "an address of a program",
        "s: {transport: stdio, command: [a], url: http://b/}",
        "effect: read",
        "url in the stdio",
    ),
    (
        "a header that decides where a request goes",
        HTTP[:-1] + ", headers: {Host: '${TOOL_KEY}'}}",
        "effect: read",
        "the header Host",
    ),
    (
        "a header of the protocol's",
        HTTP[:-1] + ", headers: {mcp-name: '${TOOL_KEY}'}}",
        "effect: read",
        "the header mcp-name",
    ),
    (
        "a secret of the gateway's in a header",
        HTTP[:-1] + ", headers: {x-key: '${CUSTOMHOUSE_DATABASE}'}}",
        "effect: read",
        "the variable CUSTOMHOUSE_DATABASE is the gateway's own",
    ),
    (
        "a secret of the gateway's in a program",
        "s: {transport: stdio, command: [a], env: {KEY: '${PGPASSWORD}'}}",
        "effect: read",
        "the variable PGPASSWORD is the gateway's own",
    ),
    (
        "a result's schema that refers elsewhere",
        HTTP,
        "effect: read, output: {type: object, $ref: 'http://x'}",
        "schema",
    ),
    ("a plain HTTP tool without a request", HTTP, FETCH, "no http in t, a tool of the plain HTTP server s"),
    (
        "a request of an MCP tool",
        "s: {transport: http, url: http://127.0.0.1:9/}",
        FETCH + ", http: {method: GET, path: /a}",
        "http in t, a tool of an MCP server",
    ),
    ("a path with a brace too many", HTTP, FETCH + ", http: {method: GET, path: '/{id}}'}", "the path /{id}}"),
    ("an argument twice", HTTP, FETCH + ", http: {method: GET, path: '/{id}', query: [id]}", "id in two places"),
    ("a body of a GET", HTTP, FETCH + ", http: {method: GET, path: /a, body: [q]}", "a body of a GET"),
    (
        "an argument that no schema names",
        HTTP,
        FETCH + ", http: {method: GET, path: /a, query: [z]}",
        "z, which the tool's parameters do not name",
    ),
    (
        "an optional argument in a path",
        HTTP,
        FETCH + ", http: {method: GET, path: '/{q}'}",
        "q, which a call may leave out",
    ),
]


def manifest(servers: str, tool: str) -> dict[str, str]:
    files = changed({"house.yaml": ("tools:\n", f"tool_servers: {{{servers}}}\ntools:\n  t: {{{tool}}}\n")})
    return {**files}


@pytest.mark.parametrize(("servers", "tool", "found"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_problems(tmp_path: Path, servers: str, tool: str, found: str) -> None:
    (problem,) = problems(tmp_path, manifest(servers, tool))
    assert f"found {found}" in problem or found in problem


@pytest.mark.parametrize(
    "tool",
    [
        FETCH + ", http: {method: GET, path: '/a/{id}', query: [q]}",
        FETCH + ", http: {method: POST, path: '/a/{id}'}",
        FETCH + ", http: {method: DELETE, path: '/a/{id}'}",
    ],
)
def test_a_plain_http_tool_has_none(tmp_path: Path, tool: str) -> None:
    assert problems(tmp_path, manifest(HTTP, tool)) == []


def test_what_clients_may_read_is_on_a_declared_server(tmp_path: Path) -> None:
    files = changed(
        {"house.yaml": ("allowed_tools: [look]", "allowed_tools: [look], allowed_resources: ['x:doc://*']")}
    )
    (problem,) = problems(tmp_path, files)
    assert "found the unknown name 'x', expected a name in tool_servers" in problem
