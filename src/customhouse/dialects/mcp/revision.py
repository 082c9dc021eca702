# SPDX-License-Identifier: Apache-2.0
"""The revisions of the protocol, their two eras, and which one is spoken.

Sources: MCP 2025-11-25 basic/lifecycle (negotiation by `initialize`); 2026-07-28 basic/versioning (each request names
its revision, and a server that does not have it says which it has).
"""

from typing import Final, Literal

from customhouse.dialects.mcp.refused import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    UNSUPPORTED_REVISION,
    Id,
    Refused,
    refused,
)

Era = Literal["handshake", "modern"]

HANDSHAKE: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Oldest first; a client and a server agree on one by `initialize`."""
MODERN: Final = ("2026-07-28",)
KNOWN: Final = (*HANDSHAKE, *MODERN)
UNSAID: Final = "2025-03-26"
"""What a client of the handshake era speaks that names no revision in its headers: they came with the next one."""
RESUMABLE: Final = "2025-11-25"
"""The first revision whose streams a server may close before the answer: its clients come back for it."""
MAX_CHARACTERS: Final = 64
"""A revision that somebody names; one that is known has 10."""
_OF_CALLS: Final = frozenset({METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR})


def era(revision: str) -> Era | None:
    """Return the era of a revision, or None of one that is not known."""
    if revision in MODERN:
        return "modern"
    return "handshake" if revision in HANDSHAKE else None


def negotiated(offered: str) -> str:
    """Return what `initialize` is answered: the client's offer, or the newest that can be agreed on so."""
    return offered if offered in HANDSHAKE else HANDSHAKE[-1]


def at_least(revision: str, least: str) -> bool:
    """Return whether a revision is known and no older than `least`, which must be known."""
    return revision in KNOWN and KNOWN.index(revision) >= KNOWN.index(least)


def status(reason: Refused, spoken: Era) -> int:
    """Return the HTTP status of a refusal: clients of the handshake era read the error of a call with 200 alone."""
    return 200 if spoken == "handshake" and reason.code in _OF_CALLS else reason.status


def unsupported(requested: str, request_id: Id | None = None) -> Refused:
    """Return the refusal of a revision that no request may name."""
    data = {"supported": list(MODERN), "requested": requested[:MAX_CHARACTERS]}
    return refused(UNSUPPORTED_REVISION, "Unsupported protocol version", data, request_id)
