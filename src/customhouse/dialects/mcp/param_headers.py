# SPDX-License-Identifier: Apache-2.0
"""`Mcp-Param-*`: headers that repeat single arguments of a tool call, where its schema says so with `x-mcp-header`.

Rules kept:
- The schema that counts is the released one. An annotation counts on a text, an integer or a truth value that is
  reached through `properties` alone. A schema with one that stands elsewhere or is malformed has none at all: clients
  that follow the protocol do not show such a tool.
- Header and argument are there together and say the same, or neither is there; null is not there.

Source: MCP 2026-07-28 basic/transports, "Custom headers from tool parameters".
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, cast

from customhouse.dialects.mcp.field import decoded, encoded
from customhouse.dialects.mcp.headers import PARAM, Headers
from customhouse.dialects.mcp.refused import HEADER_MISMATCH, Id, Refused, refused

ANNOTATION: Final = "x-mcp-header"

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
"""RFC 9110 5.6.2."""
_TYPES: Final = frozenset({"string", "integer", "boolean"})
_DECIMAL: Final = re.compile(r"(-?[0-9]{1,300})(?:\.0{1,300})?")
_ONE: Final = frozenset(
    {
        "items",
        "contains",
        "unevaluatedItems",
        "additionalProperties",
        "propertyNames",
        "unevaluatedProperties",
        "not",
        "if",
        "then",
        "else",
        "contentSchema",
    }
)
_LIST: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAP: Final = frozenset({"patternProperties", "dependentSchemas", "$defs", "definitions"})
"""The keywords of JSON Schema 2020-12 that hold schemas: one, a list of them, or a map."""


class Wanted(NamedTuple):
    """One annotation: where the argument is, what follows `Mcp-Param-`, and the argument's type."""

    path: tuple[str, ...]
    token: str
    type: str


def wanted(schema: object) -> tuple[Wanted, ...]:
    """Return the annotations of a tool's parameters; none where one of them is invalid. Linear in the schema."""
    found: list[Wanted] = []
    for path, position in _positions(schema):
        if ANNOTATION not in position:
            continue
        token, kind = position[ANNOTATION], position.get("type")
        if not path or not isinstance(token, str) or not _TOKEN.fullmatch(token):
            return ()
        if not isinstance(kind, str) or kind not in _TYPES:
            return ()
        found.append(Wanted(path, token, kind))
    tokens = {each.token.lower() for each in found}
    return tuple(found) if len(tokens) == len(found) else ()


def built(annotations: tuple[Wanted, ...], arguments: Mapping[str, object]) -> dict[str, str]:
    """Return the headers that repeat arguments, for an upstream. Raises ValueError for half a surrogate pair."""
    said = ((each, _said(each, arguments)) for each in annotations)
    return {f"{PARAM}{each.token.lower()}": encoded(text) for each, text in said if text is not None}


def agree(
    headers: Headers, annotations: tuple[Wanted, ...], arguments: Mapping[str, object], request_id: Id | None = None
) -> None:
    """Refuse headers that say something else than the arguments. Raises Refused."""
    for each in annotations:
        value, said = headers.params.get(each.token.lower()), _said(each, arguments)
        if value is None and said is None:
            continue
        text = None if value is None else decoded(value)
        if text is None or said is None or not (text == said or _same_integer(each, text, said)):
            raise _mismatch(each, request_id)


def _said(annotation: Wanted, arguments: Mapping[str, object]) -> str | None:
    """Return an argument as a header says it; None of what is not there, and of what no header can say."""
    node: object = arguments.get(annotation.path[0])
    for key in annotation.path[1:]:
        node = cast("dict[str, object]", node).get(key) if isinstance(node, dict) else None
    match node:
        case bool():
            return "true" if node else "false"
        case int():
            return str(node)
        case float() if node.is_integer():
            return str(int(node))
        case float():
            return str(node)
        case str():
            return node
        case _:
            return None


def _same_integer(annotation: Wanted, text: str, said: str) -> bool:
    """`42` and `42.0` are one integer, at any size: compared as digits, never as floats."""
    left, right = _DECIMAL.fullmatch(text), _DECIMAL.fullmatch(said)
    return annotation.type == "integer" and left is not None and right is not None and int(left[1]) == int(right[1])


def _positions(schema: object) -> Iterator[tuple[tuple[str, ...] | None, Mapping[str, object]]]:
    """Give every schema inside a schema with its path, which is None off the way through `properties`.

    What is data (`const`, `enum`, `default`) is not looked into, and a `$ref` is not followed.
    """
    waiting: list[tuple[tuple[str, ...] | None, object]] = [((), schema)]
    while waiting:
        path, node = waiting.pop()
        if not isinstance(node, dict):
            continue
        position = cast("dict[str, object]", node)
        yield path, position
        for key, value in position.items():
            inside = cast("dict[str, object]", value) if isinstance(value, dict) else {}
            if key == "properties":
                waiting += [(None if path is None else (*path, name), each) for name, each in inside.items()]
            elif key in _ONE:
                waiting.append((None, cast("object", value)))
            elif key in _LIST and isinstance(value, list):
                waiting += [(None, each) for each in cast("list[object]", value)]
            elif key in _MAP:
                waiting += [(None, each) for each in inside.values()]


def _mismatch(annotation: Wanted, request_id: Id | None) -> Refused:
    where = ".".join(annotation.path)
    return refused(
        HEADER_MISMATCH,
        f"the header Mcp-Param-{annotation.token} does not repeat the argument {where}",
        None,
        request_id,
    )
