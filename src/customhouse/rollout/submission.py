# SPDX-License-Identifier: Apache-2.0
"""What is submitted for a release and what comes back, as bytes from outside are decoded: strictly, bounded."""

from typing import Annotated

import msgspec

from customhouse.domain.digest import Digest
from customhouse.domain.plane import Plane
from customhouse.planes.model.document import Document as ModelDocument
from customhouse.planes.prompt.document import Document as PromptDocument
from customhouse.planes.retrieval.document import Document as RetrievalDocument
from customhouse.planes.safety.document import Document as SafetyDocument
from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.registry.charter import Charter
from customhouse.registry.documents import Documents
from customhouse.registry.environment import EnvironmentName
from customhouse.registry.release import Envelope
from customhouse.rollout.answer import Outcome, Waiting

# `(?![\s\S])` is the end of the text, for Python and for JSON Schema; `$` would let a line feed follow in Python.
AssistantName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(?![\s\S])")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
"""A reason: it is kept as evidence, whose records have 8 KB."""
Notes = Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
Commit = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?(?![\s\S])")]
ReleaseNumber = Annotated[int, msgspec.Meta(ge=1, le=999_999_999)]
Generation = Annotated[int, msgspec.Meta(ge=0, le=999_999_999)]
Reviewers = Annotated[int, msgspec.Meta(ge=0, le=5)]
"""More would let one captain lock an environment for everybody."""


class SubmittedDocuments(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The five documents, as the manifest compiles them."""

    model: ModelDocument
    prompt: PromptDocument
    tools: ToolsDocument
    retrieval: RetrievalDocument
    safety: SafetyDocument

    def together(self) -> Documents:
        """Return them as the registry holds them."""
        return Documents(
            model=self.model, prompt=self.prompt, tools=self.tools, retrieval=self.retrieval, safety=self.safety
        )


class Submission(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What somebody wants to release. `environment` None publishes without putting it into force."""

    assistant: AssistantName
    documents: SubmittedDocuments
    charter: Charter
    notes: Notes
    git_commit: Commit | None
    environment: EnvironmentName | None
    reviewers: dict[EnvironmentName, Reviewers] | None = None
    expected_generation: Generation | None = None


class PublishedVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One version of a release. `new` is False when the document did not change."""

    number: int
    digest: Digest
    new: bool


class Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A release as it was published. `outcome` is its move into the environment, `terms` a charter that waits."""

    release: Envelope
    digest: Digest
    versions: dict[Plane, PublishedVersion]
    outcome: Outcome | None = None
    terms: Waiting | None = None
