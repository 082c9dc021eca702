# SPDX-License-Identifier: Apache-2.0
"""A result between the eras: the modern one says that it is complete, for how long it holds, and who made it.

Rules kept:
- What others may keep is private to the key that asked: the next key may be allowed less.
- A client of the handshake era gets none of the modern members, and structured content that is an object alone: its
  schema has no other. The same stands in the result's text.
- Values pass as they were spelled; only these members and `_meta` are written anew.

Source: MCP 2026-07-28 schema, `Result` and `CacheableResult`; 2025-11-25 schema, `Result`.
"""

from collections.abc import Mapping
from typing import Final, cast

import msgspec

from customhouse.dialects.mcp.envelope import SERVER, Identity
from customhouse.dialects.mcp.message import Response
from customhouse.domain.errors import UpstreamFailed

CACHEABLE: Final = frozenset(
    {"server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"}
)
"""The methods whose results say how long they hold."""
MAX_TTL_MS: Final = 3_600_000
"""An hour: what an upstream says beyond is not for it to decide here."""
COMPLETE: Final = "complete"

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_OURS: Final = frozenset({"resultType", "ttlMs", "cacheScope", "_meta"})


def modern(method: str, value: Mapping[str, object], server: Identity, *, ttl_ms: int = 0) -> dict[str, object]:
    """Return a result of our own as a modern one: complete, private, and made by this server."""
    meta = value.get("_meta")
    kept = cast("dict[str, object]", meta) if isinstance(meta, dict) else {}
    made: dict[str, object] = {**value, "resultType": COMPLETE, "_meta": {**kept, SERVER: server.stated()}}
    if method in CACHEABLE:
        made |= {"ttlMs": ttl_ms, "cacheScope": "private"}
    return made


def passed_on(method: str, response: Response, server: Identity) -> dict[str, object]:
    """Return an upstream's complete result, of whichever era, as a modern one. Raises UpstreamFailed."""
    said = response.result.get("ttlMs")
    ttl_ms = min(said, MAX_TTL_MS) if type(said) is int and said >= 0 else 0
    return modern(method, {**_rest(response), "_meta": _meta(response)}, server, ttl_ms=ttl_ms)


def passed_back(response: Response) -> dict[str, object]:
    """Return an upstream's complete result, of whichever era, as one of the handshake era. Raises UpstreamFailed."""
    made, meta = _rest(response), _meta(response)
    if not isinstance(response.result.get("structuredContent", {}), dict):
        del made["structuredContent"]
    return {**made, "_meta": meta} if meta else made


def _rest(response: Response) -> dict[str, object]:
    if response.result.get("resultType", COMPLETE) != COMPLETE:
        raise UpstreamFailed("the server's result is of a type that was not asked for")
    return {name: value for name, value in response.members.items() if name not in _OURS}


def _meta(response: Response) -> dict[str, object]:
    if not isinstance(response.result.get("_meta"), dict):
        return {}
    return {name: value for name, value in _members(response.members["_meta"]).items() if name != SERVER}
