# SPDX-License-Identifier: Apache-2.0
"""What a snapshot lets us compute once instead of in every turn: the compiled prompt and route, definitions, facts.

Kept for each assistant in force and rebuilt when its snapshot is another object; so there is at most one for each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from customhouse.domain.digest import Digest, digest
from customhouse.domain.errors import SnapshotUnavailable
from customhouse.domain.label import Classification, classification
from customhouse.domain.plane import Plane
from customhouse.domain.request import Number
from customhouse.gateway.definitions import Definitions
from customhouse.planes.model.embedding import embedding_route
from customhouse.planes.model.parameters import released
from customhouse.planes.model.select import Route
from customhouse.planes.prompt.render import Prompt
from customhouse.planes.tools.policy import Policy, compiled
from customhouse.planes.tools.unregistered import readings
from customhouse.registry.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Prepared:
    """A snapshot with everything derived from it alone."""

    snapshot: Snapshot
    prompt: Prompt
    route: Route
    embeddings: Route
    policy: Policy
    definitions: Definitions
    readings: frozenset[str]
    tool_digests: Mapping[str, Digest]
    floor: Classification
    versions: Mapping[str, str]
    numbers: Mapping[str, int]
    names: tuple[str, ...]
    sampling: Mapping[str, Number]


def prepare(snapshot: Snapshot) -> Prepared:
    """Compile a snapshot. Raises SnapshotUnavailable when a document cannot be put to work: then nothing is served."""
    documents = snapshot.documents
    floor = classification(documents.safety.input_classification)
    if floor is None:
        raise SnapshotUnavailable("the safety document names an unknown classification")
    undeclared = [name for name, grant in documents.tools.grants.items() if grant.effect == "undeclared"]
    if undeclared:
        raise SnapshotUnavailable(f"the tools document has tools without a declared effect: {', '.join(undeclared)}")
    try:
        prompt, route = Prompt(documents.prompt), Route(documents.model)
        embeddings = embedding_route(documents.model)
        sampling = released(documents.model.parameters)
    except ValueError as error:
        raise SnapshotUnavailable("a document in force cannot be compiled") from error
    return Prepared(
        snapshot=snapshot,
        prompt=prompt,
        route=route,
        embeddings=embeddings,
        policy=compiled(documents.tools),
        definitions=Definitions(documents.tools.grants),
        readings=readings(documents.tools.grants),
        tool_digests=MappingProxyType(
            {
                name: digest({"name": name, "description": grant.description, "parameters": grant.parameters})
                for name, grant in documents.tools.grants.items()
            }
        ),
        floor=floor,
        versions=MappingProxyType({plane.value: snapshot.versions[plane].digest for plane in Plane}),
        numbers=MappingProxyType({plane.value: snapshot.versions[plane].number for plane in Plane}),
        names=(snapshot.assistant, *documents.model.aliases),
        sampling=MappingProxyType(sampling),
    )


class Preparations:
    """The prepared snapshots in use, one for each environment and assistant."""

    def __init__(self) -> None:
        """Begin empty."""
        self._prepared: dict[tuple[str, str], Prepared] = {}

    def of(self, snapshot: Snapshot) -> Prepared:
        """Return the preparation of exactly this snapshot, making it on first use. Raises SnapshotUnavailable."""
        place = (snapshot.environment, snapshot.assistant)
        known = self._prepared.get(place)
        if known is not None and known.snapshot is snapshot:
            return known
        fresh = prepare(snapshot)
        self._prepared[place] = fresh
        return fresh
