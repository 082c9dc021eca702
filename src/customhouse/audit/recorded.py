# SPDX-License-Identifier: Apache-2.0
"""Finding the newest recorded tool calls of an assistant, over all logs or one. It reads records, no payloads."""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from customhouse.audit import tables
from customhouse.audit.replay import proposals
from customhouse.ledger import tables as ledger
from customhouse.ledger import trace
from customhouse.ledger.record import ORGANIZATION
from customhouse.ledger.tables import Place
from customhouse.ledger.trace import Trace
from customhouse.store.database import Readable

MAX_WALKED: Final = 200_000
"""Records of each log that are walked over at most, newest first: some seconds."""


class Recorded(NamedTuple):
    """The newest turns with calls, newest first, and whether every log was walked to its beginning, or far enough."""

    turns: tuple[Trace, ...]
    whole: bool


async def newest(database: Readable, assistant: str, environment: str, calls: int, tenant: str | None) -> Recorded:
    """Return turns that have the newest `calls` calls of an assistant in an environment, or all that were found.

    Raises StoreUnavailable. Cost: for each log one look at its index for each PAGE records until enough are found.
    """
    logs = (tenant,) if tenant is not None else await database.read(ledger.logs)
    found: list[tuple[Trace, int]] = []
    whole = True
    for log in logs:
        if log == ORGANIZATION:
            continue
        count = 0
        async for each in _turns(database, log):
            if each is None:
                whole = False
                break
            if _about(each) != (assistant, environment):
                continue
            found.append((each, proposals(step.record for step in each.steps)))
            count += found[-1][1]
            if count >= calls:
                break
    found.sort(key=lambda each: each[0].trace_id, reverse=True)
    kept: list[Trace] = []
    count = 0
    for each, proposed in found:
        if count >= calls:
            break
        kept.append(each)
        count += proposed
    return Recorded(tuple(kept), whole or count >= calls)


async def _turns(database: Readable, log: str) -> AsyncIterator[Trace | None]:
    """Give a log's turns with calls, newest first; None when it has more than may be walked over."""
    before, walked = "~", 0
    while before:
        page = await database.read(lambda tx, before=before: tables.proposing(tx, log, before))
        for first in range(0, len(page.traces), tables.TURNS):
            places = [Place(log, trace_id) for trace_id in page.traces[first : first + tables.TURNS]]
            for each in await database.read(lambda tx, places=places: trace.read_each(tx, places)):
                yield each
        before, walked = page.before, walked + page.walked
        if before and walked >= MAX_WALKED:
            yield None
            return


def _about(found: Trace) -> tuple[str | None, str | None]:
    """Return whose turn it is: the assistant's, in which environment."""
    accepted = next((step.record for step in found.steps if step.record.kind == "request.accepted"), None)
    who = None if accepted is None else accepted.principal
    return (None, None) if accepted is None or who is None else (accepted.assistant, who.environment)
