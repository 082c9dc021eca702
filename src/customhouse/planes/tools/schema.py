# SPDX-License-Identifier: Apache-2.0
"""A tool's registered parameters, compiled: whether arguments are valid against them. Pure.

Rules kept:
- Nothing outside the schema is ever fetched: a `$ref` elsewhere is refused when the schema is read (definition.py), and
  whoever resolves references is given a retriever that refuses. Validators fetch http: and file: references by default,
  which makes a schema that somebody else wrote a request of the gateway's.
- Patterns run on an engine that takes linear time: `^(a+)+$` on 25 characters took a backtracking one 1.45 s.
- References do not multiply: a schema that doubles itself twenty times by `$ref` would be a million checks a call.
"""

import json
from collections.abc import Mapping
from typing import Final, NoReturn, cast

import jsonschema_rs

from customhouse.planes.tools.definition import parameters_problem
from customhouse.planes.tools.path import more_than, walk

PATTERN_BYTES: Final = 1 << 20
"""Size of a compiled pattern at most (the engine's own default is ten times that)."""
MAX_EXPANDED: Final = 10_000
"""Nodes of a schema with every reference written out once, at most."""
MAX_CHECKS: Final = 1_000_000
"""Parts of a schema times parts of the arguments, at most; more are not valid. 3,000 alternatives for each of 13,000
items took 13 s, in which nobody is answered."""
MAX_TOLD: Final = 3
"""Violations that an explanation names."""


class Schema:
    """One compiled JSON Schema. Cost of a check: below 1 µs for arguments of a few fields."""

    __slots__ = ("_most", "_validator", "parameters")

    def __init__(self, text: str) -> None:
        """Compile parameters (JSON text). Raises ValueError with what is wrong, in one line."""
        problem = parameters_problem(text)
        if problem is not None:
            raise ValueError(problem)
        self.parameters: Final = cast("dict[str, object]", json.loads(text))
        expanded = _expanded(self.parameters, self.parameters, {})
        self._most: Final = MAX_CHECKS // expanded
        if expanded > MAX_EXPANDED:
            raise ValueError(f"its references multiply to more than {MAX_EXPANDED} parts")
        try:
            self._validator = jsonschema_rs.validator_for(
                self.parameters,
                retriever=_refuse,
                pattern_options=jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES),
            )
        except (ValueError, TypeError) as error:
            raise ValueError(_line(str(error))) from error

    def allows(self, arguments: Mapping[str, object]) -> bool:
        """Return whether arguments are valid."""
        return not more_than(self._most, arguments) and self._validator.is_valid(arguments)

    def violations(self, arguments: Mapping[str, object]) -> tuple[str, ...]:
        """Return where arguments are not valid and which keyword says so; never a value of theirs."""
        found: list[str] = []
        if more_than(self._most, arguments):
            return (f"args: more than {self._most} parts, too many for a schema of this size",)
        for error in self._validator.iter_errors(arguments):
            where = ".".join(str(part) for part in ("args", *error.instance_path))
            found.append(f"{where}: {error.schema_path[-1] if error.schema_path else 'schema'}")
            if len(found) == MAX_TOLD:
                break
        return tuple(found)


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is outside the schema")


def _line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "it is no JSON Schema")


def _expanded(root: Mapping[str, object], node: object, known: dict[str, int]) -> int:
    """Return how many parts a node has with its references written out; one that leads back to itself counts once."""
    if isinstance(node, list):
        return 1 + sum(_expanded(root, part, known) for part in cast("list[object]", node))
    if not isinstance(node, dict):
        return 1
    fields = cast("dict[str, object]", node)
    total = 1 + sum(_expanded(root, part, known) for key, part in fields.items() if key != "$ref")
    target = fields.get("$ref")
    if isinstance(target, str):
        if target not in known:
            known[target] = 1
            known[target] = _expanded(root, _resolved(root, target), known)
        total += known[target]
    return total


def _resolved(root: Mapping[str, object], pointer: str) -> object:
    """Return what a JSON Pointer fragment (RFC 6901) names; anchors and places in lists count as one part."""
    names = [part.replace("~1", "/").replace("~0", "~") for part in pointer.removeprefix("#").split("/")[1:]]
    found, node = walk(root, names)
    return node if found == len(names) else None
