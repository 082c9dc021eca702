# SPDX-License-Identifier: Apache-2.0
"""Where the next page of a list begins: opaque to clients, and good for one list alone.

It holds no secret and needs no seal: a forged one begins a page elsewhere in what its sender may read anyway. It names
the list that it was made for, so that no page of an older release is continued with the newer one.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from customhouse.dialects.mcp.refused import INVALID_PARAMS, Id, refused

PAGE: Final = 100
"""Items on one page: some 100 KB of tools."""
_FORM: Final = re.compile(r"([0-9]{1,9})\.([!-~]{1,96})")
_MAX_CHARACTERS: Final = 256


class Page(NamedTuple):
    """Items of one page, and the cursor of the next one."""

    items: Sequence[object]
    next: str | None


def page(items: Sequence[object], cursor: object, of: str, *, size: int = PAGE, request_id: Id | None = None) -> Page:
    """Return the page at a cursor; the first without one. `of` names the list, a digest of it say. Raises Refused."""
    begin = 0 if cursor is None else _begin(cursor, of)
    if begin is None or (cursor is not None and begin >= len(items)):
        raise refused(INVALID_PARAMS, "the cursor is not one of this list: begin it anew", None, request_id)
    end = begin + size
    return Page(items[begin:end], _cursor(end, of) if end < len(items) else None)


def _cursor(begin: int, of: str) -> str:
    return base64.urlsafe_b64encode(f"{begin}.{of}".encode("ascii")).decode()


def _begin(cursor: object, of: str) -> int | None:
    if not isinstance(cursor, str) or len(cursor) > _MAX_CHARACTERS:
        return None
    try:
        found = _FORM.fullmatch(base64.urlsafe_b64decode(cursor.encode("ascii")).decode("ascii"))
    except (binascii.Error, ValueError):
        return None
    return int(found[1]) if found is not None and found[2] == of else None
