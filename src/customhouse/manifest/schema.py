# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of manifest files and of prompts' front matter, for editors; made of the structs that read them."""

import json
from typing import Any, Final, cast

import msgspec

from customhouse.manifest.manifest import Declarations
from customhouse.manifest.prompt import FrontMatter

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def manifest_schema() -> dict[str, Any]:
    """Return the schema of a manifest file."""
    return _schema("Customhouse manifest", Declarations)


def front_matter_schema() -> dict[str, Any]:
    """Return the schema of a prompt's front matter."""
    return _schema("Customhouse prompt", FrontMatter)


def _schema(title: str, kind: type) -> dict[str, Any]:
    return {"$schema": DIALECT, "title": title, **_finished(msgspec.json.schema(kind))}


def _finished(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return JSON with decimals as editors see them, and alternatives sorted.

    Python's typing keeps the members of a union in an order that depends on imports.
    """
    if isinstance(value, dict):
        members = {key: _finished(item) for key, item in cast("dict[str, Any]", value).items()}
        if members.pop("decimal", False):  # text for the loader, a number for whoever writes it
            members["type"] = ["number", "string"]
        if "anyOf" in members:
            members["anyOf"] = sorted(members["anyOf"], key=lambda item: json.dumps(item, sort_keys=True))
        return members
    if isinstance(value, list | tuple):
        return [_finished(item) for item in cast("list[Any]", value)]
    return value
