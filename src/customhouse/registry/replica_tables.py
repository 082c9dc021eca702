# SPDX-License-Identifier: Apache-2.0
"""The SQL of replicas and acknowledgements: the only file that names its queries."""

from collections.abc import Mapping
from typing import cast

import msgspec

from customhouse.registry.replica import Replica, State
from customhouse.store.database import Transaction, Value

_state = msgspec.json.Decoder(State)
_UNKNOWN = State(stale_refuse_s=30, ledger="unknown", turns=0)


def now_us(tx: Transaction) -> int:
    """Return the database's time."""
    row = tx.row("now_us")
    return 0 if row is None else cast("int", row[0])


def put(tx: Transaction, replica_id: str, name: str, version: str, started_at_us: int, state: State) -> None:
    """Say that a replica runs now."""
    tx.run(
        "replica_put",
        id=replica_id,
        name=name,
        version=version,
        started_at_us=started_at_us,
        now_us=now_us(tx),
        state=msgspec.json.encode(state).decode(),
    )


def acknowledge(tx: Transaction, replica_id: str, generations: Mapping[str, int]) -> None:
    """Say what a replica has in force."""
    at_us = now_us(tx)
    rows: list[Mapping[str, Value]] = [
        {"replica": replica_id, "name": name, "generation": generation, "now_us": at_us}
        for name, generation in generations.items()
    ]
    tx.run_many("acknowledgement_put", rows)


def end(tx: Transaction, replica_id: str, state: State) -> None:
    """Say that a replica stopped in order, and in which state."""
    tx.run("replica_end", id=replica_id, now_us=now_us(tx), state=msgspec.json.encode(state).decode())


def replicas(tx: Transaction) -> tuple[Replica, ...]:
    """Return every replica that is known, in order of name."""
    generations: dict[str, dict[str, int]] = {}
    applied: dict[str, dict[str, int]] = {}
    for replica, name, generation, at_us in cast("list[tuple[str, str, int, int]]", tx.rows("acknowledgements")):
        generations.setdefault(replica, {})[name] = generation
        applied.setdefault(replica, {})[name] = at_us
    rows = cast("list[tuple[str, str, str, int, int, int | None, str]]", tx.rows("replicas"))
    return tuple(Replica(*row[:6], _read(row[6]), generations.get(row[0], {}), applied.get(row[0], {})) for row in rows)


def generations(tx: Transaction) -> dict[str, int]:
    """Return the newest generation of every environment, of switches, and of keys and people (`access`)."""
    return dict(cast("list[tuple[str, int]]", tx.rows("generations")))


def forget(tx: Transaction, before_us: int) -> int:
    """Forget replicas that were not heard of since `before_us`; return how many."""
    tx.run("acknowledgements_forget", before_us=before_us)
    return tx.run("replicas_forget", before_us=before_us)


def _read(content: str) -> State:
    try:
        return _state.decode(content)
    except msgspec.MsgspecError:
        return _UNKNOWN  # written by another version: what it says of itself is not needed to wait for it
