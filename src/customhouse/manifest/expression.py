# SPDX-License-Identifier: Apache-2.0
"""Expressions (CEL) are tried when they are loaded: a condition that can never be true protects nothing. Pure.

A route's `when` is evaluated for every class of data, so a misspelt name or a comparison of text with a number is found
here and not as a route that silently never matches. CEL's `||` answers true beside an error, so names are looked at by
themselves too. A route may compare and combine, no more: nested comprehensions would take longer than the universe, and
patterns backtrack. Rules on arguments are parsed and their names checked.
"""

import re
from collections.abc import Iterable
from typing import Final

import cel

from customhouse.domain.label import Classification

CLASSES: Final = {member.label: int(member) for member in Classification}
_DATA: Final = {"tenant": "default"}
_FACTS: Final = {"tenant": "default", "environment": "dev", **CLASSES}
"""Stand-ins of the type that a turn has, as `planes/model/select.py` gives them to a route."""
ROUTE_NAMES: Final = frozenset({"data", *_FACTS})
ROUTE_FIELDS: Final = frozenset({"classification", "tenant"})
ROUTE_FUNCTIONS: Final = frozenset(
    {"_&&_", "_||_", "!_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_?_:_", "@in", "startsWith", "endsWith"}
)
"""Every one takes time linear in the expression; a comprehension is made of others (`@not_strictly_false`, `_+_`)."""
RULE_NAMES: Final = frozenset({"args", "principal", "data", "tool", *CLASSES})
"""What a rule on a tool call may look at."""
MAX_NESTING: Final = 32
"""The engine's parser recurses."""

_TEXT: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_FIELD: Final = re.compile(r"\bdata\s*\.\s*([A-Za-z_]\w*)")
_BOUND: Final = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")


def route_problem(expression: str) -> str | None:
    """Return why a route's condition cannot be used, or None when it gives true or false for every class of data."""
    try:
        program = _parsed(expression)
        _known("name", program.variables(), ROUTE_NAMES)
        _known("function", program.functions(), ROUTE_FUNCTIONS)
        _known("field data.", _FIELD.findall(_TEXT.sub("''", expression)), ROUTE_FIELDS)
        for value in CLASSES.values():
            answer: object = program.execute({**_FACTS, "data": {**_DATA, "classification": value}})
            if not isinstance(answer, bool):
                return f"it gives {type(answer).__name__}, not true or false"
    except (ValueError, TypeError, RuntimeError, KeyError) as error:
        return _first_line(error)
    return None


def rule_problem(expression: str) -> str | None:
    """Return why a rule on a tool call cannot be used, or None."""
    try:
        bound = _BOUND.findall(_TEXT.sub("''", expression))
        _known("name", set(_parsed(expression).variables()) - set(bound), RULE_NAMES)
    except ValueError as error:
        return _first_line(error)
    return None


def _parsed(expression: str) -> cel.Program:
    deepest = depth = 0
    for character in expression:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING:
        raise ValueError(f"it is nested deeper than {MAX_NESTING}")
    return cel.compile(expression)


def _known(kind: str, found: Iterable[str], known: frozenset[str]) -> None:
    unknown = sorted(set(found) - known)
    if unknown:
        gap = "" if kind.endswith(".") else " "
        raise ValueError(f"the unknown {kind}{gap}{unknown[0]}; known are {', '.join(sorted(known))}")


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = lines[0] if lines else type(error).__name__
    syntax = told.partition("ERROR: <input>:")[2].partition(" expecting ")[0]
    return f"at {syntax}" if syntax else told.partition(". ")[0]
