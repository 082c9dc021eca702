# SPDX-License-Identifier: Apache-2.0
"""A record is staged in the turn's transaction and gets its place from the sequencer: for a store with many writers.

Invariant: what is staged is durable and is in every trace at once; only its place in the chain comes later.

Story: the server's disk stalls. A turn's COMMIT is on its way, nobody waits for it any more, and its records go to the
spool. When the disk goes on, the COMMIT lands. The spool's entries, which wait for it, then find their records there.
"""

from collections.abc import Sequence

from customhouse.ledger import tables
from customhouse.ledger.entry import Leaf
from customhouse.store.database import Transaction


def alone(tx: Transaction, replica: str) -> None:
    """Wait for this replica's earlier transactions, so that the next query sees what became of them. One statement."""
    tables.take_turn(tx, replica)


def extend(tx: Transaction, tenant: str, leaves: Sequence[Leaf], replica: str) -> None:
    """Stage leaves of a tenant's log, in order, with what belongs to them. Cost: one statement for each table."""
    tables.stage(tx, tenant, leaves)
    tables.attach(tx, leaves, replica)


def join(tx: Transaction, spans: frozenset[str] | None) -> None:
    """Do nothing: every staged record gets its place from the sequencer, whatever becomes of its call."""
    del tx, spans
