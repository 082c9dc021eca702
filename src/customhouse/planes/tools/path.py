# SPDX-License-Identifier: Apache-2.0
"""Arguments as a tree: how far a path of names leads, and to what; how many parts there are. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast


class Walk(NamedTuple):
    """How many names of the path were there, and what stands at the last of them."""

    found: int
    value: object


def walk(value: object, path: Sequence[str]) -> Walk:
    """Follow a path as far as it leads."""
    for depth, name in enumerate(path):
        fields = cast("Mapping[str, object]", value) if isinstance(value, Mapping) else None
        if fields is None or name not in fields:
            return Walk(depth, value)
        value = fields[name]
    return Walk(len(path), value)


def more_than(most: int, arguments: object) -> bool:
    """Return whether arguments have more parts than that, on all levels together; stops at the first one over."""
    count, left = 0, [arguments]
    while left and count <= most:
        node = left.pop()
        if isinstance(node, Mapping):
            node = list(cast("Mapping[str, object]", node).values())
        if isinstance(node, list):
            parts = cast("list[object]", node)
            count += len(parts)
            left += parts if count <= most else ()
    return count > most
