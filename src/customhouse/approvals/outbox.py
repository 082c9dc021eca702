# SPDX-License-Identifier: Apache-2.0
"""Telling people of held calls over one channel: claimed in the database, sent, marked. I/O, in nobody's way.

Rules kept:
- At least once. A claim is a due time that is put off for longer than sending takes, so what a dying process has
  claimed becomes due again. A copy has the same id.
- About once. Of several replicas one claims, by compare-and-set; who comes late marks nothing.
- What fails is tried again, with growing gaps, until the held call is answered or its time is over.
- No turn waits for this, and no transaction is open while a message travels.

Story: replica A claims the message for Dana's approval and is killed while the mail server thinks. Ninety seconds later
it is due again; replica B sends it. Dana has one mail, or two with one Message-ID, and never none.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Final

from customhouse.approvals import notification_tables as tables
from customhouse.approvals.notification_tables import Due, Stage
from customhouse.domain.clock import Clock
from customhouse.notify.notice import Channel, Notice, Outcome, Trouble, Undelivered, link
from customhouse.registry.control import Control
from customhouse.store.database import Database, Transaction

EVERY_S: Final = 2.0
"""Between two looks when little is due: a person reacts in minutes."""
BATCH: Final = 5
"""Messages of one claim, which bounds a flood too: five each EVERY_S at most."""
LEASE_S: Final = 90.0
"""A claim holds this long: more than BATCH messages take, each TIMEOUT_S at most (notify/notice.py), and marking."""
FIRST_GAP_S: Final = 5.0
LONGEST_GAP_S: Final = 300.0
"""Between two attempts: doubled each time, up to this."""
REMIND_FROM_S: Final = 300.0
"""Who has more time than this left when the message is taken gets one reminder, at half of it."""
_US: Final = 1_000_000
_log = logging.getLogger(__name__)

Observe = Callable[[str, Outcome], None]
"""Told of each message: over which channel, and what became of it."""


class Outbox:
    """What people are told over one channel. Invariant: what it remembers is only for people to look at."""

    def __init__(
        self, channel: Channel, database: Database, clock: Clock, *, public_url: str, observe: Observe
    ) -> None:
        """`database` is the one of people's verbs: what is due is due whosever it is."""
        self._channel = channel
        self._database = database
        self._clock = clock
        self._public_url = public_url
        self._observe = observe
        self._trouble: Trouble | None = None

    @property
    def trouble(self) -> Trouble | None:
        """Return what is wrong with the channel, if the last message was not taken."""
        return self._trouble

    async def tell(self) -> bool:
        """Send what is due, BATCH messages at most; return whether more may be due. Raises StoreUnavailable."""
        now_us = self._clock.now_us()
        name = self._channel.name
        found = await self._database.read(lambda tx: tables.due(tx, name, now_us, BATCH))
        if not found:
            return False
        until_us = now_us + int(LEASE_S * _US)

        def work(tx: Transaction) -> list[Due]:
            return [each for each in found if tables.claim(tx, name, each, now_us, until_us)]

        for each in await self._database.transact(work):
            await self._send(each._replace(attempts=each.attempts + 1))
        return len(found) == BATCH

    async def _send(self, claimed: Due) -> None:
        name = self._channel.name
        try:
            await self._channel.send(_notice(claimed, self._public_url))
        except Undelivered as failed:
            self._observe(name, failed.outcome)
            if self._trouble is None or self._trouble.problem != str(failed):
                since_us = self._clock.now_us() if self._trouble is None else self._trouble.since_us
                self._trouble = Trouble(name, str(failed), since_us)
            _log.warning("%s was not told of approval %s (%d): %s", name, claimed.approval, claimed.attempts, failed)
            until_us = self._clock.now_us() + gap_us(claimed.attempts)
            await self._database.transact(lambda tx: tables.put_off(tx, name, claimed, until_us))
            return
        self._observe(name, "sent")
        self._trouble = None
        now_us = self._clock.now_us()
        following, due_at_us = after(claimed, now_us)
        await self._database.transact(lambda tx: tables.sent(tx, name, claimed, following, due_at_us, now_us))


def each(channels: Iterable[Channel], control: Control, public_url: str, observe: Observe) -> tuple[Outbox, ...]:
    """Return an outbox for each channel."""
    return tuple(
        Outbox(channel, control.database, control.clock, public_url=public_url, observe=observe) for channel in channels
    )


def gap_us(attempts: int) -> int:
    """Return how long to wait after so many attempts."""
    return int(min(FIRST_GAP_S * 2 ** min(attempts - 1, 20), LONGEST_GAP_S) * _US)


def after(claimed: Due, now_us: int) -> tuple[Stage, int]:
    """Return what follows a message that was taken, and when."""
    left_us = claimed.expires_at_us - now_us
    if claimed.stage == "requested" and left_us > REMIND_FROM_S * _US:
        return "reminder", now_us + left_us // 2
    return "done", now_us


def _notice(due: Due, public_url: str) -> Notice:
    return Notice(
        id=due.approval,
        occasion="reminder" if due.stage == "reminder" else "requested",
        tool=due.tool,
        assistant=due.assistant,
        environment=due.environment,
        expires_at_us=due.expires_at_us,
        link=link(public_url, due.approval),
    )
