# SPDX-License-Identifier: Apache-2.0
"""Which route a request means: pure, on the path as it was sent, before anything decodes it.

Rules:
- One spelling for each endpoint: a fixed segment matches its exact bytes, so `//`, a trailing slash, `%72eleases` or
  `;x=1` reach nothing.
- A `{name}` is one segment, decoded once; what decodes to a separator, a dot segment or a control character reaches
  nothing either.
- Authorisation works on the route that is returned here, never on a path, a Host header or a prefix.

Story (CVE-2026-49468): a proxy built a URL from the Host header and compared its path with a list of public paths.
`Host: x/public?` made every path public. Here there is no such list: a route carries its own verb.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from customhouse.api.route import Route

MAX_SEGMENT: Final = 300
"""Characters in a name of a path: an address of 254 and room."""
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f/\\\ufffd]")


@dataclass(frozen=True, slots=True)
class Match:
    """The route of a request and the names in its path."""

    route: Route
    path: dict[str, str]


@dataclass(frozen=True, slots=True)
class OtherMethods:
    """The path exists for these methods only."""

    allow: tuple[str, ...]


def match(routes: Iterable[Route], method: str, raw_path: str) -> Match | OtherMethods | None:
    """Return the route, the methods that the path takes instead, or None. Cost: O(routes)."""
    segments = raw_path.split("/")
    others: list[str] = []
    for route in routes:
        names = _names(route.path.split("/"), segments)
        if names is None:
            continue
        if route.method == method:
            return Match(route, names)
        others.append(route.method)
    return OtherMethods(tuple(sorted(set(others)))) if others else None


def _names(template: list[str], segments: list[str]) -> dict[str, str] | None:
    if len(template) != len(segments):
        return None
    names: dict[str, str] = {}
    for expected, found in zip(template, segments, strict=True):
        if not expected.startswith("{"):
            if expected != found:
                return None
            continue
        value = unquote(found, errors="replace")
        if not value or value in {".", ".."} or len(value) > MAX_SEGMENT or _FORBIDDEN.search(value):
            return None
        names[expected[1:-1]] = value
    return names
