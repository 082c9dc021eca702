# SPDX-License-Identifier: Apache-2.0
"""The SQL of sessions: the only file that names its queries. What is kept of a token is its SHA-256."""

from typing import NamedTuple, cast

from customhouse.store.database import Transaction


class SessionRow(NamedTuple):
    """A session that has not ended: the hash of the operator key it began with, and when it ends."""

    key_hash: bytes
    ends_at_us: int


def begin(tx: Transaction, token_hash: bytes, key_hash: bytes, now_us: int, ends_at_us: int) -> None:
    """Keep a session."""
    tx.run("session_begin", token_hash=token_hash, key_hash=key_hash, now_us=now_us, ends_at_us=ends_at_us)


def get(tx: Transaction, token_hash: bytes, now_us: int) -> SessionRow | None:
    """Return the session of this token unless it has ended."""
    row = tx.row("session_get", token_hash=token_hash, now_us=now_us)
    return None if row is None else SessionRow(cast("bytes", row[0]), cast("int", row[1]))


def end(tx: Transaction, token_hash: bytes) -> bool:
    """Forget a session; return whether there was one."""
    return tx.run("session_end", token_hash=token_hash) == 1


def tidy(tx: Transaction, key_hash: bytes, limit: int, now_us: int) -> None:
    """Forget whatever has ended, and the oldest sessions of one key beyond `limit`."""
    tx.run("session_forget", now_us=now_us)
    tx.run("session_bound", key_hash=key_hash, limit=limit)
