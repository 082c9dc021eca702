# SPDX-License-Identifier: Apache-2.0
"""A rule on a tool's calls (CEL), checked before it is used. Anything but exactly true denies. Pure.

CEL's `||` answers true beside an error: `args.missing > 1 || true` is true in two engines. So before a rule is
evaluated, everything that it looks at must be there, unless the rule itself asks with `has(…)`; what is missing is an
error, and an error denies. A rule takes bounded time: comprehensions walk few parts, none inside another, none that
makes something new (`map`, which the engine copies at each step), and patterns are literals, on a linear engine.

Story: a rule says `args.amount <= 100 || principal.tenant == 'acme'`. Mallory has the model leave `amount` out. For CEL
the call would be acme's, and pass; here the rule fails, and the call is denied.
"""

import re
from collections.abc import Mapping
from typing import Final

from customhouse.domain.expression import first_line, known, masked, parsed
from customhouse.planes.tools.facts import CLASSES, DATA_FIELDS, TOOL_FIELDS, Facts
from customhouse.planes.tools.path import more_than, walk

NAMES: Final = frozenset({"args", "principal", "data", "tool", "workflow", *CLASSES})
"""What a rule may look at."""
FUNCTIONS: Final = frozenset(
    {"_&&_", "_||_", "!_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_?_:_", "@in", "_[_]", "_+_", "_-_", "_*_"}
    | {"_/_", "_%_", "-_", "size", "int", "double", "string", "startsWith", "endsWith", "contains", "matches"}
    | {"@not_strictly_false"}
)
"""Every one takes time linear in what it is given."""
MAX_WALKED: Final = 200
"""Parts of the arguments, on all levels, that a rule with a comprehension is evaluated on; with more it fails. Such a
rule may ask for each part whether it is in a list of all: 26,000 parts took 14 s, in which nobody is answered."""

_MACRO: Final = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(")
_BOUND: Final = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")
_MATCHES: Final = re.compile(r"\.\s*matches\s*\(\s*")
_PATH: Final = re.compile(r"\b(args|principal|data|tool)((?:\s*\.\s*[A-Za-z_]\w*)+)(\s*\()?")
_HAS: Final = re.compile(r"\bhas\s*\(\s*((?:args|principal)(?:\s*\.\s*[A-Za-z_]\w*)+)\s*\)")
_WHOLE: Final = re.compile(r"\b(principal|data|tool)\b(?!\s*\.)")
_QUOTED: Final = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")

Path = tuple[str, ...]


class Rule:
    """One compiled expression. Cost of an evaluation: part of benchmarks/decision.py; more for large arguments."""

    __slots__ = ("_program", "_variables", "_walks", "guarded", "paths", "text")

    def __init__(self, text: str) -> None:
        """Compile an expression. Raises ValueError with what is wrong, in one line."""
        self.text: Final = text
        self._program = parsed(text)
        blanked = masked(text)
        bound = set(_BOUND.findall(blanked))
        if bound & NAMES:
            raise ValueError(f"{min(bound & NAMES)} is what a rule looks at, and cannot be a name of its own")
        self._variables: Final = frozenset(self._program.variables()) - bound
        known("name", self._variables, NAMES)
        known("function", self._program.functions(), FUNCTIONS)
        _require_flat(blanked)
        self._walks: Final = _MACRO.search(blanked) is not None
        _require_literal_patterns(text, blanked)
        if "||" in blanked and "_[_]" in self._program.functions():
            raise ValueError(
                "an index beside ||, which would hide that nothing is there; write args.name, or has(…) first"
            )
        whole = _WHOLE.search(blanked)
        if whole is not None:
            raise ValueError(f"{whole[1]} alone; name a field of it, like {whole[1]}.tenant")
        self.paths: Final = _paths(blanked)
        self.guarded: Final = frozenset(_split(found) for found in _HAS.findall(blanked))
        """What the expression looks at, and what it asks for with `has(…)` first, each from the variable's name on."""
        known("field data.", (path[1] for path in self.paths if path[0] == "data"), DATA_FIELDS)
        known("field tool.", (path[1] for path in self.paths if path[0] == "tool"), TOOL_FIELDS)

    def holds(self, arguments: Mapping[str, object], facts: Facts, tool: str, effect: str) -> bool:
        """Return whether the expression is exactly true. Raises ValueError for anything that cannot be evaluated."""
        values: dict[str, object] = {"args": arguments, "tool": {"name": tool, "effect": effect}, **facts.variables}
        for path in self.paths:
            _require(values, path, self.guarded)
        if self._walks and more_than(MAX_WALKED, arguments):
            raise ValueError(f"it walks over arguments of more than {MAX_WALKED} parts")
        try:
            answer: object = self._program.execute({name: values[name] for name in self._variables})
        except (TypeError, RuntimeError, LookupError, ValueError, ArithmeticError) as error:
            raise ValueError(first_line(error)) from error
        if not isinstance(answer, bool):
            raise ValueError(f"it gives {type(answer).__name__}, not true or false")  # noqa: TRY004 - one type of refusal
        return answer


def _require(values: Mapping[str, object], path: Path, guarded: frozenset[Path]) -> None:
    """Raise ValueError when something that the expression looks at is not there, and it did not ask."""
    found = walk(values, path).found
    if found < len(path) and path[: found + 1] not in guarded:
        raise ValueError(f"there is no {'.'.join(path[: found + 1])}")


def _paths(blanked: str) -> tuple[Path, ...]:
    """Return every path of names that stands in an expression; the last name of `args.name.startsWith(` is no field."""
    found: dict[Path, None] = {}
    for match in _PATH.finditer(blanked):
        path = (match[1], *_split(match[2].lstrip(" .")))
        if match[3] is not None:
            path = path[:-1]
        if len(path) > 1:
            found[path] = None
    return tuple(found)


def _split(dotted: str) -> Path:
    return tuple(part.strip() for part in dotted.split("."))


def _require_flat(blanked: str) -> None:
    """Refuse a comprehension inside another: two take the square of the time, three its cube. And one that grows."""
    for match in _MACRO.finditer(blanked):
        if "map" in match[0]:
            raise ValueError("map, which makes more of the arguments than they are; ask with exists or all")
        depth, at = 1, match.end()
        while at < len(blanked) and depth:
            depth += (blanked[at] in "([{") - (blanked[at] in ")]}")
            at += 1
        if _MACRO.search(blanked, match.end(), at):
            raise ValueError("a comprehension inside another")


def _require_literal_patterns(text: str, blanked: str) -> None:
    """Refuse a pattern that a caller could choose, and one that does not compile."""
    for match in _MATCHES.finditer(blanked):
        literal = _QUOTED.match(text, match.end())
        if literal is None:
            raise ValueError("matches(…) without its pattern as a text in the expression")
        try:
            parsed(f"''.matches({literal[0]})").execute({})
        except (TypeError, RuntimeError, LookupError, ValueError, ArithmeticError) as error:
            raise ValueError(f"the pattern {literal[0]}: {first_line(error)}") from error
