# SPDX-License-Identifier: Apache-2.0
"""What is in force now, in memory, verified: where a turn gets its snapshot and the switches from.

Rules kept:
- All pins and switches are read in one transaction and swapped in by one assignment, so that no turn sees a mixture
  (invariant 3).
- Every version in force is verified when it is loaded (registry/load.py). An assistant that fails is absent, and so
  refused, alone; the reason is kept for /readyz. It is tried again whenever anything moves.
- A refresh that finds nothing moved costs one query of a few rows. When the database does not answer, the last state
  stays in force and its age grows; nothing here decides how old is too old. No step of the wall clock changes an age.
- A switch that cannot be read fails the refresh: the state ages, and turns are refused, rather than one denial skipped.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, NamedTuple, cast

from customhouse.domain.digest import Digest
from customhouse.domain.errors import IntegrityFailed
from customhouse.domain.plane import PLANES, Plane
from customhouse.registry import history_tables, load, switch_tables, tables
from customhouse.registry.charter import Charter
from customhouse.registry.control import Control
from customhouse.registry.environment import ENVIRONMENTS
from customhouse.registry.pins import Pin, Pins, stamp
from customhouse.registry.release import Signed, Statement
from customhouse.registry.snapshot import PinnedVersion, Snapshot, snapshot_digest
from customhouse.registry.switches import NONE, Switches, narrowing
from customhouse.registry.tables import PinRow
from customhouse.store.database import Row, Transaction

Key = tuple[str, str]
"""Environment and assistant."""

SWITCHES: Final = "switches"
"""The name of the switches' generation beside those of the environments."""
_NOTHING: Final[tuple[Row, ...]] = ()


@dataclass(frozen=True, slots=True)
class _State:
    """All that readers see, exchanged as one value."""

    mark: tuple[Row, ...]
    snapshots: Mapping[Key, Snapshot]
    refused: Mapping[Key, str]
    switches: Switches


class View(NamedTuple):
    """What a turn sees of one state. `snapshot` is None when nothing verified is in force, `age_s` before a refresh."""

    snapshot: Snapshot | None
    switches: Switches
    age_s: float | None


@dataclass(frozen=True, slots=True)
class _Read:
    """What one transaction read. `statements` and `documents` are only those of assistants that moved."""

    mark: tuple[Row, ...]
    generations: Mapping[str, int]
    switches: Switches
    pins: Mapping[Key, tuple[PinRow, ...]]
    charters: Mapping[str, tuple[int, bytes]]
    newest: Mapping[Key, bytes]
    kept: frozenset[Key]
    releases: Mapping[tuple[str, int], Signed | None]
    documents: Mapping[tuple[str, Plane, Digest], bytes | None]


class Current:
    """The snapshots in force. Invariant: what `get` returns was verified, whole, and belongs to one generation."""

    def __init__(self, control: Control) -> None:
        """Start with nothing in force; the first `refresh` loads."""
        self._control = control
        self._state = _State(_NOTHING, MappingProxyType({}), MappingProxyType({}), NONE)
        self._refreshed_at_us: int | None = None
        # Protects the order of refreshes: what was read earlier never replaces what was read later.
        self._one_at_a_time = asyncio.Lock()

    def get(self, environment: str, assistant: str) -> Snapshot | None:
        """Return what is in force, or None when nothing (verified) is."""
        return self._state.snapshots.get((environment, assistant))

    def view(self, environment: str, assistant: str) -> View:
        """Return what is in force for an assistant, the switches and how old both are: one state. Cost: 1 µs."""
        state, age_s = self._state, self.age_s
        return View(state.snapshots.get((environment, assistant)), state.switches, age_s)

    def generations(self) -> Mapping[str, int]:
        """Return the generation that is applied here, of each environment and of `switches`; 0 before the first."""
        found = dict.fromkeys((*ENVIRONMENTS, SWITCHES), 0)
        return {**found, **{str(name): cast("int", number) for name, number in self._state.mark if name}}

    @property
    def switches(self) -> Switches:
        """Return the switches that stand."""
        return self._state.switches

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return everything in force, in order of environment and assistant."""
        return tuple(self._state.snapshots[key] for key in sorted(self._state.snapshots))

    def assistants(self, environment: str) -> tuple[str, ...]:
        """Return the assistants that are in force in an environment."""
        return tuple(sorted(assistant for place, assistant in self._state.snapshots if place == environment))

    @property
    def refused(self) -> Mapping[Key, str]:
        """Return why assistants with pins are not in force, by environment and assistant."""
        return self._state.refused

    @property
    def age_s(self) -> float | None:
        """Return the seconds since the last refresh that reached the database, or None before the first."""
        if self._refreshed_at_us is None:
            return None
        return (self._control.clock.elapsed_us() - self._refreshed_at_us) / 1_000_000

    async def refresh(self) -> bool:
        """Load what moved; return whether anything did. Raises StoreUnavailable, leaving everything as it is."""
        async with self._one_at_a_time:
            started_us = self._control.clock.elapsed_us()
            before = self._state
            found = await self._control.database.read(lambda tx: _read(tx, before))
            if found is not None:
                self._state = _load(found, before, self._control.release_key.public_pem)
            self._refreshed_at_us = started_us
            return found is not None


def _read(tx: Transaction, before: _State) -> _Read | None:
    mark = tables.mark(tx)
    if before.mark == mark:
        return None
    rows: dict[Key, tuple[PinRow, ...]] = {}
    for row in tables.pins_in_force(tx):
        key = (row.environment, row.assistant)
        rows[key] = (*rows.get(key, ()), row)
    charters = tables.charters(tx)
    kept = frozenset(key for key, pins in rows.items() if _unmoved(before.snapshots.get(key), pins, charters))
    moved = [row for key, pins in rows.items() if key not in kept for row in pins]
    numbers = {(row.assistant, number) for row in moved for number in (row.release_number, row.base) if number}
    documents = {(row.assistant, plane, row.digest) for row in moved for plane in PLANES if plane.value == row.plane}
    return _Read(
        mark=mark,
        generations={name: entry.generation for name, entry in tables.environments(tx).items()},
        switches=switch_tables.switches(tx),
        pins=rows,
        charters=charters,
        newest=history_tables.newest_events(tx),
        kept=kept,
        releases={key: tables.release(tx, *key) for key in numbers},
        documents={key: tables.version_document(tx, *key) for key in documents},
    )


def _unmoved(snapshot: Snapshot | None, pins: tuple[PinRow, ...], charters: Mapping[str, tuple[int, bytes]]) -> bool:
    if snapshot is None or charters.get(snapshot.assistant, (0, b""))[0] != snapshot.charter_number:
        return False
    if any(row.base != snapshot.release_number for row in pins):
        return False
    found = {row.plane: (row.digest, row.number, row.release_number) for row in pins}
    return found == {plane.value: tuple(version) for plane, version in snapshot.versions.items()}


def _load(found: _Read, before: _State, public_pem: str) -> _State:
    snapshots: dict[Key, Snapshot] = {}
    refused: dict[Key, str] = {}
    verified: dict[tuple[str, int], Statement | IntegrityFailed] = {}
    for key, signed in found.releases.items():
        try:
            if signed is not None:
                verified[key] = load.statement(signed, *key, public_pem)
        except IntegrityFailed as error:
            verified[key] = error
    for key, rows in found.pins.items():
        environment = key[0]
        try:
            if key in found.kept:
                snapshots[key] = _kept(before.snapshots[key], found.generations[environment], found.switches)
            else:
                snapshots[key] = _narrowed(_snapshot(key, rows, found, verified), found.switches)
        except IntegrityFailed as error:
            refused[key] = error.detail
    return _State(found.mark, MappingProxyType(snapshots), MappingProxyType(refused), found.switches)


def _kept(snapshot: Snapshot, generation: int, switches: Switches) -> Snapshot:
    """Return a snapshot whose pins did not move: the same object unless its environment or its switches did."""
    same = snapshot.generation == generation
    return _narrowed(snapshot if same else replace(snapshot, generation=generation), switches)


def _narrowed(snapshot: Snapshot, switches: Switches) -> Snapshot:
    documents = snapshot.documents
    concerned = narrowing(
        switches,
        assistant=snapshot.assistant,
        environment=snapshot.environment,
        tools=documents.tools.grants,
        deployments=((each.provider, each.label) for each in documents.model.deployments.values()),
    )
    if concerned == snapshot.switches:
        return snapshot
    digests = {plane: version.digest for plane, version in snapshot.versions.items()}
    return replace(snapshot, switches=concerned, digest=snapshot_digest(digests, concerned))


def _snapshot(
    key: Key,
    rows: tuple[PinRow, ...],
    found: _Read,
    verified: Mapping[tuple[str, int], Statement | IntegrityFailed],
) -> Snapshot:
    environment, assistant = key
    by_plane = {row.plane: row for row in rows}
    base = rows[0].base
    if base is None or set(by_plane) != {plane.value for plane in PLANES} or environment not in found.generations:
        raise IntegrityFailed(f"the pins of {assistant} in {environment} are incomplete")
    pinned = {plane: by_plane[plane.value] for plane in PLANES}
    pins = Pins(base, {plane: Pin(row.digest, row.release_number) for plane, row in pinned.items()})
    statements: dict[int, Statement] = {}
    for number in {base, *(row.release_number for row in rows)}:
        statement = verified.get((assistant, number))
        if isinstance(statement, IntegrityFailed):
            raise statement
        if statement is not None:
            statements[number] = statement
    load.check_pins(assistant, pins, statements)
    load.check_history(assistant, environment, pins, found.newest.get(key))
    contents = {plane: found.documents[assistant, plane, row.digest] for plane, row in pinned.items()}
    documents = load.documents(assistant, pins.digests(), contents)
    if assistant not in found.charters:
        raise IntegrityFailed(f"{assistant} has no charter")
    charter_number, charter = found.charters[assistant]
    return Snapshot(
        environment=environment,
        assistant=assistant,
        documents=documents,
        versions=MappingProxyType(
            {plane: PinnedVersion(row.digest, row.number or 0, row.release_number) for plane, row in pinned.items()}
        ),
        stamp=stamp(assistant, pins),
        digest=snapshot_digest(pins.digests()),
        generation=found.generations[environment],
        charter=tables.stored(charter, Charter, f"the charter of {assistant}"),
        charter_number=charter_number,
        release_number=base,
    )
