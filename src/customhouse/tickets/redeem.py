# SPDX-License-Identifier: Apache-2.0
"""Redeeming a ticket: the unique key of its row decides who was first, and its record stands in the same transaction.

Rules kept:
- The ticket is the proof. Nobody has to be known to redeem one, and nobody learns more than whether he was first.
- Form, signature and time are checked before the database is asked, which is asked `MAX_AT_ONCE` times at once at most:
  who has no ticket costs a signature, who has one cannot take the turns' place.
- The record stands in the log of the ticket's tenant, under the trace of the turn that passed the call.

Story: two replicas of the refund service are given Lee's ticket in the same millisecond. Both ask, each a replica of
ours. One INSERT finds the other's row and is undone together with its record. One refund is paid.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from customhouse.domain.clock import Clock, rfc3339
from customhouse.domain.errors import CustomhouseError, Overloaded, TicketInvalid, TicketUsed
from customhouse.ledger.append import Ledger
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import Record, ToolFacts
from customhouse.store.database import Database, DuplicateRow, Transaction
from customhouse.ticket import Claims, TicketRefused, read
from customhouse.tickets import tables
from customhouse.vault.mint import TicketKeys

MAX_AT_ONCE: Final = 32
"""Redemptions under way; one more is answered 429. Ten times what keeps the database's connections busy."""
RETRY_AFTER_S: Final = 1
ACCEPTED: Final = "accepted"


class Redeemed(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket that was good, and is used up now. `jti` is its id, that of the decision which passed the call."""

    jti: str
    trace_id: str
    redeemed_at: str


class Redemptions:
    """Redeems tickets of this installation. Invariant: of each ticket, one redemption succeeds, whoever asks where."""

    def __init__(self, database: Database, ledger: Ledger, keys: TicketKeys, clock: Clock) -> None:
        """Keep what every redemption needs. The database is the gateway's, which sees one tenant at a time."""
        self.keys: Final = keys
        self._database = database
        self._ledger = ledger
        self._trusted = keys.trusted
        self._clock = clock
        self._at_once = 0
        self._counts: dict[str, int] = {}

    @property
    def counts(self) -> Mapping[str, int]:
        """Return what became of the redemptions of this process: ACCEPTED, or a code of ours that refused them."""
        return self._counts

    async def redeem(self, ticket: str) -> Redeemed:
        """Use a ticket up. Raises TicketInvalid, TicketUsed, Overloaded, StoreUnavailable, LedgerUnavailable.

        Cost: one signature and one transaction.
        """
        try:
            redeemed = await self._redeem(ticket)
        except TicketRefused as refused:
            self._count(refused.code)
            raise TicketInvalid(f"{refused}") from None
        except CustomhouseError as error:
            self._count(error.code)
            raise
        self._count(ACCEPTED)
        return redeemed

    async def _redeem(self, ticket: str) -> Redeemed:
        now_us = self._clock.now_us()
        claims = read(ticket, self._trusted, now_s=now_us / 1_000_000)
        if self._at_once >= MAX_AT_ONCE:
            raise Overloaded(retry_after_s=RETRY_AFTER_S)
        entry = self._entry(claims, now_us)

        def work(tx: Transaction) -> None:
            tx.act_for(claims.tenant)
            tables.redeem(tx, claims.tenant, claims.jti, expires_us=claims.exp * 1_000_000, redeemed_us=now_us)
            self._ledger.write(tx, [entry])

        self._at_once += 1
        try:
            await self._database.begin(work)
        except DuplicateRow:
            raise TicketUsed from None
        finally:
            self._at_once -= 1
        return Redeemed(jti=claims.jti, trace_id=claims.trace_id, redeemed_at=rfc3339(now_us))

    def _count(self, outcome: str) -> None:
        self._counts[outcome] = self._counts.get(outcome, 0) + 1

    def _entry(self, claims: Claims, now_us: int) -> Entry:
        """Return the record. It has the ticket's id and not its digest, by which arguments could be guessed."""
        return Entry(
            Record(
                v=1,
                id=self._clock.uuid7(),
                tenant=claims.tenant,
                trace_id=claims.trace_id,
                kind="ticket.redeemed",
                at=rfc3339(now_us),
                parents=(claims.jti,),
                assistant=claims.sub,
                tool=ToolFacts(name=claims.tool),
                detail={"audience": claims.aud, "environment": claims.environment},
            )
        )
