# SPDX-License-Identifier: Apache-2.0
"""Stored responses in the ledger: found by their id, opened, walked back, deleted.

A deletion is a record after which the id resolves no more: evidence is only added to. The payload itself ends with its
retention, as every other does. What a record says of whose a response is, and what is sealed in it, are both compared.
"""

from typing import Final, NamedTuple

from customhouse.domain.clock import Clock, rfc3339
from customhouse.domain.errors import (
    IntegrityFailed,
    LedgerUnavailable,
    ResponseExpired,
    ResponseUnknown,
    StoreUnavailable,
)
from customhouse.domain.principal import Principal
from customhouse.gateway import stored
from customhouse.gateway.stored import Earlier, Stored
from customhouse.ledger import record, tables
from customhouse.ledger.append import Ledger
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import Record, Subject
from customhouse.ledger.tables import Place, StoredPayload
from customhouse.store.database import Readable, Transaction

DELETED: Final = "response.deleted"


class Kept(NamedTuple):
    """A stored response, opened. `completed` is the id of the record that names it; `size` counts what is sealed."""

    trace_id: str
    completed: str
    stored: Stored
    size: int


class Recall:
    """Reads what was stored. Raises LedgerUnavailable while the ledger is down: payloads are not read then."""

    def __init__(self, database: Readable, ledger: Ledger, clock: Clock) -> None:
        """Keep where responses are read, and where deletions are recorded."""
        self._database = database
        self._ledger = ledger
        self._clock = clock

    async def find(self, principal: Principal, response_id: str) -> Kept:
        """Return a response of the caller's. Raises ResponseUnknown, ResponseExpired, IntegrityFailed."""
        trace_id = stored.trace_of(response_id)
        if trace_id is None:
            raise ResponseUnknown
        if self._ledger.down:
            raise LedgerUnavailable
        key = await self._ledger.tenant_key(principal.tenant)
        place = Place(principal.tenant, trace_id)
        records, payloads = await self._database.read(lambda tx: _read(tx, place))
        named = _named(records, principal)
        commitment = (named.commitments or {})[stored.KIND]
        sealed = next((each for each in payloads if each.commitment == commitment), None)
        if sealed is None:
            raise ResponseExpired
        try:
            content = key.open(trace_id, stored.KIND, commitment, sealed.sealed)
            found = stored.decode(content)
        except (StoreUnavailable, ValueError) as error:
            raise IntegrityFailed from error
        if not stored.owned(principal, found.assistant, found.environment, found.on_behalf_of):
            raise ResponseUnknown
        return Kept(trace_id, named.id, found, len(content))

    async def before(self, principal: Principal, response_id: str | None) -> Earlier:
        """Return the conversation that a response ends. Raises as `find`, and InvalidRequest when it is too long.

        Cost: one transaction for each response of the chain.
        """
        chain: list[Stored] = []
        size = 0
        while response_id is not None:
            if len(chain) >= stored.MAX_CHAIN:
                raise stored.too_long(f"it goes back over more than {stored.MAX_CHAIN} responses")
            kept = await self.find(principal, response_id)
            size += kept.size
            if size > stored.MAX_BYTES:
                raise stored.too_long(f"it has more than {stored.MAX_BYTES} bytes")
            chain.append(kept.stored)
            response_id = kept.stored.request.previous
        return stored.joined(chain[::-1])

    async def delete(self, principal: Principal, response_id: str) -> None:
        """Let a response of the caller's resolve no more. Raises as `find`; the record is durable on return."""
        kept = await self.find(principal, response_id)
        deleted = Record(
            v=1,
            id=self._clock.uuid7(),
            tenant=principal.tenant,
            trace_id=kept.trace_id,
            kind=DELETED,
            at=rfc3339(self._clock.now_us()),
            parents=(kept.completed,),
            principal=Subject(
                key=principal.key_id,
                environment=principal.environment,
                on_behalf_of=principal.on_behalf_of,
                assertion=principal.assertion,
                issuer=principal.issuer,
            ),
            assistant=principal.assistant,
        )
        await self._ledger.append([Entry(deleted)])


def _read(tx: Transaction, place: Place) -> tuple[tuple[Record, ...], tuple[StoredPayload, ...]]:
    tx.act_for(place.log)
    (rows,) = tables.records_of_traces(tx, [place])
    found = tuple(record.decode(row.canonical) for row in rows)
    return found, tables.payloads_of_trace(tx, place.log, place.trace_id)


def _named(records: tuple[Record, ...], principal: Principal) -> Record:
    """Return the record that names a stored response of the caller's. Raises ResponseUnknown for anything else.

    Of several ends of one turn the last counts: a call may have been taken back before the answer left.
    """
    accepted = next((each for each in records if each.kind == "request.accepted"), None)
    ends = [each for each in records if each.kind == "response.completed" and stored.KIND in (each.commitments or {})]
    deleted = any(each.kind == DELETED for each in records)
    if accepted is None or accepted.principal is None or not ends or deleted:
        raise ResponseUnknown
    who = accepted.principal
    if not stored.owned(principal, accepted.assistant, who.environment, who.on_behalf_of):
        raise ResponseUnknown
    return ends[-1]
