# SPDX-License-Identifier: Apache-2.0
"""The SQL of audits: the only file of this room that names queries, all of which read a page of one log."""

from typing import Final, NamedTuple, cast

from customhouse.audit.routing import Found
from customhouse.store.database import Transaction

PAGE: Final = 500
"""Records read at once, 8 KB each at most: bounds memory at 4 MB, and how long a reader holds the store up."""


class After(NamedTuple):
    """Where a page begins: behind this record, traces in the order of their ids (so of their beginnings)."""

    trace_id: str
    id: str = ""


def calls(tx: Transaction, log: str, after: After, before: str) -> tuple[Found, ...]:
    """Return the next `model.called` records of a log, of traces whose ids come before `before`; PAGE at most."""
    tx.act_for(log)
    rows = tx.rows("audit_calls", tenant=log, after=after.trace_id, after_id=after.id, before=before, limit=PAGE)
    return tuple(Found(*cast("tuple[str, str, bytes, bytes | None]", row)) for row in rows)


def gaps(tx: Transaction, log: str, after: After, before: str) -> tuple[Found, ...]:
    """Return the next `gap.declared` records of a log, likewise."""
    tx.act_for(log)
    rows = tx.rows("audit_gaps", tenant=log, after=after.trace_id, after_id=after.id, before=before, limit=PAGE)
    return tuple(Found(*cast("tuple[str, str, bytes, bytes | None]", row)) for row in rows)
