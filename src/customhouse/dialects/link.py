# SPDX-License-Identifier: Apache-2.0
"""Addresses that a provider is asked to fetch: those of the web, and no other.

A provider's server fetches with its own rights. Story: Mallory sends a picture at `file:///etc/passwd`, or at
`gs://acme-payroll/may.png`. The server may read both, and no release has granted it to her.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from customhouse.domain.errors import FieldNotAllowed
from customhouse.domain.message import Blocks, File, Image, Link, Message, Part, ToolResult

_web: Final = re.compile(r"(?:https?://|data:)", re.IGNORECASE).match
"""A data URL (RFC 2397) that is not read as base64 carries its content itself: nothing is fetched."""


def refuse_others(messages: Iterable[Message]) -> None:
    """Raise FieldNotAllowed for a picture or a document at an address that is not one of the web."""
    for message in messages:
        for part in _parts(message.content):
            if isinstance(part, Image | File) and isinstance(part.source, Link) and not _web(part.source.url):
                raise FieldNotAllowed(
                    "a picture or document is sent in base64, or by an address that begins with https:// or http://",
                    param=f"{message.place}.content",
                )


def _parts(content: Iterable[Part]) -> Iterator[Part]:
    for part in content:
        yield part
        if isinstance(part, ToolResult):
            yield from _parts(part.content)
        elif isinstance(part, File) and isinstance(part.source, Blocks):
            yield from _parts(part.source.content)
