# SPDX-License-Identifier: Apache-2.0
"""The value of an HTTP header that carries a text of the body: as it is, or in base64 where HTTP would change it.

Source: MCP 2026-07-28 basic/transports, "Value encoding": `=?base64?…?=` around the UTF-8 of whatever is not plain
printable ASCII, begins or ends with a space, or looks wrapped already.
"""

import base64
import binascii
import re
from typing import Final

_WRAPPED: Final = re.compile(r"=\?base64\?(.*)\?=", re.DOTALL)
_PLAIN: Final = re.compile(r"[ -~]*")


def encoded(text: str) -> str:
    """Return the header value of a text. Raises ValueError for half a surrogate pair."""
    if _PLAIN.fullmatch(text) and text == text.strip(" ") and not _WRAPPED.fullmatch(text):
        return text
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def decoded(value: str) -> str | None:
    """Return the text of a header value; None where it is wrapped and cannot be unwrapped in exactly one way."""
    found = _WRAPPED.fullmatch(value)
    if found is None:
        return value
    try:
        content = base64.b64decode(found[1], validate=True)
        # One text has one form: bits that no byte needs must be zero.
        return content.decode() if base64.b64encode(content).decode() == found[1] else None
    except (binascii.Error, ValueError):
        return None
