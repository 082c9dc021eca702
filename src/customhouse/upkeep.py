# SPDX-License-Identifier: Apache-2.0
"""What a server does besides answering, until it is cancelled: follow what is in force, keep the ledger up to date.

Invariant: no mistake here ends the server. A task that fails is logged and goes on; what it could not confirm ages, and
turns refuse what is too old (registry/current.py, access/credentials.py).
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final, Protocol

from customhouse.access.credentials import Credentials
from customhouse.approvals import expire, outbox
from customhouse.budget import forget
from customhouse.domain.errors import CustomhouseError, StoreUnavailable
from customhouse.ledger import catch_up, retention
from customhouse.ledger.recover import settle_orphans
from customhouse.ledger.sequence import Sequencer
from customhouse.ledger.standby import Standby
from customhouse.registry.control import Control
from customhouse.registry.current import Current
from customhouse.registry.presence import Presence
from customhouse.store.database import Database
from customhouse.tickets import forget as forget_tickets

PAUSE_S: Final = 5
"""After an unexpected error, so that it does not fill the log."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Following:
    """What one replica follows. `orphans` are the spans of calls whose outcome could not be written."""

    control: Control
    credentials: Credentials
    current: Current
    presence: Presence
    sequencer_database: Database
    replica: str
    orphans: set[str]


async def follow(following: Following, interval_s: float) -> None:
    """Look up pins, switches, keys and people whenever the database tells of a change, and every `interval_s` anyway.

    What is in force here is acknowledged when it is; calls that a failing ledger left open are settled.
    """
    while True:
        await _heard(following.control.database, interval_s)
        try:
            await _look(following)
        except CustomhouseError as error:
            _log.warning("pins and keys could not be refreshed: %s", error.detail)
        except Exception:  # noqa: BLE001 - the supervisor of this task: see above
            _log.exception("pins and keys could not be refreshed")
            await asyncio.sleep(interval_s)


async def catch_up_again(control: Control, standby: Standby | None, orphans: set[str]) -> None:
    """Bring the ledger up to date whenever its database answers again."""
    while standby is not None:
        try:
            await catch_up.tend(control.ledger, standby, orphans)
        except Exception:  # noqa: BLE001 - the supervisor of this task: evidence that waits stays where it is
            _log.exception("the ledger could not be brought up to date")
            await asyncio.sleep(PAUSE_S)


async def place_or_expire(control: Control, sequencer: Sequencer | None, keep_days: int) -> None:
    """Where replicas share a database, stand for sequencer; else only take away what has ended.

    That is held calls whose time is over, payloads after their retention, windows of budgets, and tickets that were
    redeemed. Records that are not placed wait where they are, durable, and every trace shows them.
    """
    calendar = retention.Calendar(control.clock)
    while True:
        try:
            if sequencer is not None:
                await sequencer.run()
            await expire.expire_ended(control.database, control.ledger, control.clock)
            await retention.delete_days(control.database, control.ledger, calendar, keep_days)
            await forget.forget_ended(control.database, calendar)
            await forget_tickets.forget_expired(control.database, calendar)
        except CustomhouseError as error:
            _log.warning("held calls, payloads, budgets and tickets could not be looked through: %s", error.detail)
        except Exception:  # noqa: BLE001 - the supervisor of this task: see above
            _log.exception("the sequencer, or the retention of payloads, failed")
        await asyncio.sleep(PAUSE_S if sequencer else retention.EVERY_S)


async def send_spans(export: "SpanExport | None") -> None:
    """Send spans to the OTLP endpoint, where there is one."""
    while export is not None:
        try:
            await export.run()
        except Exception:  # noqa: BLE001 - the supervisor of this task: spans are lost, and nothing else
            _log.exception("spans could not be sent")
            await asyncio.sleep(PAUSE_S)


async def tell(told: outbox.Outbox) -> None:
    """Tell people of held calls that wait, over one channel."""
    while True:
        more = False
        try:
            more = await told.tell()
        except CustomhouseError as error:
            _log.warning("nobody could be told of approvals: %s", error.detail)
        except Exception:  # noqa: BLE001 - the supervisor of this task: what was claimed becomes due again
            _log.exception("nobody could be told of approvals")
            await asyncio.sleep(PAUSE_S)
        await asyncio.sleep(0 if more else outbox.EVERY_S)


async def renew_credentials(credentials: "Renewable") -> None:
    """Renew what providers are shown before it ends, or the keys of issuers."""
    while True:
        try:
            await credentials.keep()
        except Exception:  # noqa: BLE001 - the supervisor of this task: a turn that needs one asks for it by itself
            _log.exception("credentials of providers, or keys of issuers, could not be renewed")
            await asyncio.sleep(PAUSE_S)


class Renewable(Protocol):
    """What has to be renewed."""

    async def keep(self) -> None:
        """Renew what is due, until cancelled."""
        ...


class SpanExport(Protocol):
    """Who sends spans."""

    async def run(self) -> None:
        """Send what waits, until cancelled."""
        ...


async def _heard(database: Database, timeout_s: float) -> None:
    """Wait until the database tells of a change, `timeout_s` at most; one that tells nothing is looked at as often."""
    try:
        await database.changed(timeout_s)
    except StoreUnavailable:
        await asyncio.sleep(timeout_s)


async def _look(following: Following) -> None:
    control, orphans = following.control, following.orphans
    await following.credentials.refresh()
    await following.current.refresh()
    following.presence.report({**following.current.generations(), "access": following.credentials.generation})
    await settle_orphans(following.sequencer_database, control.ledger, control.clock, following.replica, orphans)
