# SPDX-License-Identifier: Apache-2.0
"""What can be called, as the operator states it; hints from tool servers are never trusted."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from customhouse.manifest.words import Duration, HttpUrl, Name, SecretName, Sha256, Text, VariableName
from customhouse.planes.tools.document import Asking, HttpMethod, Protocol, Returns

EnvironmentName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Z_][A-Z0-9_]{0,99}(?![\s\S])",
        description="The name of an environment variable.",
        extra={"expected": "a variable's name (capitals, digits, '_')"},
    ),
]
ArgumentName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}(?![\s\S])",
        description="The name of an argument.",
        extra={"expected": "an argument's name (letters, digits, '_')"},
    ),
]
ServersName = Annotated[
    str,
    Meta(
        pattern=r"^[\x21-\x7e]{1,128}(?![\s\S])",
        description="What the server calls the tool, where that is not its name here.",
        extra={"expected": "the tool's name on its server (printable ASCII, no spaces)"},
    ),
]


HeaderName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9\-]{1,64}(?![\s\S])",
        description="A header's name.",
        extra={"expected": "a header's name (letters, digits, '-')"},
    ),
]
UrlPath = Annotated[
    str,
    Meta(
        pattern=r"^/[A-Za-z0-9._~!$&'()*+,;=:@/{}\-]{0,500}(?![\s\S])",
        description="A path, in which {argument} stands for an argument.",
        extra={"expected": "a path like /orders/{order_id}"},
    ),
]


class ToolServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where tools run: MCP over http or stdio, or plain HTTP. `executable` is the digest of a stdio program."""

    transport: Literal["http", "stdio"]
    protocol: Protocol = "mcp"
    url: HttpUrl | None = None
    command: tuple[Text, ...] = ()
    executable: Sha256 | None = None
    headers: dict[HeaderName, SecretName] = {}
    env: dict[EnvironmentName, SecretName] = {}
    may_ask: tuple[Asking, ...] = ()
    timeout: Duration = "60s"


class Http(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a tool of a plain HTTP server is called: where each of its arguments goes."""

    method: HttpMethod
    path: UrlPath
    query: tuple[ArgumentName, ...] = ()
    body: tuple[ArgumentName, ...] | None = None


Argument = Annotated[
    str,
    Meta(
        pattern=r"^args\.[A-Za-z_][A-Za-z0-9_.]{0,127}(?![\s\S])",
        description="A path to an argument.",
        extra={"expected": "an argument like args.order_id"},
    ),
]


class Tool(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One tool. Without `effect` it may be listed in policies, but no release carries it."""

    server: Name | None = None
    name: ServersName | None = None
    effect: Literal["read", "write", "irreversible"] | None = None
    description: Text | None = None
    parameters: Annotated[dict[str, Any], Meta(description="A JSON Schema of type object.")] | None = None
    output: Annotated[dict[str, Any], Meta(description="The JSON Schema of a result's structured content.")] | None = (
        None
    )
    http: Http | None = None
    returns: Returns = Returns()
    pin: Sha256 | None = None
    target_args: tuple[VariableName, ...] = ()
    idempotency_key: Argument | None = None
