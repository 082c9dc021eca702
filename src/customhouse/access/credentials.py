# SPDX-License-Identifier: Apache-2.0
"""The keys and people that a running server recognises, in memory.

Rules:
- Looked up by the SHA-256 of the whole token. An attacker cannot steer a SHA-256 towards a stored one byte by byte, so
  the dictionary's comparison tells him nothing.
- A change of keys or people moves `access_generation` in its own transaction; the next `refresh` sees it.
- Fail closed: when the database has not confirmed the table for `stale_after_s`, nobody is recognised and the caller
  gets ReplicaStale. No step of the wall clock makes a table younger.

Story: Dana revokes a leaked key while the database's disk hangs on one replica. Without the bound that replica would go
on accepting the key for as long as the disk hangs.
"""

from dataclasses import dataclass

from customhouse.access import tables, token
from customhouse.domain.clock import Clock
from customhouse.domain.errors import ReplicaStale
from customhouse.domain.principal import Actor
from customhouse.store.database import Database, Transaction


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A data-plane key and everything it may ever do; no verb widens it."""

    id: str
    assistant: str
    environment: str
    tenants: tuple[str, ...]
    delegate: tuple[str, ...]
    created_by: str
    workflow: str | None = None

    def may_act_for(self, subject: str) -> bool:
        """Return whether the key was created with a grant for `subject`: exact, or a prefix ending in `*`."""
        return any(
            subject.startswith(grant[:-1]) and len(subject) >= len(grant) if grant.endswith("*") else subject == grant
            for grant in self.delegate
        )


@dataclass(frozen=True, slots=True)
class _Table:
    generation: int
    confirmed_at_us: int | None
    keys: dict[bytes, ApiKey]
    people: dict[bytes, Actor]


class Credentials:
    """Who is recognised. Invariant: one attribute holds the whole table, so that no reader sees half of a change."""

    def __init__(self, database: Database, clock: Clock, *, stale_after_s: float) -> None:
        """Start with nobody; the first `refresh` loads. A table is trusted for `stale_after_s` after its last one."""
        self._database = database
        self._clock = clock
        self._stale_after_s = stale_after_s
        self._table = _Table(generation=-1, confirmed_at_us=None, keys={}, people={})

    @property
    def generation(self) -> int:
        """Return which generation of keys and people is recognised here; -1 before the first refresh."""
        return self._table.generation

    @property
    def age_s(self) -> float | None:
        """Return the seconds since the database last confirmed the table, or None before the first time."""
        confirmed_at_us = self._table.confirmed_at_us
        return None if confirmed_at_us is None else (self._clock.elapsed_us() - confirmed_at_us) / 1_000_000

    async def refresh(self) -> bool:
        """Load keys and people if they changed; return whether they did. Cost: one tiny query when nothing did.

        Raises StoreUnavailable; the table then stays, until it is too old.
        """
        started_us = self._clock.elapsed_us()
        known = self._table.generation
        loaded = await self._database.read(lambda tx: _load(tx, known, started_us))
        if loaded is not None and loaded.generation > self._table.generation:
            self._table = loaded
            return True
        current = self._table
        if current.confirmed_at_us is None or started_us > current.confirmed_at_us:
            self._table = _Table(current.generation, started_us, current.keys, current.people)
        return False

    def key(self, presented: str) -> ApiKey | None:
        """Return the data-plane key of this token, or None. Raises ReplicaStale when the table is."""
        return self._fresh().keys.get(token.digest(presented)) if token.shaped(presented, "chk_") else None

    def person(self, presented: str) -> Actor | None:
        """Return the person of this operator token, or None. Raises ReplicaStale when the table is."""
        return self._fresh().people.get(token.digest(presented)) if token.shaped(presented, "cho_") else None

    def person_of(self, key_hash: bytes) -> Actor | None:
        """Return the person whose operator key has this hash, or None. Raises ReplicaStale when the table is."""
        return self._fresh().people.get(key_hash)

    @property
    def tenants(self) -> frozenset[str]:
        """Return the tenants that keys name. Raises ReplicaStale."""
        return frozenset(tenant for key in self._fresh().keys.values() for tenant in key.tenants)

    def tenants_of(self, environment: str, assistant: str) -> frozenset[str]:
        """Return the tenants that the keys of an assistant in an environment name. Raises ReplicaStale."""
        keys = self._fresh().keys.values()
        return frozenset(
            tenant
            for key in keys
            if (key.environment, key.assistant) == (environment, assistant)
            for tenant in key.tenants
        )

    def _fresh(self) -> _Table:
        table = self._table
        oldest_us = self._clock.elapsed_us() - self._stale_after_s * 1_000_000
        if table.confirmed_at_us is None or table.confirmed_at_us < oldest_us:
            raise ReplicaStale("keys could not be confirmed with the database; nobody is recognised until they are")
        return table


def _load(tx: Transaction, known: int, now_us: int) -> _Table | None:
    generation = tables.generation(tx)
    if generation == known:
        return None
    return _Table(
        generation,
        now_us,
        {
            row.key_hash: ApiKey(
                row.id, row.assistant, row.environment, row.tenants, row.delegate, row.created_by, row.workflow
            )
            for row in tables.active_keys(tx)
        },
        {row.key_hash: Actor(row.email, "person", frozenset(row.roles)) for row in tables.active_people(tx)},
    )
