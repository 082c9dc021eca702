# SPDX-License-Identifier: Apache-2.0
"""Expressions (CEL) in manifests: what is wrong with one, in a sentence for the person who wrote it. Pure.

A route's `when` is compiled by the code that will evaluate it (planes/model/condition.py). Rules on arguments are
parsed and their names checked.
"""

import re
from typing import Final

from customhouse.planes.model import condition

RULE_NAMES: Final = frozenset({"args", "principal", "data", "tool", *condition.CLASSES})
"""What a rule on a tool call may look at."""

_TEXT: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_BOUND: Final = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")


def route_problem(expression: str) -> str | None:
    """Return why a route's condition cannot be used, or None when it gives true or false for every class of data."""
    try:
        condition.checked(expression)
    except ValueError as error:
        return str(error)
    return None


def rule_problem(expression: str) -> str | None:
    """Return why a rule on a tool call cannot be used, or None."""
    try:
        bound = _BOUND.findall(_TEXT.sub("''", expression))
        condition.known("name", set(condition.parsed(expression).variables()) - set(bound), RULE_NAMES)
    except ValueError as error:
        return str(error)
    return None
