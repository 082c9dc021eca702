# SPDX-License-Identifier: Apache-2.0
"""A call of a plain HTTP tool as a request: where each argument goes. Pure.

Rules kept:
- An argument never decides where a call goes. In a path it is one whole part of a segment, percent-encoded; what some
  server might still read as more (slashes, backslashes, a percent sign, leading dots, nothing at all) is refused.
- In a query it is a value, in a body it is JSON. No argument is a header, but for the key that makes a call one.

Story: `GET /orders/{order_id}` may be called with any order. Mallory asks for the order `../admin/keys`, for
`7?all=true`, for `7%2F..%2Fadmin`, and for the order without a name, which would be the list of all. None is sent.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import quote, urlsplit

from customhouse.planes.tools.document import HttpCall, HttpMethod

MAX_KEY_CHARACTERS: Final = 255
PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_UNSAFE: Final = re.compile(r"[/\\%\x00-\x1f\x7f]")
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class PlainCall:
    """A request that is ready; `body` None is one without."""

    method: HttpMethod
    url: str
    body: bytes | None


def plain_call(url: str, how: HttpCall, arguments: Mapping[str, object]) -> PlainCall:
    """Return the request of a call. Raises ValueError where an argument cannot stand in its place."""
    if urlsplit(url).query or urlsplit(url).fragment:
        raise ValueError("the server's address has a query")
    named = set(PLACEHOLDER.findall(how.path))
    path = "/".join(_segment(each, arguments) for each in how.path.split("/"))
    rest = [name for name in arguments if name not in named and name not in how.query]
    in_query = [*how.query, *(rest if how.body is None and how.method == "GET" else ())]
    in_body = () if how.method == "GET" else tuple(rest) if how.body is None else how.body
    pairs = [pair for name in in_query if name in arguments for pair in _pairs(name, arguments[name])]
    query = "?" + "&".join(pairs) if pairs else ""
    content = {name: arguments[name] for name in in_body if name in arguments}
    bodied = bool(content) or how.method in {"POST", "PUT", "PATCH"}
    return PlainCall(how.method, url.rstrip("/") + path + query, _json(content).encode() if bodied else None)


def idempotency(key: object) -> str:
    """Return the value of the header `Idempotency-Key`. Raises ValueError for what is no short visible ASCII text."""
    text = str(key) if type(key) is int else key
    if not isinstance(text, str) or _KEY.fullmatch(text) is None:
        raise ValueError(f"an idempotency key is 1 to {MAX_KEY_CHARACTERS} visible ASCII characters, or an integer")
    return text


def _segment(template: str, arguments: Mapping[str, object]) -> str:
    if PLACEHOLDER.search(template) is None:
        return template
    made = PLACEHOLDER.sub(lambda found: _in_path(found[1], arguments), template)
    if made == "." or made.startswith(".."):
        raise ValueError("an argument would lead to another path")
    return made


def _in_path(name: str, arguments: Mapping[str, object]) -> str:
    text = _text(arguments.get(name))
    if not text or _UNSAFE.search(text):
        raise ValueError(f"the argument {name} cannot stand in a path: a text without '/', '\\' and '%' expected")
    return quote(text, safe="")


def _pairs(name: str, value: object) -> list[str]:
    """Return an argument as values of a query: a list gives one for each of its parts, null none."""
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    texts = [_json(cast("object", each)) if isinstance(each, dict | list) else _text(each) for each in values]
    return [f"{quote(name, safe='')}={quote(text, safe='')}" for text in texts if text is not None]


def _text(value: object) -> str | None:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return _json(value)
        case _:
            return None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
