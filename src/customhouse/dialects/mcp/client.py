# SPDX-License-Identifier: Apache-2.0
"""Who speaks, as a client introduces itself: with `initialize`, or in the modern era with every request.

Rule kept: what a client says of itself decides nothing but which shape of an answer it can read. It is not verified.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from customhouse.dialects.mcp.refused import INVALID_PARAMS, Id, refused
from customhouse.dialects.mcp.revision import MAX_CHARACTERS

MAX_NAME_CHARACTERS: Final = 256
MAX_CAPABILITIES: Final = 32
"""Capabilities of a client; the protocol knows eight."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client by its own account. `revision` is the one that it names; `name` is empty where it does not say."""

    revision: str
    capabilities: Mapping[str, object]
    name: str = ""
    version: str = ""

    def can(self, capability: str, mode: str | None = None) -> bool:
        """Return whether the client declared a capability, in one of its modes; asking by form is the first mode.

        MCP 2025-11-25 client/elicitation: an empty `elicitation` is one with forms alone.
        """
        declared = self.capabilities.get(capability)
        if not isinstance(declared, dict):
            return False
        return mode is None or mode in declared or (mode == "form" and not declared)


def introduced(params: Mapping[str, object], request_id: Id | None = None) -> Client:
    """Return who asks to `initialize`. Raises Refused."""
    info = params.get("clientInfo")
    if info is None:
        raise refused(INVALID_PARAMS, "initialize has protocolVersion, capabilities and clientInfo", None, request_id)
    return described(params.get("protocolVersion"), params.get("capabilities"), info, request_id)


def described(revision: object, capabilities: object, info: object, request_id: Id | None = None) -> Client:
    """Return a client from the three things that it says; `info` None where it does not say. Raises Refused."""
    if not isinstance(revision, str) or not 0 < len(revision) <= MAX_CHARACTERS:
        raise refused(INVALID_PARAMS, "the protocol version is a short text", None, request_id)
    if not isinstance(capabilities, dict):
        raise refused(INVALID_PARAMS, "the client's capabilities are an object", None, request_id)
    declared = cast("dict[str, object]", capabilities)
    if len(declared) > MAX_CAPABILITIES:
        raise refused(INVALID_PARAMS, f"at most {MAX_CAPABILITIES} capabilities expected", None, request_id)
    if info is None:
        return Client(revision, declared)
    said = cast("dict[str, object]", info) if isinstance(info, dict) else {}
    name, version = said.get("name"), said.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        raise refused(INVALID_PARAMS, "the client's info is an object with a name and a version", None, request_id)
    return Client(revision, declared, name[:MAX_NAME_CHARACTERS], version[:MAX_NAME_CHARACTERS])
