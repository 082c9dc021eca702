# SPDX-License-Identifier: Apache-2.0
"""Rendering the registered prompt: a restricted Jinja2 template and typed variables, pure.

The template is compiled once for each snapshot. A template without variables is rendered then, so that a turn pays
nothing. Values are data: they are bounded, typed, and never read as template text.
"""

from collections.abc import Mapping
from typing import Final

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from customhouse.domain.errors import VariableInvalid
from customhouse.planes.prompt.document import Document, Variable
from customhouse.planes.prompt.template import check_template

MAX_PROMPT_CHARACTERS: Final = 64 * 1024
"""A rendered prompt above this is refused: it would fill most models' context."""

Value = str | int | bool


class Prompt:
    """One prompt version, ready to render."""

    __slots__ = ("_fixed", "_template", "_variables")

    def __init__(self, document: Document) -> None:
        """Compile the template. Raises ValueError when it is not within the allowed template language or the bound."""
        problems = check_template(document.template, document.variables)
        if problems:
            raise ValueError("; ".join(problems))
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - a prompt is not HTML
        self._template = environment.from_string(document.template)
        self._variables: Mapping[str, Variable] = document.variables
        try:
            self._fixed = None if document.variables else self._rendered({})
        except VariableInvalid as error:
            raise ValueError(error.detail) from error

    def render(self, given: Mapping[str, str]) -> str:
        """Return the system prompt for values given as strings. Raises VariableInvalid naming the variable."""
        if self._fixed is not None:
            return self._fixed
        values = {name: _value(name, variable, given.get(name)) for name, variable in self._variables.items()}
        return self._rendered(values)

    def _rendered(self, values: Mapping[str, Value]) -> str:
        try:
            text = self._template.render(values)
        except (TemplateError, TypeError) as error:  # TypeError: a text compared with a number
            raise VariableInvalid("the prompt template does not render with these variables") from error
        if len(text) > MAX_PROMPT_CHARACTERS:
            raise VariableInvalid(f"the rendered prompt has more than {MAX_PROMPT_CHARACTERS} characters")
        return text


def _value(name: str, variable: Variable, given: str | None) -> Value:
    place = f"metadata.{name}"
    if given is None:
        if variable.default is None:
            raise VariableInvalid(f"the prompt needs the variable {name} ({variable.type}) in metadata", param=place)
        return variable.default
    match variable.type:
        case "string":
            return _text(name, variable, given, place)
        case "integer":
            if not (given.isascii() and (digits := given.removeprefix("-")).isdecimal() and len(digits) <= 15):  # noqa: PLR2004 - 53 bits
                raise VariableInvalid(f"{name} must be an integer of at most 15 digits", param=place)
            return int(given)
        case "boolean":
            if given not in {"true", "false"}:
                raise VariableInvalid(f"{name} must be true or false", param=place)
            return given == "true"


def _text(name: str, variable: Variable, given: str, place: str) -> str:
    if len(given) > variable.max_length:
        raise VariableInvalid(
            f"{name} has {len(given)} characters, at most {variable.max_length} expected", param=place
        )
    if variable.choices and given not in variable.choices:
        raise VariableInvalid(f"{name} must be one of: {', '.join(variable.choices)}", param=place)
    if not given.isprintable():
        # Line breaks and control characters are how a value would pretend to be another line of the prompt.
        raise VariableInvalid(f"{name} holds line breaks or control characters", param=place)
    return given
