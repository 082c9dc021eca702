# SPDX-License-Identifier: Apache-2.0
"""What a prompt version releases: a template, its typed variables, and what it needs from other planes by name."""

from typing import Literal

import msgspec

VariableType = Literal["string", "integer", "boolean"]


class Variable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One typed variable. A variable without default is required; `max_length` bounds strings, in characters."""

    type: VariableType = "string"
    default: str | int | bool | None = None
    max_length: int = 200
    choices: tuple[str, ...] = ()
    description: str | None = None


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The content of one prompt version. `template` is Jinja2, restricted to variables, `if` and `for`."""

    template: str
    source: str
    variables: dict[str, Variable] = {}
    requires_tools: tuple[str, ...] = ()
    requires_features: tuple[str, ...] = ()
    description: str | None = None
