# SPDX-License-Identifier: Apache-2.0
"""A route's condition (CEL), checked before it is used: one that can never be true protects nothing. Pure.

It is evaluated for every class of data, so a misspelt name or a comparison of text with a number is found when it is
compiled and not as a route that silently never matches. CEL's `||` answers true beside an error, so names are looked at
by themselves too. A condition may compare and combine, no more: nested comprehensions would take longer than the
universe, and patterns backtrack.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from customhouse.domain.expression import first_line, known, parsed
from customhouse.domain.label import CLASSIFICATION_NAMES

if TYPE_CHECKING:
    import cel

CLASSES: Final = {name: level for level, name in enumerate(CLASSIFICATION_NAMES)}
TEXTS: Final = ("tenant", "environment", "task", "region", "workflow")
"""Facts that are text. A client says `task` and `workflow`: they choose among deployments that may see the data."""
NAMES: Final = frozenset({"data", *TEXTS, *CLASSES})
"""What a condition may look at."""
FIELDS: Final = frozenset({"classification", "tenant"})
"""The fields of `data`."""
FUNCTIONS: Final = frozenset(
    {"_&&_", "_||_", "!_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_?_:_", "@in", "startsWith", "endsWith"}
)
"""Every one takes time linear in the condition; a comprehension is made of others (`@not_strictly_false`, `_+_`)."""

_TEXT: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_FIELD: Final = re.compile(r"\bdata\s*\.\s*([A-Za-z_]\w*)")


def compiled(condition: str) -> "cel.Program":
    """Return a condition ready to evaluate. Raises ValueError with what is wrong, in one line."""
    program = parsed(condition)
    known("name", program.variables(), NAMES)
    known("function", program.functions(), FUNCTIONS)
    known("field data.", _FIELD.findall(_TEXT.sub("''", condition)), FIELDS)
    for level in CLASSES.values():
        _answers(program, facts(level, "default", "dev"))
    return program


def checked(condition: str) -> None:
    """Compile a condition that somebody writes now, and try it with the texts that it names. Raises ValueError.

    A mistake hides behind a comparison: `task == 'draft' && tenant > 1` fails for drafts alone. What is released
    already is not held to this: there such a turn asks no model (`route.condition_failed`).
    """
    program = compiled(condition)
    texts = sorted({match.group()[1:-1] for match in _TEXT.finditer(condition)})
    for level in CLASSES.values():
        for text in texts:
            _answers(program, facts(level, text, text, text, text, text))
            for name in TEXTS:
                _answers(program, {**facts(level, "", ""), name: text})


def facts(
    level: int, tenant: str, environment: str, task: str = "", region: str = "", workflow: str = ""
) -> dict[str, object]:
    """Return the values that a condition is evaluated with; what nobody said is the empty text."""
    return {
        "data": {"classification": level, "tenant": tenant},
        "tenant": tenant,
        "environment": environment,
        "task": task,
        "region": region,
        "workflow": workflow,
        **CLASSES,
    }


def _answers(program: "cel.Program", values: Mapping[str, object]) -> None:
    """Raise ValueError unless the condition gives true or false."""
    try:
        answer: object = program.execute(dict(values))
    except (TypeError, RuntimeError, KeyError, ValueError) as error:
        raise ValueError(first_line(error)) from error
    if not isinstance(answer, bool):
        raise ValueError(f"it gives {type(answer).__name__}, not true or false")  # noqa: TRY004 - one type of refusal
