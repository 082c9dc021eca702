# SPDX-License-Identifier: Apache-2.0
"""Following a path of names into arguments: how far it leads, and to what. Pure."""

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
