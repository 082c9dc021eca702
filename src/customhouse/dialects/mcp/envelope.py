# SPDX-License-Identifier: Apache-2.0
"""The `_meta` of a message: who sends a modern request, and what of it is passed on.

Rules kept:
- A request to an upstream says that the gateway sends it. Of the client's `_meta` only what is named here goes on: the
  token that progress comes back under, and the level of log lines that it asked for.
- An upstream is told a capability of the client only where the release lets it ask for it (`may_ask`).

Source: MCP 2026-07-28 basic, "Per-request protocol fields".
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, cast

from customhouse.dialects.mcp.client import Client, described
from customhouse.dialects.mcp.message import MAX_ID, MAX_ID_CHARACTERS, Call
from customhouse.dialects.mcp.refused import INVALID_PARAMS, Id, refused

REVISION: Final = "io.modelcontextprotocol/protocolVersion"
CLIENT: Final = "io.modelcontextprotocol/clientInfo"
CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
LOG_LEVEL: Final = "io.modelcontextprotocol/logLevel"
SERVER: Final = "io.modelcontextprotocol/serverInfo"
SUBSCRIPTION: Final = "io.modelcontextprotocol/subscriptionId"
PROGRESS: Final = "progressToken"
LOG_LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")


@dataclass(frozen=True, slots=True)
class Identity:
    """A name and a version: whose program this is, on either side."""

    name: str
    version: str

    def stated(self) -> dict[str, object]:
        """Return what the protocol calls an Implementation."""
        return {"name": self.name, "version": self.version}


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a request says besides its parameters. `client` is None in the handshake era, where a session knows it."""

    client: Client | None = None
    progress: Id | None = None
    log_level: str | None = None


def opened(call: Call) -> Envelope:
    """Return the envelope of a request of the handshake era. Raises Refused."""
    meta = call.params.get("_meta")
    if meta is None:
        return Envelope()
    if not isinstance(meta, dict):
        raise refused(INVALID_PARAMS, "params._meta is an object", None, call.id)
    return Envelope(progress=_progress(cast("dict[str, object]", meta), call.id))


def opened_modern(call: Call) -> Envelope:
    """Return the envelope of a modern request, whose revision may still be unknown. Raises Refused."""
    found = call.params.get("_meta")
    meta = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    missing = [key for key in (REVISION, CAPABILITIES) if key not in meta]
    if missing:
        raise refused(INVALID_PARAMS, f"params._meta is missing {' and '.join(missing)}", None, call.id)
    client = described(meta[REVISION], meta[CAPABILITIES], meta.get(CLIENT), call.id)
    level = meta.get(LOG_LEVEL)
    if level is not None and level not in LOG_LEVELS:
        raise refused(INVALID_PARAMS, f"{LOG_LEVEL} is one of {', '.join(LOG_LEVELS)}", None, call.id)
    return Envelope(client, _progress(meta, call.id), cast("str | None", level))


def sealed(
    params: Mapping[str, object],
    sender: Identity,
    revision: str,
    capabilities: Mapping[str, object],
    asked: Envelope,
) -> dict[str, object]:
    """Return parameters for a modern upstream, with a `_meta` of our own in place of the sender's.

    `capabilities` are what the upstream may make use of (`lent`), `asked` is the envelope that the client sent.
    """
    meta: dict[str, object] = {REVISION: revision, CLIENT: sender.stated(), CAPABILITIES: capabilities}
    if asked.log_level is not None:
        meta[LOG_LEVEL] = asked.log_level
    return {**params, "_meta": _with_progress(meta, asked)}


def bare(params: Mapping[str, object], asked: Envelope) -> dict[str, object]:
    """Return parameters for an upstream of the handshake era: at most the progress token is left of `_meta`."""
    rest = {name: value for name, value in params.items() if name != "_meta"}
    meta = _with_progress({}, asked)
    return {**rest, "_meta": meta} if meta else rest


def lent(client: Client, may_ask: Collection[str]) -> dict[str, object]:
    """Return the capabilities of a client that an upstream may make use of; none by default."""
    return {name: client.capabilities[name] for name in sorted(may_ask) if name in client.capabilities}


def _progress(meta: Mapping[str, object], request_id: Id) -> Id | None:
    token = meta.get(PROGRESS)
    if token is None:
        return None
    fits = len(token) <= MAX_ID_CHARACTERS if isinstance(token, str) else type(token) is int and abs(token) <= MAX_ID
    if not fits:
        raise refused(INVALID_PARAMS, f"{PROGRESS} is an integer or a short text", None, request_id)
    return cast("Id", token)


def _with_progress(meta: dict[str, object], asked: Envelope) -> dict[str, object]:
    return meta if asked.progress is None else {**meta, PROGRESS: asked.progress}
