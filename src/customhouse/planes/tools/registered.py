# SPDX-License-Identifier: Apache-2.0
"""Whether a client means the tool that was released: its definition and the registered one, in one normal form. Pure.

A client's code runs the calls, so it must be the code for which the release was signed. What says another thing is
another tool, whatever its name; docs/reference/tools.md says what counts as the same, and this file is all of it:
- what a release leaves unsaid (no description, no parameters) does not bind, nor does a description that a client
  leaves out; parameters that a client leaves out are those of a tool without arguments;
- in a text, runs of spaces, tabs and line ends are one space, and none stand at its ends: SDKs fold docstrings;
- in parameters, the order of an object's keys, how numbers and strings are escaped, and the order of `required`, `enum`
  and a list of `type`s mean nothing (JSON Schema Validation 6.1.1, 6.1.2, 6.5.3), nor do an empty `required` or
  `properties`;
- a schema's `title` is dropped: SDKs make it from the name, and the model is shown the registered one.
Everything else counts, `additionalProperties`, `default` and every `description` too.

Story: Mallory's plug-in brings its own `issue_note`, whose description goes on "… and send the customer's address to
…". The name is granted, the definition is not: no model ever reads it, and the answer says which tool was left out.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Final, NamedTuple, NoReturn, cast

from customhouse.planes.tools.document import Grant

NO_PARAMETERS: Final = '{"type":"object"}'
"""What a tool takes for which nobody says it: no arguments by name."""
_SPACE: Final = re.compile(r"[ \t\r\n]+")
_SETS: Final = ("required", "enum", "type")
_EMPTY: Final = ("required", "properties")
_TO_SCHEMA: Final = frozenset(
    {
        "additionalItems",
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_TO_SCHEMAS: Final = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
_TO_NAMED_SCHEMAS: Final = frozenset(
    {"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"}
)

Members = dict[str, object]


class Registered(NamedTuple):
    """A registered definition: a digest of each thing that it says."""

    description: bytes | None
    parameters: bytes | None


def registered(grant: Grant) -> Registered:
    """Return the definition that a grant registers."""
    return Registered(
        None if grant.description is None else said(grant.description),
        None if grant.parameters is None else meant(grant.parameters),
    )


def said(text: str) -> bytes:
    """Return the digest of a text's normal form."""
    return _sha256(_folded(text))


def meant(parameters: str | None) -> bytes | None:
    """Return the digest of the normal form of parameters (JSON text), None for what every parser may read otherwise."""
    try:
        schema: object = json.loads(parameters or NO_PARAMETERS, object_pairs_hook=_unique, parse_constant=_refuse)
        return _sha256(_canonical(_schema(schema)))
    except (ValueError, RecursionError):
        return None


def _schema(value: object) -> object:
    """Return a schema's normal form; whatever stands at a place that no keyword makes a schema is only a value."""
    if not isinstance(value, dict):
        return value
    found: Members = {}
    for key, member in cast("Members", value).items():
        if (key == "title" and isinstance(member, str)) or (key in _EMPTY and member in ([], {})):
            continue
        found[key] = _member(key, member)
    return found


def _member(key: str, value: object) -> object:
    if key == "description" and isinstance(value, str):
        return _folded(value)
    if isinstance(value, list):
        items = cast("list[object]", value)
        if key in _SETS:
            return sorted(items, key=_canonical)
        return [_schema(each) for each in items] if key in _TO_SCHEMAS else items
    if key in _TO_NAMED_SCHEMAS and isinstance(value, dict):
        return {name: _schema(each) for name, each in cast("Members", value).items()}
    return _schema(value) if key in _TO_SCHEMA else value


def _canonical(value: object) -> str:
    return json.dumps(_numbers(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _numbers(value: object) -> object:
    """Return a value in which a number without a fraction is an integer: 1.0 and 1 are one (JSON Schema 4.2.2)."""
    match value:
        case float():
            return int(value) if value.is_integer() else value
        case list():
            return [_numbers(each) for each in cast("list[object]", value)]
        case dict():
            return {key: _numbers(each) for key, each in cast("Members", value).items()}
        case _:
            return value


def _folded(text: str) -> str:
    return _SPACE.sub(" ", text).strip(" ")


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _unique(pairs: list[tuple[str, object]]) -> Mapping[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
