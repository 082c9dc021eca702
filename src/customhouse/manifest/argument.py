# SPDX-License-Identifier: Apache-2.0
"""What a tool's registered parameters say of one argument: whether it is there, must be there, what it may be. Pure.

Only what is plain in a schema is claimed: where `anyOf`, `allOf`, `if` or a free map decides, nothing is known.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, cast

from customhouse.planes.tools.path import walk

MAX_REFERENCES: Final = 32
"""References that are followed one after another."""
_OPEN: Final = frozenset(
    {"allOf", "anyOf", "oneOf", "if", "not", "patternProperties", "dependentSchemas", "$dynamicRef", "$recursiveRef"}
)
"""Keywords beside which `properties` does not say it all."""

Node = Mapping[str, object]


class Argument(NamedTuple):
    """One argument. `node` is its schema, None when nothing is known of it; `missing` is the name that is not there."""

    node: Node | None
    required: bool = False
    missing: str | None = None
    known: tuple[str, ...] = ()


def argument(parameters: Node, path: Sequence[str]) -> Argument:
    """Return what is known of the argument at a path of names, `args` left out."""
    node, required = resolved(parameters, parameters), True
    for name in path:
        fields = members(node.get("properties"))
        if fields is None:
            if node.get("type") == "object" and node.get("additionalProperties") is False and not _OPEN & node.keys():
                return Argument(None, missing=name)
            return Argument(None)
        if name not in fields:
            return Argument(None) if _OPEN & node.keys() else Argument(None, missing=name, known=tuple(sorted(fields)))
        required = required and name in items(node.get("required"))
        node = resolved(parameters, members(fields[name]) or {})
    return Argument(node, required)


def resolved(parameters: Node, node: Node) -> Node:
    """Return a schema with its own reference followed; one that leads nowhere, or for ever, says nothing."""
    for _ in range(MAX_REFERENCES):
        target = node.get("$ref")
        if not isinstance(target, str):
            return node
        names = [part.replace("~1", "/").replace("~0", "~") for part in target.removeprefix("#").split("/")[1:]]
        found, value = walk(parameters, names)
        node = (members(value) or {}) if found == len(names) else {}
    return {}


def types(node: Node) -> frozenset[str]:
    """Return the JSON types that a schema lets a value have, empty when it does not say."""
    stated = node.get("type")
    if isinstance(stated, str):
        return frozenset({stated})
    return frozenset(str(each) for each in items(stated))


def members(value: object) -> Node | None:
    """Return an object of a schema, or None."""
    return cast("Node", value) if isinstance(value, dict) else None


def items(value: object) -> Sequence[object]:
    """Return a list of a schema, or an empty one."""
    return cast("list[object]", value) if isinstance(value, list) else ()
