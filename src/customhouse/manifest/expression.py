# SPDX-License-Identifier: Apache-2.0
"""Expressions (CEL) in manifests: what is wrong with one, in a sentence for the person who wrote it. Pure.

Each is compiled by the code that will evaluate it: a route's `when` by planes/model/condition.py, a rule on a tool's
calls by planes/tools/rule.py.
"""

import re
from typing import Final

from customhouse.manifest.problem import nearest
from customhouse.planes.model import condition
from customhouse.planes.tools.rule import Rule

_UNKNOWN: Final = re.compile(r"the unknown (?P<kind>name|function|field) ?(?P<found>[\w.@]+); known are (?P<known>.+)")


def route_problem(expression: str) -> str | None:
    """Return why a route's condition cannot be used, or None when it gives true or false for every class of data."""
    try:
        condition.checked(expression)
    except ValueError as error:
        return str(error)
    return None


def compiled_rule(expression: str) -> Rule | str:
    """Return a rule on a tool's calls, or why there can be none."""
    try:
        return Rule(expression)
    except ValueError as error:
        return _plain(str(error))


def unknown_name(problem: str) -> str | None:
    """Return the name that a problem calls unknown, without the variable that it is a field of."""
    found = _UNKNOWN.match(problem)
    return None if found is None else found["found"].rpartition(".")[2]


def nearest_known(problem: str) -> str | None:
    """Return the known name that looks most like the one that a problem calls unknown."""
    found, name = _UNKNOWN.match(problem), unknown_name(problem)
    return None if found is None or name is None else nearest(name, found["known"].split(", "))


def _plain(problem: str) -> str:
    """Return a problem without the engine's own words for patterns, and its names of operators."""
    if problem.startswith("the pattern "):
        pattern = problem.partition(": Function ")[0]
        return f"{pattern} does not run in linear time: no look-around, no back-references, no huge repetitions"
    found = _UNKNOWN.match(problem)
    if found is None or found["kind"] != "function":
        return problem
    known = ", ".join(name for name in found["known"].split(", ") if name.isidentifier() and not name.startswith("_"))
    return f"the unknown function {found['found']}; known are {known}"
