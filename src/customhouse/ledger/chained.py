# SPDX-License-Identifier: Apache-2.0
"""A record joins its tenant's chain in the transaction that writes it: for a store with one writer (SQLite).

Story: Dana's command promotes a release while the gateway finishes a turn of the same tenant. Both read the head inside
their own serialised transaction and move it by compare-and-set, so neither record can overwrite or fork the other.
"""

from collections.abc import Sequence

from customhouse.domain.errors import LedgerUnavailable
from customhouse.ledger import chain, tables
from customhouse.ledger.entry import Leaf
from customhouse.store.database import Transaction


def alone(tx: Transaction, replica: str) -> None:
    """Wait for nobody: one writer does one transaction after the other, and an earlier process has none left."""
    del tx, replica


def extend(tx: Transaction, tenant: str, leaves: Sequence[Leaf]) -> None:
    """Add leaves to a tenant's log and move its head. Raises LedgerUnavailable; then the caller's work is undone."""
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
