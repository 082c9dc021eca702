# SPDX-License-Identifier: Apache-2.0
"""The SQL of redeemed tickets: take one, forget those that have expired."""

from customhouse.store.database import Transaction


def redeem(tx: Transaction, tenant: str, ticket_id: str, *, expires_us: int, redeemed_us: int) -> None:
    """Take a ticket. Raises DuplicateRow where it was taken before."""
    tx.run("ticket_redeem", tenant=tenant, id=ticket_id, expires_us=expires_us, redeemed_us=redeemed_us)


def forget(tx: Transaction, before_us: int, limit: int) -> int:
    """Take away tickets that expired before a moment, `limit` at most; return how many."""
    return tx.run("ticket_forget", before_us=before_us, limit=limit)
