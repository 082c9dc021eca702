# SPDX-License-Identifier: Apache-2.0
"""Content that comes along in a data URL (RFC 2397), in base64."""

import re
from typing import Final

from customhouse.domain.message import Inline

_whole: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,([A-Za-z0-9+/]*={0,2})").fullmatch


def read(url: str) -> Inline | None:
    """Return the content of a data URL in base64, or None for what is none."""
    found = _whole(url)
    return Inline(found[1], found[2]) if found else None


def written(content: Inline) -> str:
    """Return the data URL of content."""
    return f"data:{content.media_type};base64,{content.data}"
