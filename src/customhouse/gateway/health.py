# SPDX-License-Identifier: Apache-2.0
"""Health: /healthz says that the process runs, /readyz says whether turns can be answered, and if not, why."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from customhouse.ledger.state import LedgerState
from customhouse.registry.current import Current

MAX_SNAPSHOT_AGE_S: Final = 10
"""Pins that were not confirmed for this long mean a database that does not answer."""


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """What /readyz answers. `refused` names assistants whose release in force fails verification.

    `spool_rejected` names files of the spool that were altered: their records are not in the ledger.
    """

    ready: bool
    database: str
    ledger: str
    spool_entries: int
    spool_rejected: tuple[str, ...]
    snapshot_age_ms: int | None
    refused: dict[str, str]


class Health:
    """The two health endpoints; they need no key and tell nothing about data."""

    def __init__(
        self, current: Current, probe: Callable[[], Awaitable[str | None]], ledger: Callable[[], LedgerState]
    ) -> None:
        """`probe` returns None when the database answers, else what is wrong in one word."""
        self._ledger = ledger
        self._current = current
        self._probe = probe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one of the two."""
        if scope["path"] == "/healthz":
            response = Response(b'{"status":"ok"}', media_type="application/json")
        else:
            readiness = await self.readiness()
            response = Response(
                msgspec.json.encode(readiness), 200 if readiness.ready else 503, media_type="application/json"
            )
        await response(scope, receive, send)

    async def readiness(self) -> Readiness:
        """Return whether turns can be answered, and why not.

        A replica whose turns go on without the database stays in service: nothing would be won by taking it out.
        """
        state = self._ledger()
        # A database that is known to be down is not asked once more by everyone who looks.
        problem = "unavailable" if state.down else await self._probe()
        goes_on = problem is None or state.status in {"spooling", "open"}
        age = self._current.age_s
        fresh = age is not None and age <= MAX_SNAPSHOT_AGE_S
        return Readiness(
            ready=goes_on and fresh,
            database=problem or "ok",
            ledger=_sentence(state, problem),
            spool_entries=state.spool_entries,
            spool_rejected=state.rejected,
            snapshot_age_ms=None if age is None else int(age * 1000),
            refused={f"{environment}/{name}": why for (environment, name), why in self._current.refused.items()},
        )


def _sentence(state: LedgerState, problem: str | None) -> str:
    match state.status:
        case "spooling":
            return f"{state.spool_entries} records wait in the local spool"
        case "open":
            return f"{state.skipped} records were skipped: the gap is declared when the database answers"
        case "refusing":
            return "turns are refused until the database answers"
        case "ok":
            return "ok" if problem is None else "turns are refused until the database answers"
