# SPDX-License-Identifier: Apache-2.0
"""The SQL of `customhouse fsck`: reading only, and none of the writer's queries for what the writer wrote."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeVar, cast

import msgspec

from customhouse.store.database import Row, Transaction

T = TypeVar("T")
LIMIT: Final = 20
"""Rows of one kind of mistake that are shown; one is enough to stop trusting a database."""


class Record(NamedTuple):
    """A row of a log, as it is stored."""

    position: int
    id: str
    trace_id: str
    kind: str
    canonical: bytes
    leaf_hash: bytes
    link_hash: bytes


class Head(NamedTuple):
    """Where a log should stand."""

    tenant: str
    size: int
    hash: bytes


class Opening(NamedTuple):
    """What a call began with, as it is stored: its records as JSON text, how many, and how many bytes of payloads."""

    number: int
    tenant: str
    trace_id: str
    span_id: str
    leaves: str
    records: int
    sealed_bytes: int


class Grant(NamedTuple):
    """What a role may do with a table, a function `name()` or the `schema`; `column` is empty when with all of it."""

    table: str
    role: str
    privilege: str
    column: str


class Policy(NamedTuple):
    """A policy of row security."""

    table: str
    name: str
    roles: str
    command: str
    using: str
    check: str
    restrictive: bool = False


class Role(NamedTuple):
    """A role; `groups` are the roles that it is a member of."""

    name: str
    unbound: bool
    may_log_in: bool
    groups: str


def heads(tx: Transaction) -> tuple[Head, ...]:
    """Return every log's head."""
    return tuple(Head(*cast("tuple[str, int, bytes]", row)) for row in tx.rows("chain_heads"))


def page(tx: Transaction, tenant: str, first: int, end: int) -> tuple[Record, ...]:
    """Return what stands at the places from `first` to before `end`, in order."""
    rows = tx.rows("fsck_page", tenant=tenant, first=first, end=end)
    return tuple(Record(*cast("tuple[int, str, str, str, bytes, bytes, bytes]", row)) for row in rows)


def end(tx: Transaction, tenant: str) -> tuple[Head | None, int, int]:
    """Return a log's head, the first place that is taken, and how many places it has up to the last one."""
    found = tx.row("fsck_ends", tenant=tenant)
    head = tx.row("chain_head_get", tenant=tenant)
    first, last = (0, -1) if found is None or found[0] is None else cast("tuple[int, int]", found)
    return None if head is None else Head(tenant, *cast("tuple[int, bytes]", head)), first, last + 1


def headless(tx: Transaction) -> tuple[str, ...]:
    """Return logs with records and without a head."""
    return tuple(cast("str", row[0]) for row in tx.rows("fsck_headless", limit=LIMIT))


def doubles(tx: Transaction, tenant: str) -> list[Row]:
    """Return (record, how often) of records that stand in a log more than once."""
    return tx.rows("fsck_doubles", tenant=tenant, limit=LIMIT)


def staged_twice(tx: Transaction) -> list[Row]:
    """Return (tenant, record) of staged records that have a place too."""
    return tx.rows("fsck_staged_twice", limit=LIMIT)


def staged(tx: Transaction) -> tuple[int, str | None]:
    """Return how many records wait for a place, and the oldest of their traces."""
    row = tx.row("fsck_staged")
    return (0, None) if row is None else cast("tuple[int, str | None]", row)


def loose_references(tx: Transaction) -> list[Row]:
    """Return (tenant, name, trace) of ids that lead to no trace."""
    return tx.rows("fsck_references", limit=LIMIT)


def payloads(tx: Transaction, tenant: str, traces: Iterable[str], *, bounded: bool) -> frozenset[tuple[str, str]]:
    """Return (trace, commitment) of the payloads that are there; `bounded` where partitions are."""
    names = sorted(traces)
    listed = msgspec.json.encode(names).decode()
    if bounded:
        rows = tx.rows("fsck_payloads", tenant=tenant, traces=listed, oldest=names[0], newest=names[-1])
    else:
        rows = tx.rows("fsck_payloads", tenant=tenant, traces=listed)
    return frozenset(cast("list[tuple[str, str]]", rows))


def openings(tx: Transaction, after: tuple[str, str]) -> list[Opening]:
    """Return what calls began with that have no outcome, a page from `after` on (SQLite)."""
    rows = tx.rows("fsck_openings", log=after[0], span_id=after[1], limit=LIMIT)
    return [Opening(*cast("tuple[int, str, str, str, str, int, int]", tuple(row))) for row in rows]


def placed(tx: Transaction, tenant: str, trace_id: str) -> frozenset[str]:
    """Return the ids of a trace's records that have their places (SQLite)."""
    tx.act_for(tenant)
    return frozenset(cast("str", row[0]) for row in tx.rows("fsck_placed", tenant=tenant, trace_id=trace_id))


def open_calls(tx: Transaction, after: tuple[str, str]) -> list[tuple[str, str, bytes]]:
    """Return (tenant, span, record) of calls without outcome, a page from `after` on."""
    rows = tx.rows("fsck_open_calls", log=after[0], span_id=after[1], limit=LIMIT)
    return cast("list[tuple[str, str, bytes]]", rows)


def trace(tx: Transaction, tenant: str, trace_id: str) -> Iterator[bytes]:
    """Yield the bytes of a trace's records."""
    tx.act_for(tenant)
    for row in tx.rows("evidence_of_trace", tenant=tenant, trace_id=trace_id):
        yield cast("bytes", row[1])


def versions(tx: Transaction, after: tuple[str, str, str]) -> list[tuple[str, str, str, bytes]]:
    """Return (assistant, plane, digest, document), a page from `after` on."""
    rows = tx.rows("fsck_versions", assistant=after[0], plane=after[1], digest=after[2], limit=LIMIT)
    return cast("list[tuple[str, str, str, bytes]]", rows)


def releases(tx: Transaction, after: tuple[str, int]) -> list[tuple[str, int, str, bytes]]:
    """Return (assistant, number, digest, statement), a page from `after` on."""
    rows = tx.rows("fsck_releases", assistant=after[0], number=after[1], limit=LIMIT)
    return cast("list[tuple[str, int, str, bytes]]", rows)


def pins(tx: Transaction) -> list[tuple[str, str, str, str, int]]:
    """Return (environment, assistant, plane, digest, release) of everything in force."""
    return [cast("tuple[str, str, str, str, int]", row[:5]) for row in tx.rows("pins_in_force")]


def newest_events(tx: Transaction) -> list[tuple[str, str, bytes]]:
    """Return (environment, assistant, event) of what each assistant's history ends with."""
    return cast("list[tuple[str, str, bytes]]", tx.rows("pin_events_newest"))


def row_security(tx: Transaction) -> list[tuple[str, bool, bool]]:
    """Return (table, on, also for its owner) of every table and partition with tenants' rows."""
    return cast("list[tuple[str, bool, bool]]", tx.rows("fsck_row_security"))


def policies(tx: Transaction) -> frozenset[Policy]:
    """Return every policy."""
    rows = tx.rows("fsck_policies")
    return frozenset(Policy(*cast("tuple[str, str, str, str, str, str, bool]", row)) for row in rows)


def grants(tx: Transaction) -> frozenset[Grant]:
    """Return what roles may do that own nothing."""
    return frozenset(Grant(*cast("tuple[str, str, str, str]", row)) for row in tx.rows("fsck_grants"))


def roles(tx: Transaction) -> tuple[Role, ...]:
    """Return the four roles, as far as they are there."""
    return tuple(Role(*cast("tuple[str, bool, bool, str]", row)) for row in tx.rows("fsck_roles"))
