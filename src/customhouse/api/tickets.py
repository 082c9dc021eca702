# SPDX-License-Identifier: Apache-2.0
"""Endpoints for tool servers: the public keys of tickets, and where a ticket is redeemed. Neither asks for a key.

Public keys are public: who has them can check tickets and make none. A ticket is its own proof: whoever holds it may
use it up, and learns nothing of it that does not stand in it.
"""

from typing import Final

import msgspec

from customhouse.api.route import ROOT, Call, Route
from customhouse.ticket import MAX_TICKET_BYTES
from customhouse.tickets.redeem import Redeemed
from customhouse.vault.mint import TicketKeySet


class Ticket(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is redeemed."""

    ticket: str


async def _keys(call: Call[None]) -> TicketKeySet:  # noqa: RUF029 - a route's handler
    return call.redemptions.keys.published


async def _redeem(call: Call[Ticket]) -> Redeemed:
    return await call.redemptions.redeem(call.body.ticket)


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "GET",
        f"{ROOT}/ticket-keys",
        None,
        "Show the public keys that tickets verify with, as a JWK set (RFC 7517).",
        None,
        TicketKeySet,
        _keys,
    ),
    Route(
        "POST",
        f"{ROOT}/tickets/redeem",
        None,
        "Use a ticket up, once: a second redemption is 409.",
        Ticket,
        Redeemed,
        _redeem,
        max_body_bytes=2 * MAX_TICKET_BYTES,
    ),
)
"""The endpoints of this file."""
