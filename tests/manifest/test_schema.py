# SPDX-License-Identifier: Apache-2.0
"""The schema that editors get says what the loader takes."""

from typing import Any

import msgspec

from customhouse.manifest.manifest import Declarations
from customhouse.manifest.schema import DIALECT, front_matter_schema, manifest_schema


def test_every_section_and_nothing_else() -> None:
    schema = manifest_schema()
    assert schema["$schema"] == DIALECT
    found = schema["$defs"]["Declarations"]
    assert set(found["properties"]) == {field.encode_name for field in msgspec.structs.fields(Declarations)}
    assert found["additionalProperties"] is False


def test_what_an_editor_offers() -> None:
    definitions: dict[str, Any] = manifest_schema()["$defs"]
    assert definitions["Tool"]["properties"]["effect"] == {
        "anyOf": [{"enum": ["irreversible", "read", "write"]}, {"type": "null"}],
        "default": None,
    }
    assert definitions["Assistant"]["required"] == ["owner", "on_call", "fallback"]
    assert definitions["Sum"]["properties"]["max"]["type"] == ["number", "string"]


def test_front_matter() -> None:
    properties = front_matter_schema()["$defs"]["FrontMatter"]["properties"]
    assert set(properties) == {"description", "variables", "tools", "features"}
