# SPDX-License-Identifier: Apache-2.0
"""What can be called, as the operator states it; hints from tool servers are never trusted."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from customhouse.manifest.words import HttpUrl, Name, SecretName, Sha256, Text, VariableName
from customhouse.planes.tools.document import Returns


class ToolServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where tools run: MCP over http or stdio, or plain HTTP."""

    transport: Literal["http", "stdio"]
    protocol: Literal["mcp", "http"] = "mcp"
    url: HttpUrl | None = None
    command: tuple[Text, ...] = ()
    headers: dict[str, SecretName] = {}
    env: dict[str, SecretName] = {}


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
    effect: Literal["read", "write", "irreversible"] | None = None
    description: Text | None = None
    parameters: Annotated[dict[str, Any], Meta(description="A JSON Schema of type object.")] | None = None
    returns: Returns = Returns()
    pin: Sha256 | None = None
    target_args: tuple[VariableName, ...] = ()
    idempotency_key: Argument | None = None
