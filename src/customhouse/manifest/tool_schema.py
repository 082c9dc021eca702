# SPDX-License-Identifier: Apache-2.0
"""What a tool's JSON Schema may be: what the tools plane can compile, of type object. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from customhouse.planes.tools.schema import Schema


def schema_text(parameters: Mapping[str, Any]) -> str:
    """Return parameters as a release carries them."""
    return msgspec.json.encode(parameters, order="sorted").decode()


def schema_problem(parameters: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a tool's parameters, or None."""
    if parameters.get("type") != "object":
        return "a schema whose type is not object"
    try:
        Schema(schema_text(parameters))
    except ValueError as error:
        return f"a schema that cannot be used: {error}"
    return None


def schema_hint(problem: str) -> str | None:
    """Return what to do about a problem, where its words do not say it."""
    if 'is not a "regex"' in problem:
        return "patterns run in linear time: no look-around, no back-references, no huge repetitions"
    return None
