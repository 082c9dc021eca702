# SPDX-License-Identifier: Apache-2.0
"""The headers and variables that a tool server was declared with, and their credentials. I/O: these are looked up.

Rules kept: no declared header takes the place of one that HTTP or the protocol means something by; a value is one
credential, whole, and never the client's. `Authorization` has `Bearer` before it, as for models.
"""

import re
from collections.abc import Mapping
from typing import Final, Protocol

from customhouse.domain.errors import UpstreamFailed
from customhouse.outgoing.reference import Reference
from customhouse.outgoing.token import Token

OURS: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "idempotency-key",
        "keep-alive",
        "last-event-id",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
OUR_PREFIXES: Final = ("mcp-", "proxy-")
_NAME: Final = re.compile(r"[a-z0-9\-]{1,64}")


def is_ours(name: str) -> bool:
    """Return whether a header is none that a tool server can be given."""
    lower = name.lower()
    return _NAME.fullmatch(lower) is None or lower in OURS or lower.startswith(OUR_PREFIXES)


class Credentials(Protocol):
    """Where credentials are looked up by name."""

    async def token(self, reference: Reference) -> Token:
        """Return the value to send now. Raises UpstreamFailed."""
        ...


async def variables(declared: Mapping[str, str], credentials: Credentials) -> dict[str, str]:
    """Return the environment of a program from names of variables. Raises UpstreamFailed."""
    return {name: (await credentials.token(Reference("env", variable))).reveal() for name, variable in declared.items()}


async def signed(declared: Mapping[str, str], credentials: Credentials) -> dict[str, str]:
    """Return headers from names of variables. Raises UpstreamFailed."""
    made: dict[str, str] = {}
    for given, variable in declared.items():
        name = given.lower()
        if is_ours(given):
            raise UpstreamFailed(
                f"the header {given[:64]!r} is none that a tool server can be given", reason="upstream.misconfigured"
            )
        value = (await credentials.token(Reference("env", variable))).reveal()
        made[name] = f"Bearer {value}" if name == "authorization" else value
    return made
