# SPDX-License-Identifier: Apache-2.0
"""Expressions (CEL) are tried when they are loaded: a condition that can never be true protects nothing. Pure.

A route's `when` is evaluated for every class of data, so a misspelt name or a comparison of text with a number is found
here and not as a route that silently never matches. Rules on arguments are parsed and their names checked.
"""

from typing import Final

import cel

from customhouse.domain.label import Classification

CLASSES: Final = {member.label: int(member) for member in Classification}
_DATA: Final = {"tenant": "default"}
_FACTS: Final = {"tenant": "default", "environment": "dev", **CLASSES}
"""Stand-ins of the type that a turn has, as `planes/model/select.py` gives them to a route."""
MAX_NESTING: Final = 32
"""The engine's parser recurses."""
RULE_NAMES: Final = frozenset({"args", "principal", "data", "tool", *CLASSES})
"""What a rule on a tool call may look at."""


def route_problem(expression: str) -> str | None:
    """Return why a route's condition cannot be used, or None when it gives true or false for every class of data."""
    if _nesting(expression) > MAX_NESTING:
        return f"it is nested deeper than {MAX_NESTING}"
    for value in CLASSES.values():
        try:
            answer: object = cel.evaluate(expression, {**_FACTS, "data": {**_DATA, "classification": value}})
        except (ValueError, TypeError, RuntimeError, KeyError) as error:
            return _first_line(error)
        if not isinstance(answer, bool):
            return f"it gives {type(answer).__name__}, not true or false"
    return None


def rule_problem(expression: str) -> str | None:
    """Return why a rule on a tool call cannot be used, or None."""
    if _nesting(expression) > MAX_NESTING:
        return f"it is nested deeper than {MAX_NESTING}"
    try:
        names = set(cel.compile(expression).variables())
    except ValueError as error:
        return _first_line(error)
    unknown = sorted(names - RULE_NAMES)
    return f"the unknown name {unknown[0]}; known are {', '.join(sorted(RULE_NAMES))}" if unknown else None


def _nesting(expression: str) -> int:
    deepest = depth = 0
    for character in expression:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest


def _first_line(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no {error.args[0]} (data has: classification, tenant)"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = lines[0] if lines else type(error).__name__
    syntax = told.partition("ERROR: <input>:")[2].partition(" expecting ")[0]
    return f"at {syntax}" if syntax else told.partition(". ")[0]
