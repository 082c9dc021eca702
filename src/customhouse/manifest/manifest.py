# SPDX-License-Identifier: Apache-2.0
"""The manifest as a value: what one file may hold, and what all files hold together."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from customhouse.manifest.assistant import Assistant
from customhouse.manifest.copilot import Copilot
from customhouse.manifest.organization import Organization, Person, Reviewers
from customhouse.manifest.policy import Policy
from customhouse.manifest.policy_case import PolicyCase
from customhouse.manifest.prices import Table
from customhouse.manifest.problem import Place
from customhouse.manifest.prompt import Prompt
from customhouse.manifest.provider import Model, Provider
from customhouse.manifest.reading import Path as ValuePath
from customhouse.manifest.reading import Places
from customhouse.manifest.tool import Tool, ToolServer
from customhouse.manifest.words import Email, Name, Opaque, ToolName


class Declarations(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A manifest file of Customhouse: any of these sections, in any file of the directory; each name once."""

    organization: Organization | None = None
    providers: dict[Name, Provider] = msgspec.field(default_factory=dict[str, Provider])
    models: dict[Name, Model] = msgspec.field(default_factory=dict[str, Model])
    tool_servers: dict[Name, ToolServer] = msgspec.field(default_factory=dict[str, ToolServer])
    tools: dict[ToolName, Tool] = msgspec.field(default_factory=dict[str, Tool])
    people: dict[Email, Person] = msgspec.field(default_factory=dict[str, Person])
    groups: dict[Name, tuple[Email, ...]] = msgspec.field(default_factory=dict[str, tuple[str, ...]])
    assistants: dict[Name, Assistant] = msgspec.field(default_factory=dict[str, Assistant])
    assistant_policies: dict[Name, Policy] = msgspec.field(default_factory=dict[str, Policy])
    policy_cases: dict[Name, PolicyCase] = msgspec.field(default_factory=dict[str, PolicyCase])
    retrieval_sources: dict[Name, Opaque] = msgspec.field(default_factory=dict[str, Opaque])
    safety_policies: dict[Name, Opaque] = msgspec.field(default_factory=dict[str, Opaque])
    suites: dict[Name, Opaque] = msgspec.field(default_factory=dict[str, Opaque])
    on_call: dict[Name, Opaque] = msgspec.field(default_factory=dict[str, Opaque])
    copilots: dict[Name, Copilot] = msgspec.field(default_factory=dict[str, Copilot])


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files of a directory, merged, with the place of every value, and the price table they were read with."""

    directory: Path
    declared: Declarations
    prompts: dict[str, Prompt]
    places: Places
    prices: Table

    @property
    def reviewers(self) -> dict[str, int]:
        """Return how many reviewers each environment asks for."""
        organization = self.declared.organization
        asked = organization.reviewers if organization else Reviewers()
        return {"production": asked.production, "staging": asked.staging, "dev": asked.dev}

    @property
    def policy_only(self) -> tuple[str, ...]:
        """Return the names that have a policy and no assistant, sorted."""
        return tuple(sorted(self.declared.assistant_policies.keys() - self.declared.assistants.keys()))

    def policy(self, assistant: str) -> Policy:
        """Return the assistant's policy; without one nothing is allowed."""
        return self.declared.assistant_policies.get(assistant, Policy())

    def place(self, *path: str | int) -> Place:
        """Return where the value at `path` stands, or the nearest value around it that stands in a file."""
        return place_of(self.places, path)

    def names(self, section: str) -> frozenset[str]:
        """Return the names that the files give in a section, also those whose content was refused."""
        return declared_names(self.places, section)


def place_of(places: Places, path: ValuePath) -> Place:
    """Return the place of the value at `path`, or of the nearest value around it."""
    while path:
        if path in places:
            return places[path]
        path = path[:-1]
    return Place(".", 0)


def declared_names(places: Places, section: str) -> frozenset[str]:
    """Return the names that stand in a section."""
    return frozenset(str(path[1]) for path in places if len(path) == 2 and path[0] == section)  # noqa: PLR2004 - (section, name)
