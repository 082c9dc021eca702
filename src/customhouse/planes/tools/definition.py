# SPDX-License-Identifier: Apache-2.0
"""Whether a tool's registered parameters can be used: one JSON Schema that refers to nothing outside itself. Pure.

A `$ref` to a URL or a file, in a schema that somebody else wrote, would make whoever resolves it fetch for him.
"""

import json
from typing import Final, cast

MAX_PARAMETERS_CHARACTERS: Final = 64 * 1024


class _RepeatedKeyError(ValueError):
    pass


def parameters_problem(text: str) -> str | None:
    """Return what is wrong with a tool's parameters (JSON text), or None."""
    if len(text) > MAX_PARAMETERS_CHARACTERS:
        return f"they have more than {MAX_PARAMETERS_CHARACTERS} characters"
    try:
        schema: object = json.loads(text, object_pairs_hook=_unique)
        if not isinstance(schema, dict):
            return "they are not a JSON object"
        return _foreign(cast("object", schema))
    except _RepeatedKeyError as error:
        return str(error)
    except (ValueError, RecursionError):
        return "they are not valid JSON"


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a key that stands twice: one parser takes the first, another the last, and only one was looked at."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _RepeatedKeyError("a key stands twice in one object")
    return fields


def _foreign(value: object) -> str | None:
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        for key in ("$ref", "$dynamicRef", "$recursiveRef"):
            target = fields.get(key)
            if isinstance(target, str) and not target.startswith("#"):
                return f"{key} points outside the schema; only references beginning with # are allowed"
        parts = list(fields.values())
    elif isinstance(value, list):
        parts = cast("list[object]", value)
    else:
        return None
    return next((problem for part in parts if (problem := _foreign(part)) is not None), None)
