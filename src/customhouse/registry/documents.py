# SPDX-License-Identifier: Apache-2.0
"""The five documents of a release together, to and from their canonical bytes."""

from dataclasses import dataclass
from typing import cast

import msgspec

from customhouse.domain.digest import Digest, canonical, digest_bytes
from customhouse.domain.plane import PLANES, Plane
from customhouse.planes.model.document import Document as ModelDocument
from customhouse.planes.prompt.document import Document as PromptDocument
from customhouse.planes.retrieval.document import Document as RetrievalDocument
from customhouse.planes.safety.document import Document as SafetyDocument
from customhouse.planes.tools.document import Document as ToolsDocument

PlaneDocument = ModelDocument | PromptDocument | ToolsDocument | RetrievalDocument | SafetyDocument


@dataclass(frozen=True, slots=True)
class Documents:
    """One document for each plane: what a release publishes and what a snapshot has in force."""

    model: ModelDocument
    prompt: PromptDocument
    tools: ToolsDocument
    retrieval: RetrievalDocument
    safety: SafetyDocument

    def of(self, plane: Plane) -> PlaneDocument:
        """Return the document of `plane`."""
        match plane:
            case Plane.MODEL:
                return self.model
            case Plane.PROMPT:
                return self.prompt
            case Plane.TOOLS:
                return self.tools
            case Plane.RETRIEVAL:
                return self.retrieval
            case Plane.SAFETY:
                return self.safety

    def encoded(self) -> dict[Plane, bytes]:
        """Return the canonical bytes of each document; raises ValueError as `canonical`."""
        return {plane: encode(self.of(plane)) for plane in PLANES}

    def digests(self) -> dict[Plane, Digest]:
        """Return the digest of each document."""
        return {plane: digest_bytes(content) for plane, content in self.encoded().items()}


def encode(document: PlaneDocument) -> bytes:
    """Return a document's canonical bytes; raises ValueError as `canonical`."""
    return canonical(plain(document))


def plain(value: object) -> object:
    """Return a struct as plain data without the fields that have their default value, at every depth.

    Defaults are compared by value: msgspec's own `omit_defaults` goes by identity, so that two equal documents could
    have two digests. A field that is added later with a default changes no digest either.
    """
    if isinstance(value, msgspec.Struct):
        fields = ((field, getattr(value, field.name)) for field in msgspec.structs.fields(value))
        return {field.encode_name: plain(item) for field, item in fields if item != _default(field)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in cast("dict[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in cast("list[object] | tuple[object, ...]", value)]
    return msgspec.to_builtins(value)


def _default(field: msgspec.structs.FieldInfo) -> object:
    """Return a field's default value, or NODEFAULT, which equals nothing that a field can hold."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def decode(contents: dict[Plane, bytes]) -> Documents:
    """Read five documents strictly; raises msgspec.ValidationError with the path of what is wrong."""
    return Documents(
        model=msgspec.json.decode(contents[Plane.MODEL], type=ModelDocument),
        prompt=msgspec.json.decode(contents[Plane.PROMPT], type=PromptDocument),
        tools=msgspec.json.decode(contents[Plane.TOOLS], type=ToolsDocument),
        retrieval=msgspec.json.decode(contents[Plane.RETRIEVAL], type=RetrievalDocument),
        safety=msgspec.json.decode(contents[Plane.SAFETY], type=SafetyDocument),
    )
