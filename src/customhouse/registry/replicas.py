# SPDX-License-Identifier: Apache-2.0
"""The answer of `replicas`: who runs, what each has in force, and what is newest."""

import msgspec

from customhouse.domain.clock import rfc3339
from customhouse.registry import replica_tables
from customhouse.registry.control import Control
from customhouse.registry.replica import Replica, live
from customhouse.store.database import Transaction


class ReplicaView(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One replica. `generations` is what it has acknowledged; `sequencer` is its epoch while it leads."""

    id: str
    name: str
    version: str
    live: bool
    started: str
    seen_ms_ago: int
    ended: str | None
    ledger: str
    turns: int
    sequencer: int | None
    generations: dict[str, int]
    applied: dict[str, str]


class Replicas(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every replica that is known, and the newest generations: of each environment, `switches` and `access`."""

    newest: dict[str, int]
    replicas: tuple[ReplicaView, ...]


class LedgerTrouble(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A live replica whose ledger is not `ok`: it is refusing, spooling or open (ledger/state.py)."""

    replica: str
    state: str


def troubles(found: tuple[Replica, ...], now_us: int, own_id: str, own_state: str) -> tuple[LedgerTrouble, ...]:
    """Return the live replicas whose evidence is not written as usual.

    They say so in their reports; the one that answers knows better of itself: a report is a row in the very database
    that takes nothing.
    """
    states = {each.id: (each.name, each.state.ledger) for each in found if live(each, now_us)}
    if own_state != "ok":
        name = next((each.name for each in found if each.id == own_id), "the server that answered")
        states[own_id] = (name, own_state)
    return tuple(LedgerTrouble(replica=name, state=state) for name, state in states.values() if state != "ok")


async def replicas(control: Control) -> Replicas:
    """Return who runs and what each has in force, at one moment of the database. Raises StoreUnavailable."""

    def work(tx: Transaction) -> Replicas:
        now_us, found = replica_tables.now_us(tx), replica_tables.replicas(tx)
        return Replicas(newest=replica_tables.generations(tx), replicas=views(found, now_us))

    return await control.database.read(work)


def views(found: tuple[Replica, ...], now_us: int) -> tuple[ReplicaView, ...]:
    """Return what is told of replicas. Of those that say they lead, the newest epoch's does; others were killed."""
    leads = max((each.state.sequencer or 0 for each in found), default=0)
    return tuple(_view(each, now_us, leads) for each in found)


def _view(found: Replica, now_us: int, leads: int) -> ReplicaView:
    running = live(found, now_us)
    return ReplicaView(
        id=found.id,
        name=found.name,
        version=found.version,
        live=running,
        started=rfc3339(found.started_at_us),
        seen_ms_ago=max(0, now_us - found.seen_at_us) // 1000,
        ended=None if found.ended_at_us is None else rfc3339(found.ended_at_us),
        ledger=found.state.ledger,
        turns=found.state.turns,
        sequencer=found.state.sequencer if running and found.state.sequencer == leads else None,
        generations=dict(found.generations),
        applied={name: rfc3339(at_us) for name, at_us in found.applied_at_us.items()},
    )
