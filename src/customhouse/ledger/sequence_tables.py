# SPDX-License-Identifier: Apache-2.0
"""The sequencer's SQL: the only file that names its queries. PostgreSQL alone has them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from customhouse.domain.errors import IntegrityFailed
from customhouse.ledger.tables import Head
from customhouse.store.database import Transaction, Value


class Staged(NamedTuple):
    """A record that waits for its place."""

    seq: int
    tenant: str
    trace_id: str
    canonical: bytes


class Place(NamedTuple):
    """Where a staged record stands in its log."""

    seq: int
    position: int
    leaf_hash: bytes
    link_hash: bytes


class Term(NamedTuple):
    """Who leads, since when. Epoch 0: nobody was elected yet."""

    epoch: int
    replica: str
    since_us: int


class Backlog(NamedTuple):
    """How many records wait for their places, and the id of the oldest, which tells its time."""

    records: int
    oldest: str | None


def begin_term(tx: Transaction, replica: str, now_us: int) -> int:
    """Begin a term and return its epoch. Only who holds the lock of the leader may."""
    row = tx.row("sequencer_elect", replica=replica, now_us=now_us)
    if row is None:
        raise IntegrityFailed("the sequencer's row is missing; restore the database from a backup")
    epoch = cast("int", row[0])
    tx.run("sequencer_term_insert", epoch=epoch, replica=replica, now_us=now_us)
    return epoch


def holds_term(tx: Transaction, epoch: int) -> bool:
    """Whether the term of `epoch` is still the newest; if so, it stays so until this transaction ends."""
    return tx.row("sequencer_fence", epoch=epoch) is not None


def term(tx: Transaction) -> Term:
    """Return who leads."""
    row = tx.row("sequencer_get")
    return Term(0, "", 0) if row is None else Term(*cast("tuple[int, str, int]", row))


def staged(tx: Transaction, limit: int) -> tuple[Staged, ...]:
    """Return the records that wait longest, in the order of their staging."""
    rows = tx.rows("staged_take", limit=limit)
    return tuple(Staged(*cast("tuple[int, str, str, bytes]", row)) for row in rows)


def backlog(tx: Transaction) -> Backlog:
    """Return what waits. Cost: grows with the backlog, which is small while a leader works."""
    row = tx.row("staged_backlog")
    return Backlog(0, None) if row is None else Backlog(*cast("tuple[int, str | None]", row))


def place(tx: Transaction, places: Sequence[Place]) -> bool:
    """Move staged records to their places; return whether all of them were still staged."""
    rows: list[Mapping[str, Value]] = [
        {"seq": each.seq, "position": each.position, "leaf_hash": each.leaf_hash, "link_hash": each.link_hash}
        for each in places
    ]
    return tx.run_many("evidence_place", rows) == len(rows)


def advance(tx: Transaction, before: Mapping[str, Head], after: Sequence[Head]) -> bool:
    """Move the heads of several logs; return whether all of them were where they were expected."""
    moved: list[Mapping[str, Value]] = [
        {
            "log": head.tenant,
            "size": head.size,
            "hash": head.hash,
            "expected_size": before[head.tenant].size,
            "expected_hash": before[head.tenant].hash,
        }
        for head in after
        if head.tenant in before
    ]
    started = [head for head in after if head.tenant not in before]
    tx.run_many("chain_heads_start", [{"log": head.tenant, "size": head.size, "hash": head.hash} for head in started])
    return tx.run_many("chain_heads_advance", moved) == len(moved)


def ensure_days(tx: Transaction, first: int, last: int) -> int:
    """Make the partitions of days (in days since 1970); return how many were made."""
    row = tx.row("partitions_ensure", first=first, last=last)
    return 0 if row is None else cast("int", row[0])


def drop_payloads(tx: Transaction, before: int) -> tuple[str, ...]:
    """Drop the payloads of whole days before a day; return the days as YYYYMMDD."""
    return tuple(cast("str", row[0]) for row in tx.rows("payloads_drop", before=before))


def now_us(tx: Transaction) -> int:
    """Return the server's time."""
    row = tx.row("now_us")
    return 0 if row is None else cast("int", row[0])
