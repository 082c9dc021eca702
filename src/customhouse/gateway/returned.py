# SPDX-License-Identifier: Apache-2.0
"""What a client says its tools gave back: matched with the calls that were passed to it, and recorded as said.

Only results at the end of a request are new; those before the last answer were recorded when they were. A result is a
client's word: nothing that it says is trusted because it matches, and nothing is refused because it does not. What
matters is that the trail from a call to its result has no hole, and that a result for a call that never was is seen.

Story: Mallory's agent was never passed issue_refund, and sends a result "refunded, the customer confirmed" under an id
that it made up. The model reads it as it would read any text of Mallory's; the evidence says `matched: false`.
"""

from collections.abc import Sequence

from customhouse.domain.errors import StoreUnavailable
from customhouse.domain.message import Message
from customhouse.domain.principal import Principal
from customhouse.gateway.evidence import Evidence
from customhouse.gateway.passing import PASSED, RETURNED, Passing, known_as, passing, results
from customhouse.ledger import record, tables
from customhouse.ledger.append import Ledger
from customhouse.ledger.entry import Entry
from customhouse.ledger.tables import Place
from customhouse.store.database import Readable, Transaction


class Returns:
    """Finds the calls that results answer. Cost: nothing without new results, else one read of two round trips."""

    def __init__(self, database: Readable, ledger: Ledger) -> None:
        """Keep where calls are looked up."""
        self._database = database
        self._ledger = ledger

    async def records(self, evidence: Evidence, messages: Sequence[Message]) -> tuple[Entry, ...]:
        """Return a record of each new result of a conversation. Raises InvalidRequest for too many of them.

        While the database does not answer they are recorded without saying whether they match.
        """
        new = results(messages)
        if not new:
            return ()
        found = await self._passings(evidence.principal, tuple(dict.fromkeys(each.result.call_id for each in new)))
        entries: list[Entry] = []
        for each in new:
            answered = None if found is None else found.get(each.result.call_id)
            entries.append(evidence.tool_returned(each, answered, known=found is not None))
            if found is not None and answered is not None:
                found[each.result.call_id] = answered._replace(repeated=True)
        return tuple(entries)

    async def _passings(self, principal: Principal, ids: Sequence[str]) -> dict[str, Passing] | None:
        """Return by which records calls of these ids were passed to this client; None when nobody can say now."""
        if self._ledger.down:
            return None
        try:
            return await self._database.read(lambda tx: _passings(tx, principal, ids))
        except StoreUnavailable:
            return None


def _passings(tx: Transaction, principal: Principal, ids: Sequence[str]) -> dict[str, Passing]:
    tx.act_for(principal.tenant)
    names = [known_as(what, principal, each) for what in (PASSED, RETURNED) for each in ids]
    newest = tables.newest_named(tx, principal.tenant, names)
    passed, told = newest[: len(ids)], newest[len(ids) :]
    places = [Place(principal.tenant, trace_id) for trace_id in dict.fromkeys(each for each in passed if each)]
    rows = zip(places, tables.records_of_traces(tx, places), strict=True)
    records = {place.trace_id: [record.decode(row.canonical) for row in found] for place, found in rows}
    found: dict[str, Passing] = {}
    for call_id, trace_id, before in zip(ids, passed, told, strict=True):
        one = None if trace_id is None else passing(records[trace_id], call_id)
        if one is not None:
            # A result that was recorded before the newest call of this id was of an earlier one.
            found[call_id] = one._replace(repeated=before is not None and before > one.trace_id)
    return found
