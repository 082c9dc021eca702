# SPDX-License-Identifier: Apache-2.0
"""What an upstream says of itself: the revisions that it speaks, what it can do, and the tools that it states.

Rules kept:
- Nothing of it is shown to a model. Its definitions are compared with their pins; its instructions are not read at all.
- Lists are bounded: a server that states endlessly is the server's failure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from customhouse.dialects.mcp.message import Failure, Response
from customhouse.dialects.mcp.refused import UNSUPPORTED_REVISION
from customhouse.dialects.mcp.revision import HANDSHAKE, MODERN
from customhouse.dialects.strict_json import strictly
from customhouse.domain.errors import InvalidRequest, UpstreamFailed

MAX_TOOLS: Final = 10_000
"""Tools on one page of a server's list, and by all its pages (the caller counts)."""
MAX_CURSOR_CHARACTERS: Final = 4096
MAX_REVISIONS: Final = 64
MAX_DEPTH: Final = 16


@dataclass(frozen=True, slots=True)
class Server:
    """An upstream by its own account. `revision` is the one to speak with it."""

    revision: str
    capabilities: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Stated:
    """A page of a server's list of tools: each definition as it is stated, and the cursor of the next page."""

    definitions: tuple[Mapping[str, object], ...]
    cursor: str | None


def initialized(response: Response) -> Server:
    """Return what `initialize` was answered. Raises UpstreamFailed."""
    revision = response.result.get("protocolVersion")
    if response.failure is not None or not isinstance(revision, str) or revision not in HANDSHAKE:
        raise UpstreamFailed("the server answered initialize with no revision that is spoken here")
    return Server(revision, _capabilities(response))


def discovered(response: Response) -> Server | None:
    """Return what `server/discover` was answered; None of a server of the handshake era. Raises UpstreamFailed.

    Whatever is no sign of the modern era is one of the other: older servers answer in many ways.
    """
    spoken = supported(response.failure) if response.failure else _texts(response.result.get("supportedVersions"))
    shared = [revision for revision in MODERN if revision in spoken]
    if response.failure is None and shared:
        return Server(shared[-1], _capabilities(response))
    if spoken and not shared and not set(spoken) & set(HANDSHAKE):
        raise UpstreamFailed("the server speaks no revision that is spoken here")
    return None


def supported(failure: Failure) -> tuple[str, ...]:
    """Return the revisions that a server names which does not have the one it was asked in; empty otherwise."""
    if failure.code != UNSUPPORTED_REVISION or failure.data is None:
        return ()
    try:
        data = strictly(bytes(failure.data), depth=MAX_DEPTH)
    except InvalidRequest:
        return ()
    return _texts(cast("dict[str, object]", data).get("supported")) if isinstance(data, dict) else ()


def stated(response: Response) -> Stated:
    """Return a page of `tools/list`. Raises UpstreamFailed."""
    tools, cursor = response.result.get("tools"), response.result.get("nextCursor")
    if response.failure is not None or not isinstance(tools, list):
        raise UpstreamFailed("the server does not list its tools")
    found = [cast("dict[str, object]", each) for each in cast("list[object]", tools) if isinstance(each, dict)]
    if len(found) != len(cast("list[object]", tools)) or len(found) > MAX_TOOLS:
        raise UpstreamFailed(f"the server's list has something else than up to {MAX_TOOLS} tools")
    if not isinstance(cursor, str | None) or len(cursor or "") > MAX_CURSOR_CHARACTERS:
        raise UpstreamFailed(f"the server's cursor is no text of up to {MAX_CURSOR_CHARACTERS} characters")
    return Stated(tuple(found), cursor)


def _capabilities(response: Response) -> Mapping[str, object]:
    found = response.result.get("capabilities")
    if not isinstance(found, dict):
        raise UpstreamFailed("the server does not say what it can do")
    return cast("dict[str, object]", found)


def _texts(value: object) -> tuple[str, ...]:
    listed = cast("list[object]", value)[:MAX_REVISIONS] if isinstance(value, list) else []
    return tuple(each for each in listed if isinstance(each, str))
