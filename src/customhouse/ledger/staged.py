# SPDX-License-Identifier: Apache-2.0
"""A record is staged in the turn's transaction and gets its place from the sequencer: for a store with many writers.

Invariant: what is staged is durable and is in every trace at once; only its place in the chain comes later.
"""

from collections.abc import Sequence

from customhouse.ledger import tables
from customhouse.ledger.entry import Leaf
from customhouse.store.database import Transaction


def extend(tx: Transaction, tenant: str, leaves: Sequence[Leaf]) -> None:
    """Stage leaves of a tenant's log, in order. Cost: one statement."""
    tables.stage(tx, tenant, leaves)
