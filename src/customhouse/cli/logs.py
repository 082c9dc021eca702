# SPDX-License-Identifier: Apache-2.0
"""Verifies every log of a store from its first record to its head; `restore` and `doctor` do it alike.

Cost: one pass over all records in one read, with one of them in memory at a time.
"""

from typing import NamedTuple

from customhouse.ledger import chain, tables
from customhouse.store.database import Transaction


class Logs(NamedTuple):
    """How many logs and records were verified, and what is wrong with the first log that does not verify."""

    logs: int
    records: int
    problem: str | None


def verify_logs(tx: Transaction) -> Logs:
    """Recompute each tenant's chain and compare it with its head."""
    heads, records = tables.heads(tx), 0
    for head in heads:
        tx.act_for(head.tenant)
        verdict = chain.verify(tables.links(tx, head.tenant))
        records += verdict.size
        reason = verdict.reason
        if reason is None and (verdict.size, verdict.hash) != (head.size, head.hash):
            reason = f"its head names {head.size} records, the log has {verdict.size}"
        if reason is not None:
            return Logs(len(heads), records, f"the evidence of tenant {head.tenant} does not verify: {reason}")
    return Logs(len(heads), records, None)
