# SPDX-License-Identifier: Apache-2.0
"""Tripwires: strings that belong to one tenant each, and the search for them in whatever anybody is shown.

A wire says whose it is and what it is: `tripw07p-question` is text of tenant 7's payloads. It is found raw, in any
case, cut short, JSON-escaped, percent-encoded, in hexadecimal and in base64, at any alignment, also inside an id.

    p   payload: what was asked, answered, passed as arguments; readable by nobody without `trace.payloads`
    r   record: names and ids that a client or a model chose, which records keep; by whoever may read traces
    k   key terms: subjects, grants, notes; by whoever may read keys or traces
    n   the tenant's name
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import quote, unquote_to_bytes

PAYLOAD, RECORD, KEY, NAME = "p", "r", "k", "n"
_MARK: Final = b"tripw"
_WIRE: Final = re.compile(rb"(?i)tripw(\d\d)([prkn])[\w.-]{0,40}")
_ESCAPED: Final = re.compile(rb"\\(?:u00|x)([0-9a-fA-F]{2})")
_HEX: Final = re.compile(rb"[0-9a-fA-F]{16,}")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{12,}")
_HEX_MARK: Final = _MARK.hex().encode()
_BASE64_MARKS: Final = tuple(base64.b64encode(b"\0" * pad + _MARK)[-(-pad * 8 // 6) :][:5] for pad in range(3))
"""What the mark looks like in base64 wherever it begins: its characters that depend on no neighbour."""


class Sighting(NamedTuple):
    """A wire that was seen: whose, what kind, and as it stood there."""

    tenant: int
    kind: str
    text: str


def wire(tenant: int, kind: str, label: str = "") -> str:
    """Return a tenant's wire."""
    return f"tripw{tenant:02}{kind}-{label}" if label else f"tripw{tenant:02}{kind}"


def encodings(text: str) -> dict[str, str]:
    """Return a text in every form in which it must be found."""
    raw = text.encode()
    return {
        "raw": text,
        "capitals": text.upper(),
        "cut": text[:8],
        "escaped": "".join(f"\\u{letter:04x}" for letter in raw),
        "percent": "".join(f"%{letter:02X}" for letter in raw),
        "quoted": quote(f"/{text}/"),
        "hex": raw.hex(),
        "base64": base64.b64encode(raw).decode(),
        "base64, one aside": base64.b64encode(b"x" + raw).decode(),
        "base64, two aside": base64.urlsafe_b64encode(b"xy" + raw).decode(),
        "base64 of escapes": base64.b64encode(f'{{"a":"{text}"}}'.encode()).decode(),
    }


def sightings(content: bytes) -> frozenset[Sighting]:
    """Return every wire in `content`, however it is written. Cost: some passes over it."""
    return frozenset(
        Sighting(int(found.group(1)), found.group(2).decode().lower(), found.group(0).decode())
        for view in _views(content)
        for found in _WIRE.finditer(view)
    )


def _views(content: bytes) -> Iterator[bytes]:
    yield content
    if b"\\" in content:
        yield _ESCAPED.sub(lambda found: bytes.fromhex(found.group(1).decode()), content)
    if b"%" in content:
        yield unquote_to_bytes(content)
    if _HEX_MARK in content.lower():
        for run in _HEX.findall(content):
            for start in (0, 1):
                yield bytes.fromhex(run[start : start + (len(run) - start) // 2 * 2].decode())
    if any(mark in content for mark in _BASE64_MARKS):
        for run in _BASE64.findall(content):
            for start in range(4):
                yield _decoded(run[start:].translate(bytes.maketrans(b"-_", b"+/")))


def _decoded(run: bytes) -> bytes:
    try:
        return base64.b64decode(run[: len(run) // 4 * 4])
    except binascii.Error:
        return b""


@dataclass(slots=True)
class Watch:
    """What was looked at, and every wire that stood where it must not. `seen` counts answers with a wire at all."""

    looked: int = 0
    seen: int = 0
    leaks: list[str] | None = None

    def look(self, where: str, content: bytes, allowed: frozenset[tuple[int, str]] = frozenset()) -> None:
        """Look at something that somebody is shown; `allowed` are the (tenant, kind) that may stand there."""
        found = sightings(content)
        self.looked += 1
        self.seen += bool(found)
        wrong = sorted(each.text for each in found if (each.tenant, each.kind) not in allowed)
        if wrong:
            self.leaks = [*(self.leaks or ()), f"{where}: {', '.join(wrong[:5])}"]


def whole(tenant: int) -> frozenset[tuple[int, str]]:
    """Return all that a tenant's own caller may see."""
    return frozenset((tenant, kind) for kind in (PAYLOAD, RECORD, KEY, NAME))


def kinds(which: str, tenants: int) -> frozenset[tuple[int, str]]:
    """Return these kinds of every tenant, for who may see all of them."""
    return frozenset((tenant, kind) for tenant in range(tenants) for kind in which)
