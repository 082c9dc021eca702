# SPDX-License-Identifier: Apache-2.0
"""A record joins its tenant's chain in the transaction that writes it: for a store with one writer (SQLite).

A turn's first records wait for its call's outcome, as one row (opening.py), and join the chain before it: durable and
in the turn's trace at once, only their places come later.

Story: Dana's command promotes a release while the gateway finishes a turn of the same tenant. Both read the head inside
their own serialised transaction and move it by compare-and-set, so neither record can overwrite or fork the other.
"""

from collections.abc import Sequence

from customhouse.domain.errors import LedgerUnavailable
from customhouse.ledger import chain, opening, tables
from customhouse.ledger.entry import Leaf
from customhouse.store.database import Transaction


def alone(tx: Transaction, replica: str) -> None:
    """Wait for nobody: one writer does one transaction after the other, and an earlier process has none left."""
    del tx, replica


def extend(tx: Transaction, tenant: str, leaves: Sequence[Leaf], replica: str) -> None:
    """Add leaves to a tenant's log, with what belongs to them, or keep those with which a call of `replica` begins.

    Raises LedgerUnavailable; then the caller's work is undone.
    """
    rest: list[Leaf] = []
    traces: dict[str, list[Leaf]] = {}
    for leaf in leaves:
        traces.setdefault(leaf.entry.record.trace_id, []).append(leaf)
    for own in traces.values():
        span_id = opening.begun(own)
        if span_id is None:
            rest += own
        else:
            tables.insert_opening(tx, opening.kept(span_id, own), replica)
    if rest:
        before = [
            leaf
            for closing in rest
            if closing.entry.closes is not None
            for leaf in _leaves(tables.take_opening(tx, tenant, closing.entry.closes))
        ]
        _chain(tx, tenant, [*before, *rest], replica)


def join(tx: Transaction, spans: frozenset[str] | None) -> None:
    """Give the first records of calls their places, and leave the calls open: all of them, or those of `spans`."""
    for found, replica in tables.take_openings(tx, spans):
        tx.act_for(found.tenant)
        _chain(tx, found.tenant, _leaves(found), replica)


def _leaves(found: opening.Opening | None) -> list[Leaf]:
    try:
        return [] if found is None else opening.leaves_of(found)
    except ValueError as error:
        raise LedgerUnavailable("what a turn began with cannot be read back; `customhouse fsck` says more") from error


def _chain(tx: Transaction, tenant: str, leaves: Sequence[Leaf], replica: str) -> None:
    before = tables.head(tx, tenant)
    position, previous = (0, chain.GENESIS) if before is None else (before.size, before.hash)
    rows: list[tables.EvidenceRow] = []
    for leaf in leaves:
        leaf_hash = chain.leaf_hash(leaf.canonical)
        previous = chain.link_hash(previous, leaf_hash)
        fields = leaf.entry.record
        link = chain.Link(position, leaf.canonical, leaf_hash, previous)
        rows.append(tables.EvidenceRow(tenant, fields.trace_id, fields.id, fields.kind, link))
        position += 1
    tables.insert_records(tx, rows)
    if not tables.advance_head(tx, before, tables.Head(tenant, position, previous)):
        raise LedgerUnavailable("another writer moved the log's head inside this transaction; nothing was written")
    tables.attach(tx, leaves, replica)
