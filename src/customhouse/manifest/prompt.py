# SPDX-License-Identifier: Apache-2.0
"""A prompt file: YAML front matter between two lines of `---`, then a template.

The front matter declares typed variables and what the prompt needs of other planes; the template may use only these
variables (`planes/prompt/template.py`). Lines of errors are lines of the file.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from customhouse.manifest.files import Source
from customhouse.manifest.nodes import Allowance, parse
from customhouse.manifest.problem import Place, Problems
from customhouse.manifest.reading import Invalid, Places, Reader
from customhouse.manifest.words import Feature, Text, ToolName, VariableName
from customhouse.planes.prompt.document import VariableType
from customhouse.planes.prompt.template import template_problems

FENCE: Final = "---"
MAX_LENGTH: Final = 20_000


class Variable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One typed variable; without a default, every request must send it. Lengths are in characters."""

    type: VariableType = "string"
    default: str | int | bool | None = None
    max_length: Annotated[int, Meta(ge=1, le=MAX_LENGTH, extra={"expected": f"a whole number to {MAX_LENGTH}"})] = 200
    choices: tuple[Text, ...] = ()
    description: Text | None = None


class FrontMatter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What stands before the template."""

    description: Text | None = None
    variables: dict[VariableName, Variable] = msgspec.field(default_factory=dict[str, Variable])
    tools: tuple[ToolName, ...] = ()
    features: tuple[Feature, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt file."""

    path: str
    head: FrontMatter
    template: str


def read_prompt(source: Source, problems: Problems, places: Places, allowance: Allowance) -> Prompt | None:
    """Return the prompt in a file, or None when something is wrong with it (then `problems` says what)."""
    lines = source.text.splitlines(keepends=True)
    head, first = FrontMatter(), 0
    if lines and lines[0].rstrip() == FENCE:
        end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == FENCE), None)
        if end is None:
            problems.add(Place(source.path, 1), "front matter without an end", f"a line {FENCE!r} after it")
            return None
        node = parse("".join(lines[1:end]), source.path, problems, allowance, first_line=2)
        first = end + 1
        if node is not None:
            try:
                head = Reader(source.path, problems, places).read(node, FrontMatter, ("prompts", source.path))
            except Invalid:
                return None
    places[("prompts", source.path)] = Place(source.path, 1)
    template = "".join(lines[first:]).strip("\r\n")
    skipped = first + sum(1 for _ in _blank(lines[first:]))
    declared = f"declared variables ({', '.join(head.variables) or 'there are none'}), if, for over a list"
    for problem in template_problems(template, head.variables):
        problems.add(Place(source.path, problem.line + skipped), problem.text, declared)
    for name, variable in head.variables.items():
        _check_default(name, variable, places[("prompts", source.path, "variables", name)], problems)
    return Prompt(source.path, head, template)


def _blank(lines: list[str]) -> "list[str]":
    """Return the lines that `strip` takes off the beginning of the template."""
    count = next((number for number, line in enumerate(lines) if line.strip("\r\n")), 0)
    return lines[:count]


def _check_default(name: str, variable: Variable, place: Place, problems: Problems) -> None:
    default = variable.default
    kinds = {"string": str, "integer": int, "boolean": bool}
    if variable.choices and variable.type != "string":
        problems.add(place, f"choices for the {variable.type} {name}", "choices for a string only")
    if default is None:
        return
    if type(default) is not kinds[variable.type]:
        found = next(kind for kind, python in kinds.items() if type(default) is python)
        problems.add(place, f"a default of {name} of type {found}", f"one of type {variable.type}")
    elif isinstance(default, str) and len(default) > variable.max_length:
        problems.add(place, f"a default of {len(default)} characters", f"at most max_length, {variable.max_length}")
    elif variable.choices and default not in variable.choices:
        problems.add(place, f"a default of {name} that is no choice", f"one of {', '.join(variable.choices)}")
