# SPDX-License-Identifier: Apache-2.0
"""The SQL of audits: the only file of this room that names queries, all of which read a page of one log.

A page ends between two traces, so that each trace is read in one state of the database: a record which gets its place
in the chain meanwhile is neither read twice nor left out.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, cast

from customhouse.audit.routing import Found
from customhouse.store.database import Row, Transaction

PAGE: Final = 500
"""Records of each place read at once, 8 KB each at most: bounds memory, and how long a reader holds the store up."""


TURNS: Final = 50
"""Turns read at once, with all their records."""
WALKED: Final = 5000
"""Records that one look at a log's newest walks over."""


class Proposing(NamedTuple):
    """The traces, newest first, in which a model proposed a call, among so many records; and where to go on."""

    traces: tuple[str, ...]
    walked: int
    before: str


def proposing(tx: Transaction, log: str, before: str) -> Proposing:
    """Look at the newest records of a log, of traces whose ids come before `before`; "" ends it."""
    tx.act_for(log)
    limit = WALKED
    while True:
        rows = tx.rows("audit_proposing", tenant=log, before=before, limit=limit)
        found = [cast("tuple[str, int, int]", tuple(row)) for row in rows]
        walked = sum(each[1] for each in found)
        # Where as many were there as were asked for, the last trace may not be whole.
        whole = found if walked < limit else found[:-1]
        if whole or not found:
            traces = tuple(trace_id for trace_id, _, proposed in whole if proposed)
            return Proposing(traces, walked, whole[-1][0] if walked >= limit else "")
        limit *= 2  # one trace has as many


def calls(tx: Transaction, log: str, after: str, before: str) -> tuple[Found, ...]:
    """Return the next `model.called` records of a log, of traces whose ids stand between `after` and `before`."""
    tx.act_for(log)
    return _page(lambda limit: tx.rows("audit_calls", tenant=log, after=after, before=before, limit=limit))


def gaps(tx: Transaction, log: str, after: str, before: str) -> tuple[Found, ...]:
    """Return the next `gap.declared` records of a log, likewise."""
    tx.act_for(log)
    return _page(lambda limit: tx.rows("audit_gaps", tenant=log, after=after, before=before, limit=limit))


def _page(rows_of: Callable[[int], list[Row]]) -> tuple[Found, ...]:
    limit = PAGE
    while rows := rows_of(limit):
        found = [(staged, Found(*cast("tuple[str, bytes, bytes | None]", tuple(rest)))) for staged, *rest in rows]
        # Where a place gave as many as were asked for, its last trace may not be whole.
        halves = ([each for staged, each in found if staged == place] for place in (0, 1))
        cut = min((half[-1].trace_id for half in halves if len(half) == limit), default=None)
        whole = tuple(each for _, each in found if cut is None or each.trace_id < cut)
        if whole:
            return whole
        limit *= 2  # one trace has as many
    return ()
