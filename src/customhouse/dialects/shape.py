# SPDX-License-Identifier: Apache-2.0
"""Why a request does not have the expected shape, in a sentence that names the place."""

import re
from typing import Final

from customhouse.domain.errors import FieldNotAllowed, InvalidRequest

UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`(?: - at `\$?\.?(?P<path>[^`]*)`)?")
"""What strict reading says of a field that it does not know."""


def explained(message: str, at: str = "") -> InvalidRequest:
    """Return the refusal of what strict reading found; `at` is where the reading began."""
    unknown = UNKNOWN.match(message)
    if unknown is None:
        where = f" in {at}" if at else ""
        return InvalidRequest(f"the request does not have the expected shape{where}: {message}", param=at or None)
    place = ".".join(part for part in (at, unknown["path"], unknown["field"]) if part)
    return FieldNotAllowed(
        f"`{place}` is not a field this gateway accepts: it could change what the model may do. Remove it; "
        "docs/reference/http.md lists the fields that are understood",
        param=place,
    )
