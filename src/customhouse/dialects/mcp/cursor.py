# SPDX-License-Identifier: Apache-2.0
"""Where the next page of a list begins: after a name, which the cursor hides from clients as the protocol asks.

It holds no secret and needs no seal: a forged one begins a page elsewhere in what its sender may read anyway. A name,
not a number: a release in between moves no tool past a reader, and shows him none twice.
"""

import base64
import binascii
from typing import Final

from customhouse.dialects.mcp.refused import INVALID_PARAMS, Id, refused

MAX_CHARACTERS: Final = 8192
"""An address of a resource in base64 at most."""


def cursor(after: str) -> str:
    """Return the cursor of the page that begins after a name. Raises ValueError for half a surrogate pair."""
    return base64.urlsafe_b64encode(after.encode()).decode()


def after(value: object, request_id: Id | None = None) -> str:
    """Return the name after which the page of a cursor begins; empty text without one. Raises Refused."""
    if value is None:
        return ""
    try:
        if isinstance(value, str) and 0 < len(value) <= MAX_CHARACTERS:
            found = base64.b64decode(value.encode("ascii"), altchars=b"-_", validate=True).decode()
            if cursor(found) == value:
                return found
    except (binascii.Error, ValueError):
        pass
    raise refused(INVALID_PARAMS, "the cursor is not one of this gateway's: begin the list anew", None, request_id)
