# SPDX-License-Identifier: Apache-2.0
"""The ledger's SQL: the only file that names its queries. Evidence has an INSERT and SELECTs, nothing else."""

from collections.abc import Iterator
from typing import NamedTuple, cast

from customhouse.ledger.chain import Link
from customhouse.store.database import Transaction

PAGE = 1000
"""Records read at once while a log is verified: bounds memory at about 8 MB."""


class Head(NamedTuple):
    """Where one log stands."""

    tenant: str
    size: int
    hash: bytes


class StoredPayload(NamedTuple):
    """A sealed payload."""

    commitment: str
    kind: str
    sealed: bytes


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


def insert_record(tx: Transaction, tenant: str, trace_id: str, record_id: str, kind: str, link: Link) -> None:
    """Add one record to a log."""
    tx.run(
        "evidence_insert",
        tenant=tenant,
        position=link.position,
        id=record_id,
        trace_id=trace_id,
        kind=kind,
        canonical=link.canonical,
        leaf_hash=link.leaf_hash,
        link_hash=link.link_hash,
    )


def insert_reference(tx: Transaction, tenant: str, name: str, trace_id: str) -> None:
    """Let a trace be found under `name`."""
    tx.run("reference_insert", tenant=tenant, name=name, trace_id=trace_id)


def insert_payload(tx: Transaction, tenant: str, trace_id: str, payload: StoredPayload) -> None:
    """Store a sealed payload."""
    tx.run(
        "payload_insert",
        tenant=tenant,
        trace_id=trace_id,
        commitment=payload.commitment,
        kind=payload.kind,
        sealed=payload.sealed,
    )


def records_of_trace(tx: Transaction, tenant: str, trace_id: str) -> tuple[Link, ...]:
    """Return a trace's records, oldest first."""
    rows = tx.rows("evidence_of_trace", tenant=tenant, trace_id=trace_id)
    return tuple(Link(*cast("tuple[int, bytes, bytes, bytes]", row)) for row in rows)


def payloads_of_trace(tx: Transaction, tenant: str, trace_id: str) -> tuple[StoredPayload, ...]:
    """Return a trace's sealed payloads."""
    rows = tx.rows("payloads_of_trace", tenant=tenant, trace_id=trace_id)
    return tuple(StoredPayload(*cast("tuple[str, str, bytes]", row)) for row in rows)


def last_trace(tx: Transaction, tenant: str) -> str | None:
    """Return the trace of a tenant's newest turn."""
    row = tx.row("evidence_last_trace", tenant=tenant)
    return None if row is None else cast("str", row[0])


def traces_named(tx: Transaction, tenant: str, name: str) -> tuple[str, ...]:
    """Return the traces known under `name`, newest first, 20 at most."""
    return tuple(cast("str", row[0]) for row in tx.rows("reference_find", tenant=tenant, name=name))


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


def open_call(tx: Transaction, tenant: str, span_id: str, record: bytes) -> None:
    """Note a model call that has begun."""
    tx.run("open_call_insert", tenant=tenant, span_id=span_id, record=record)


def close_call(tx: Transaction, tenant: str, span_id: str) -> None:
    """Forget an open call: its outcome is being recorded in this transaction."""
    tx.run("open_call_close", tenant=tenant, span_id=span_id)


def open_calls(tx: Transaction) -> tuple[tuple[str, str, bytes], ...]:
    """Return (tenant, span, model.called bytes) of every call without an outcome."""
    return tuple(cast("tuple[str, str, bytes]", row) for row in tx.rows("open_calls"))
