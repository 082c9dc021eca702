# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of manifest files and of prompts' front matter, for editors; made of the structs that read them."""

from typing import Any

import msgspec

from customhouse.manifest.manifest import Declarations
from customhouse.manifest.prompt import FrontMatter

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def manifest_schema() -> dict[str, Any]:
    """Return the schema of a manifest file."""
    return {"$schema": DIALECT, "title": "Customhouse manifest", **msgspec.json.schema(Declarations)}


def front_matter_schema() -> dict[str, Any]:
    """Return the schema of a prompt's front matter."""
    return {"$schema": DIALECT, "title": "Customhouse prompt", **msgspec.json.schema(FrontMatter)}
