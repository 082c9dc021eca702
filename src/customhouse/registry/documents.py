# SPDX-License-Identifier: Apache-2.0
"""The five documents of a release together, to and from their canonical bytes."""

from dataclasses import dataclass

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
    return canonical(msgspec.to_builtins(document))


def decode(contents: dict[Plane, bytes]) -> Documents:
    """Read five documents strictly; raises msgspec.ValidationError with the path of what is wrong."""
    return Documents(
        model=msgspec.json.decode(contents[Plane.MODEL], type=ModelDocument),
        prompt=msgspec.json.decode(contents[Plane.PROMPT], type=PromptDocument),
        tools=msgspec.json.decode(contents[Plane.TOOLS], type=ToolsDocument),
        retrieval=msgspec.json.decode(contents[Plane.RETRIEVAL], type=RetrievalDocument),
        safety=msgspec.json.decode(contents[Plane.SAFETY], type=SafetyDocument),
    )
