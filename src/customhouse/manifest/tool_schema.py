# SPDX-License-Identifier: Apache-2.0
"""What a tool's JSON Schema may be. Pure.

A `$ref` that leaves the document would make whoever validates arguments fetch an address of the schema's author
(jsonschema implementations resolve remote and file references by default), so only `#…` is taken.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")


def schema_problem(schema: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a tool's parameters, or None."""
    if schema.get("type") != "object":
        return "a schema whose type is not object"
    pending: list[Any] = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(cast("list[Any]", node))
        elif isinstance(node, dict):
            members = cast("dict[str, Any]", node)
            pending.extend(members.values())
            for key in REFERENCES:
                if key in members and not str(members[key]).startswith("#"):
                    return f"a {key} that leaves the schema"
    return None
