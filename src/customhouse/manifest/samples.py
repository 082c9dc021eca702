# SPDX-License-Identifier: Apache-2.0
"""A few arguments of each type that a tool's parameters allow, to try a rule on before any call is made. Pure.

They are of the right types, not always valid: a pattern chooses among a few texts, it is not solved.
"""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Final

from customhouse.manifest.argument import Node, items, members, resolved, types
from customhouse.planes.tools.schema import Schema

MAX_SAMPLES: Final = 64
MAX_DEPTH: Final = 6
MAX_CHOICES: Final = 4
"""Values of one argument that are tried."""
UNKNOWN: Final[tuple[object, ...]] = ("a", 1, True, ["a"], {"a": "a"}, None)
"""What stands for a value of which nothing is known."""
TEXTS: Final = ("a", "1", "1.50")
"""What a rule may do with texts differs for those that are numbers."""
_OF_TYPE: Final[dict[str, tuple[object, ...]]] = {
    "integer": (1,),
    "number": (1.5, 1),
    "boolean": (True, False),
    "null": (None,),
}


def samples(parameters: Node) -> tuple[dict[str, object], ...]:
    """Return arguments with everything that the parameters name, and one argument varied at a time."""
    found = islice(_objects(parameters, resolved(parameters, parameters), 0), MAX_SAMPLES)
    return tuple(found)


def _objects(root: Node, node: Node, depth: int) -> Iterator[dict[str, object]]:
    fields = members(node.get("properties")) or {}
    choices = {name: _values(root, child, depth + 1) for name, child in fields.items()}
    first = {name: values[0] for name, values in choices.items()}
    yield first
    for name, values in choices.items():
        for value in values[1:]:
            yield {**first, name: value}


def _values(root: Node, child: object, depth: int) -> tuple[object, ...]:
    """Return values that a schema lets stand at one place, at least one."""
    stated = members(child)
    if stated is None or depth > MAX_DEPTH:
        return UNKNOWN
    node = resolved(root, stated)
    if "const" in node:
        return (node["const"],)
    listed = items(node.get("enum"))
    if listed:
        return tuple(listed[:MAX_CHOICES])
    for word in ("anyOf", "oneOf"):
        parts = items(node.get(word))
        if parts:
            every = (value for part in parts for value in _values(root, part, depth + 1))
            return tuple(islice(every, MAX_CHOICES))
    found = [value for kind in sorted(types(node)) for value in _of_type(root, node, kind, depth)]
    if not found and "properties" in node:
        found = list(islice(_objects(root, node, depth), MAX_CHOICES))
    return tuple(found) or UNKNOWN


def _of_type(root: Node, node: Node, kind: str, depth: int) -> tuple[object, ...]:
    if kind == "string":
        return _texts(node)
    if kind == "object":
        return tuple(islice(_objects(root, node, depth), MAX_CHOICES))
    if kind == "array":
        values = _values(root, node.get("items"), depth + 1)
        return tuple([value] for value in values[:MAX_CHOICES])
    return _OF_TYPE.get(kind, UNKNOWN)


def _texts(node: Node) -> tuple[str, ...]:
    """Return the texts that fit a pattern, all of them where none does."""
    if "pattern" not in node:
        return TEXTS
    try:
        schema = Schema(json.dumps({"properties": {"text": {"pattern": node["pattern"]}}}))
    except ValueError:
        return TEXTS
    return tuple(text for text in TEXTS if schema.allows({"text": text})) or TEXTS
