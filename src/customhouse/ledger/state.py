# SPDX-License-Identifier: Apache-2.0
"""How one replica's ledger is doing, as `status`, /readyz and metrics show it. Values only."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "refusing", "spooling", "open"]
"""`ok`: evidence goes to the database. `refusing`: it cannot, and nothing went on without it. `spooling`: entries wait
in the local spool. `open`: turns went on without evidence, and the gap is not declared yet."""


@dataclass(frozen=True, slots=True)
class LedgerState:
    """One look at a ledger. Which of the three an assistant's turns do is in its safety document.

    `down` says that the database does not take evidence now; `since_us` is when the status last left `ok` (None: it is
    ok). `gaps` counts gaps that wait to be declared, `declared` those that this process declared, `rejected` names
    spool files that were altered.
    """

    status: Status = "ok"
    down: bool = False
    since_us: int | None = None
    reason: str | None = None
    refused: int = 0
    skipped: int = 0
    spool_entries: int = 0
    spool_bytes: int = 0
    spool_oldest_us: int | None = None
    gaps: int = 0
    declared: int = 0
    rejected: tuple[str, ...] = ()
