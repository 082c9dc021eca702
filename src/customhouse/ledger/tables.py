# SPDX-License-Identifier: Apache-2.0
"""The ledger's SQL: the only file that names its queries. Evidence has an INSERT and SELECTs, nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from customhouse.ledger.chain import Link
from customhouse.ledger.entry import Leaf, storable
from customhouse.ledger.opening import Opening, number
from customhouse.store.database import Row, Transaction, Value

PAGE = 1000
"""Records read at once while a log is verified: bounds memory at about 8 MB."""


class Head(NamedTuple):
    """Where one log stands."""

    tenant: str
    size: int
    hash: bytes


class Place(NamedTuple):
    """Where a trace is: in which log, under which id."""

    log: str
    trace_id: str


class Stored(NamedTuple):
    """A record of a trace. Without a place yet (staged for the sequencer) it has neither position nor hashes."""

    position: int | None
    canonical: bytes
    leaf_hash: bytes | None
    link_hash: bytes | None


class StoredPayload(NamedTuple):
    """A sealed payload."""

    commitment: str
    kind: str
    sealed: bytes


class EvidenceRow(NamedTuple):
    """One record on its way into a log."""

    tenant: str
    trace_id: str
    id: str
    kind: str
    link: Link


def head(tx: Transaction, tenant: str) -> Head | None:
    """Return a log's head, or None before its first record."""
    row = tx.row("chain_head_get", tenant=tenant)
    return None if row is None else Head(tenant, cast("int", row[0]), cast("bytes", row[1]))


def heads(tx: Transaction) -> tuple[Head, ...]:
    """Return every log's head."""
    return tuple(Head(*cast("tuple[str, int, bytes]", row)) for row in tx.rows("chain_heads"))


def advance_head(tx: Transaction, before: Head | None, after: Head) -> bool:
    """Move a head by compare-and-set; return whether it was where it was expected."""
    if before is None:
        return tx.run("chain_head_start", tenant=after.tenant, size=after.size, hash=after.hash) == 1
    moved = tx.run(
        "chain_head_advance",
        tenant=after.tenant,
        size=after.size,
        hash=after.hash,
        expected_size=before.size,
        expected_hash=before.hash,
    )
    return moved == 1


def insert_records(tx: Transaction, rows: Sequence[EvidenceRow]) -> None:
    """Add records to their logs."""
    tx.put_many(
        "evidence_insert",
        [
            {
                "tenant": row.tenant,
                "position": row.link.position,
                "id": row.id,
                "trace_id": row.trace_id,
                "kind": row.kind,
                "canonical": row.link.canonical,
                "leaf_hash": row.link.leaf_hash,
                "link_hash": row.link.link_hash,
            }
            for row in rows
        ],
    )


def take_turn(tx: Transaction, replica: str) -> None:
    """Wait until no other transaction of `replica` adds evidence; none does until this one ends (PostgreSQL)."""
    tx.put_many("evidence_turn", [{"replica": replica}])


def stage(tx: Transaction, tenant: str, leaves: Sequence[Leaf]) -> None:
    """Keep records until the sequencer gives them their places (PostgreSQL)."""
    tx.put_many(
        "evidence_stage",
        [
            {
                "tenant": tenant,
                "id": leaf.entry.record.id,
                "trace_id": leaf.entry.record.trace_id,
                "kind": leaf.entry.record.kind,
                "canonical": leaf.canonical,
            }
            for leaf in leaves
        ],
    )


def attach(tx: Transaction, leaves: Sequence[Leaf], replica: str) -> None:
    """Store what belongs to records: sealed payloads, further ids, and which model calls `replica` has open now."""
    payloads: list[dict[str, Value]] = []
    references: list[dict[str, Value]] = []
    opened: dict[str | None, dict[str, Value]] = {}
    closed: list[dict[str, Value]] = []
    for leaf in leaves:
        entry = leaf.entry
        place: dict[str, Value] = {"tenant": entry.record.tenant, "trace_id": entry.record.trace_id}
        payloads += [
            {**place, "commitment": payload.commitment, "kind": payload.kind, "sealed": payload.content}
            for payload in entry.payloads
        ]
        references += [{**place, "name": storable(name)} for name in entry.references]
        call: dict[str, Value] = {"tenant": entry.record.tenant, "span_id": entry.record.span_id}
        if entry.opens:
            opened[entry.record.span_id] = {**call, "record": leaf.canonical, "replica": replica}
        # What begins and ends in the same transaction was never open for anybody.
        if entry.closes is not None and opened.pop(entry.closes, None) is None:
            closed.append({**call, "span_id": entry.closes})
    tx.put_many("payload_insert", payloads)
    tx.put_many("reference_insert", references)
    tx.put_many("open_call_insert", list(opened.values()))
    tx.put_many("open_call_close", closed)


def insert_opening(tx: Transaction, begun: Opening, replica: str) -> None:
    """Keep what a call of `replica` began with (SQLite)."""
    tx.run(
        "opening_insert",
        tenant=begun.tenant,
        number=number(begun.tenant, begun.span_id),
        trace_id=begun.trace_id,
        span_id=begun.span_id,
        replica=replica,
        leaves=begun.leaves,
        sealed=begun.sealed,
    )


def take_opening(tx: Transaction, tenant: str, span_id: str) -> Opening | None:
    """Take away what a call began with, whose records are written in this transaction (SQLite)."""
    row = tx.row("opening_take", tenant=tenant, number=number(tenant, span_id), span_id=span_id)
    return None if row is None else Opening(tenant, *cast("tuple[str, str, str, bytes]", row))


def take_openings(tx: Transaction, spans: frozenset[str] | None) -> list[tuple[Opening, str]]:
    """Take away what calls began with, in their order, with who has them open; all, or those of `spans` (SQLite)."""
    rows = cast("list[tuple[str, str, str, str, bytes, str]]", tx.rows("openings"))
    found = [(Opening(*row[:5]), row[5]) for row in rows if spans is None or row[2] in spans]
    for each, _ in found:
        tx.act_for(each.tenant)
        take_opening(tx, each.tenant, each.span_id)
    return found


def logs(tx: Transaction) -> tuple[str, ...]:
    """Return the name of every log that has a record."""
    return tuple(cast("str", row[0]) for row in tx.rows("logs"))


def records_of_traces(tx: Transaction, places: Sequence[Place]) -> list[tuple[Stored, ...]]:
    """Return the records of each trace, oldest first; those that have no place in the chain yet come last."""
    found = tx.rows_of_each("evidence_of_trace", [{"tenant": log, "trace_id": trace_id} for log, trace_id in places])
    return [
        tuple(Stored(*cast("tuple[int | None, bytes, bytes | None, bytes | None]", row)) for row in rows)
        for rows in found
    ]


def record_ids(tx: Transaction, tenant: str, trace_id: str) -> frozenset[str]:
    """Return the ids of a trace's records, also of those that have no place in the chain yet."""
    return frozenset(cast("str", row[0]) for row in tx.rows("evidence_ids_of_trace", tenant=tenant, trace_id=trace_id))


def record_ids_of_each(tx: Transaction, places: Sequence[Place]) -> list[frozenset[str]]:
    """Return the ids of each trace's records."""
    each: list[Mapping[str, Value]] = [{"tenant": log, "trace_id": trace_id} for log, trace_id in places]
    return [frozenset(cast("str", row[0]) for row in rows) for rows in tx.rows_of_each("evidence_ids_of_trace", each)]


def payloads_of_trace(tx: Transaction, tenant: str, trace_id: str) -> tuple[StoredPayload, ...]:
    """Return a trace's sealed payloads."""
    rows = tx.rows("payloads_of_trace", tenant=tenant, trace_id=trace_id)
    return tuple(StoredPayload(*cast("tuple[str, str, bytes]", row)) for row in rows)


def has_payloads_before(tx: Transaction, tenant: str, first_id: str) -> bool:
    """Whether a tenant has payloads of traces whose ids come before `first_id`."""
    return tx.row("payloads_before", tenant=tenant, before=first_id) is not None


def delete_payloads(tx: Transaction, tenant: str, first_id: str, limit: int) -> int:
    """Take away payloads of traces whose ids come before `first_id`, `limit` at most; return how many."""
    return tx.run("payload_expire", tenant=tenant, before=first_id, limit=limit)


def last_traces(tx: Transaction, logs: Sequence[str]) -> tuple[Place, ...]:
    """Return the newest turn of each log that has one."""
    return _places(logs, tx.rows_of_each("evidence_last_trace", [{"tenant": log} for log in logs]))


def traces_named(tx: Transaction, logs: Sequence[str], name: str) -> tuple[Place, ...]:
    """Return the traces known under `name`, in each log newest first, 20 at most."""
    return _places(logs, tx.rows_of_each("reference_find", [{"tenant": log, "name": name} for log in logs]))


def newest_named(tx: Transaction, log: str, names: Sequence[str]) -> list[str | None]:
    """Return the newest trace of one log that is known under each of `names`; one round trip."""
    found = tx.rows_of_each("reference_find", [{"tenant": log, "name": storable(name)} for name in names])
    return [cast("str", rows[0][0]) if rows else None for rows in found]


def first_traces_named(tx: Transaction, logs: Sequence[str], name: str) -> tuple[Place, ...]:
    """Return the traces known under `name`, in each log oldest first, 20 at most."""
    return _places(logs, tx.rows_of_each("reference_find_first", [{"tenant": log, "name": name} for log in logs]))


def _places(logs: Sequence[str], found: Sequence[list[Row]]) -> tuple[Place, ...]:
    return tuple(Place(log, cast("str", row[0])) for log, rows in zip(logs, found, strict=True) for row in rows)


def links(tx: Transaction, tenant: str) -> Iterator[Link]:
    """Read a whole log in order, a page at a time."""
    first = 0
    while page := tx.rows("evidence_page", tenant=tenant, first=first, limit=PAGE):
        for row in page:
            yield Link(*cast("tuple[int, bytes, bytes, bytes]", row))
        first = cast("int", page[-1][0]) + 1


def wrapped_key(tx: Transaction, tenant: str) -> bytes | None:
    """Return a tenant's wrapped key."""
    row = tx.row("tenant_key_get", tenant=tenant)
    return None if row is None else cast("bytes", row[0])


def insert_wrapped_key(tx: Transaction, tenant: str, wrapped: bytes, now_us: int) -> None:
    """Keep a tenant's first key; raises DuplicateRow when there is one."""
    tx.run("tenant_key_insert", tenant=tenant, wrapped=wrapped, now_us=now_us)


def close_calls(tx: Transaction, replica: str) -> tuple[tuple[str, str, bytes], ...]:
    """Close every call that `replica` has open; return their (tenant, span, model.called bytes), in order of calls."""
    rows = tx.rows("open_calls_take", replica=replica)
    return tuple(sorted(cast("list[tuple[str, str, bytes]]", [tuple(row) for row in rows]), key=lambda call: call[1]))


def close_call(tx: Transaction, replica: str, span_id: str) -> tuple[tuple[str, str, bytes], ...]:
    """Close one call of `replica`; return it likewise, or nothing when it has an outcome."""
    rows = tx.rows("open_call_take", replica=replica, span_id=span_id)
    return tuple(cast("list[tuple[str, str, bytes]]", [tuple(row) for row in rows]))


def replicas_with_open_calls(tx: Transaction) -> tuple[str, ...]:
    """Return who has calls open."""
    return tuple(cast("str", row[0]) for row in tx.rows("open_call_replicas"))
