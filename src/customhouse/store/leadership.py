# SPDX-License-Identifier: Apache-2.0
"""Who leads: one session of PostgreSQL holds an advisory lock, and nobody else gets it while that session lives.

Rules kept:
- The lock's session is used for nothing else, so that no work, however slow, decides who leads.
- The server ends a session that is silent for SILENCE_S, and one whose peer is gone. Story: replica A leads and is
  stopped (SIGSTOP, a sleeping laptop). Its socket stays open, yet after ten seconds its session ends and B leads. When
  A goes on, it finds its session gone; what it still had on its way is refused by the fence (ledger/sequence.py).
- Nobody waits inside the server for the lock: a waiting statement holds a snapshot, and vacuum would keep every row
  that died since. Replicas ask again and again instead.
A pooler between replicas and server must keep sessions and pass start-up options on (PgBouncer does not do the latter).
"""

import asyncio
from typing import Any, Final

import psycopg

from customhouse.domain.errors import StoreUnavailable
from customhouse.store.postgres_session import CONNECT_TIMEOUT_S, Role, session

SEQUENCER_LOCK: Final = 7_003
"""The advisory lock of the one sequencer of a database."""
SILENCE_S: Final = 10
"""A leader speaks every second (ledger/sequence.py); twice the deadline of a work is not its usual pause."""
ANSWER_S: Final = 5.0
"""How long the server may take to say who leads."""
_OPTIONS: Final = (
    f" -c idle_session_timeout={SILENCE_S}s"
    " -c tcp_keepalives_idle=4 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"
)


class Leadership:
    """A replica's claim to one advisory lock. Not for two tasks at once."""

    def __init__(self, url: str, role: Role, lock: int) -> None:
        """Keep the place; `win` connects."""
        self._url = url
        self._role: Role = role
        self._lock = lock
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._held = False

    async def win(self) -> bool:
        """Take the lock unless another session holds it; return whether it is held now. Raises StoreUnavailable."""
        if not self._held:
            row = await self._ask("SELECT pg_try_advisory_lock(%s)", self._lock)
            self._held = bool(row[0])
        return self._held

    async def keep(self) -> bool:
        """Let the server hear of us; return whether the lock is still held. Never raises. Cost: one round trip."""
        if self._held:
            try:
                await self._ask("SELECT 1")
            except StoreUnavailable:
                return False
        return self._held

    async def resign(self) -> None:
        """Give the lock up, by ending the session that holds it."""
        connection, self._connection, self._held = self._connection, None, False
        if connection is not None:
            await connection.close()

    async def _ask(self, question: str, *values: int) -> tuple[Any, ...]:
        try:
            async with asyncio.timeout(ANSWER_S):
                if self._connection is None:
                    self._connection = await psycopg.AsyncConnection.connect(
                        self._url,
                        autocommit=True,
                        connect_timeout=CONNECT_TIMEOUT_S,
                        application_name=f"customhouse-{self._role}-lock",
                        options=session(self._role, ANSWER_S) + _OPTIONS,
                    )
                row = await (await self._connection.execute(question.encode(), values)).fetchone()
        except (psycopg.Error, OSError, TimeoutError) as error:
            await self.resign()
            raise StoreUnavailable("the session that holds the sequencer's lock broke") from error
        except BaseException:  # cancelled in the middle of a question: this session can be asked no other
            await self.resign()
            raise
        return row or (None,)
