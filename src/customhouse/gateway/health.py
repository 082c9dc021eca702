# SPDX-License-Identifier: Apache-2.0
"""Health: /healthz says that the process runs, /readyz says whether turns can be answered, and if not, why.

Rules kept: not ready only when turns cannot be answered. A replica whose turns go on without the database (mode `spool`
or `open`) stays in service: nothing would be won by taking it out. Nothing here names a tenant.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from customhouse.access.credentials import Credentials
from customhouse.ledger.sequence import Progress
from customhouse.ledger.state import LedgerState, Status
from customhouse.registry.current import Current
from customhouse.registry.look import TIMEOUT_S, Look, Looker, Problem


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """What /readyz answers. `why` says what keeps turns from being answered; empty is good.

    `tools` is `ok`, or says why tools that write are neither offered nor passed on. `refused` names assistants whose
    release in force fails verification. `spool_rejected` names files of the spool that were altered: their records are
    not in the ledger. `staged` waits for its place in a log; None: nobody knows. `sequencer` is the epoch under which
    this replica leads.
    """

    ready: bool
    why: tuple[str, ...]
    replica: str
    replica_id: str
    database: str
    ledger: str
    ledger_state: Status
    spool_entries: int
    spool_bytes: int
    spool_rejected: tuple[str, ...]
    snapshot_age_ms: int | None
    credentials_age_ms: int | None
    tools: str
    switches: int
    staged: int | None
    staged_oldest_ms: int | None
    sequencer: int | None
    refused: dict[str, str]


_AWAY: Final[Mapping[Problem, str]] = {
    "not asked": "the database was not asked yet",
    "slow": f"the database did not answer within {TIMEOUT_S:g} s",
    "unavailable": "the database is unavailable: it refuses, or does not answer",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What readiness is told by: this replica's name and id, and the bounds that its turns have."""

    replica: str
    replica_id: str
    stale_tools_s: float
    stale_refuse_s: float


class Health:
    """The two health endpoints; they need no key and tell nothing about data."""

    def __init__(
        self,
        facts: Facts,
        current: Current,
        credentials: Credentials,
        looker: Looker,
        ledger: Callable[[], LedgerState],
        sequencer: Callable[[], Progress],
    ) -> None:
        """Keep where to look."""
        self._facts = facts
        self._current = current
        self._credentials = credentials
        self._looker = looker
        self._ledger = ledger
        self._sequencer = sequencer

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
        """Return whether turns can be answered, and why not."""
        look = await self._looker.look()
        facts, state = self._facts, self._ledger()
        pins_s, keys_s = self._current.age_s, self._credentials.age_s
        why = tuple(self._why(look, state, pins_s, keys_s))
        old = pins_s is None or pins_s > facts.stale_tools_s
        return Readiness(
            ready=not why,
            why=why,
            replica=facts.replica,
            replica_id=facts.replica_id,
            database=look.problem or "ok",
            ledger=_sentence(state, look.problem),
            ledger_state=state.status,
            spool_entries=state.spool_entries,
            spool_bytes=state.spool_bytes,
            spool_rejected=state.rejected,
            snapshot_age_ms=_ms(pins_s),
            credentials_age_ms=_ms(keys_s),
            tools=f"only tools that read: pins not confirmed for {facts.stale_tools_s:g} s" if old else "ok",
            switches=len(self._current.switches.standing),
            staged=look.waiting,
            staged_oldest_ms=_ms(look.oldest_s),
            sequencer=self._sequencer().epoch,
            refused={f"{environment}/{name}": why for (environment, name), why in self._current.refused.items()},
        )

    def _why(self, look: Look, state: LedgerState, pins_s: float | None, keys_s: float | None) -> list[str]:
        bound_s = self._facts.stale_refuse_s
        found: list[str] = []
        if look.problem is not None and state.status not in {"spooling", "open"}:
            found.append(_AWAY[look.problem])
        if pins_s is None or pins_s > bound_s:
            found.append(f"pins and switches were not confirmed for {bound_s:g} s")
        if keys_s is None or keys_s > bound_s:
            found.append(f"keys and people were not confirmed for {bound_s:g} s")
        return found


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)


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
