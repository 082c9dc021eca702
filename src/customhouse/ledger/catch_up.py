# SPDX-License-Identifier: Apache-2.0
"""Bringing the ledger up to date when the database answers again: the spool in its order, then the gaps.

Each step can be cut off and done again: entries and declarations are known by their records' ids, and are written in
the transaction that looks for them. An attempt that fails is the probe which says that the database is still down.
"""

import asyncio
import logging
from typing import Final

from customhouse.domain.errors import CustomhouseError, StoreUnavailable
from customhouse.ledger import record, segment
from customhouse.ledger.append import Ledger
from customhouse.ledger.entry import Leaf
from customhouse.ledger.spool import MAX_DRAIN
from customhouse.ledger.standby import FAILED, SLOW, Standby

PROBE_INTERVAL_S: Final = 0.25
"""Between two attempts: turns find a database that came back within this, and one that is down is asked gently."""

_log = logging.getLogger(__name__)


async def start(ledger: Ledger, standby: Standby) -> None:
    """Open the spool and bring everything in it into the ledger, before the first turn. Raises StoreUnavailable.

    Calls that the spool closes must be closed before open calls are settled as unknown.
    """
    await standby.journal.run(standby.spool.open)
    if standby.spool.entries:
        _log.warning("%d records wait in the local spool: they join the ledger now", standby.spool.entries)
    await catch_up(ledger, standby)


async def tend(ledger: Ledger, standby: Standby, orphans: set[str]) -> None:
    """Catch up whenever there is something to catch up with, until cancelled.

    `orphans` gets the spans of calls that are open in the database and whose outcome was skipped: to be settled.
    """
    while True:
        await standby.work.wait()
        try:
            await catch_up(ledger, standby)
        except CustomhouseError as error:
            _log.warning("evidence cannot be written yet: %s", error.detail)
        if not standby.down:
            orphans |= standby.unsettled
            standby.unsettled.clear()
        if standby.done:
            standby.work.clear()
        else:
            await asyncio.sleep(PROBE_INTERVAL_S)


async def catch_up(ledger: Ledger, standby: Standby) -> None:
    """Drain and declare once. Raises StoreUnavailable, LedgerUnavailable; then nothing is lost."""
    spool, journal = standby.spool, standby.journal
    held: list[asyncio.TimerHandle] = []
    try:
        await _drain(ledger, standby, held)
    finally:
        for timer in held:
            timer.cancel()
        ledger.release()
    while (undeclared := standby.undeclared()) is not None:
        await _write(ledger, standby, [Leaf(entry, record.encode(entry.record)) for entry in undeclared.entries()])
        standby.declared()
        if undeclared.gaps:
            await journal.run(lambda gaps=undeclared.gaps: spool.forget(gaps))
    if standby.down:
        await _write(ledger, standby, [])
    try:
        await journal.run(spool.ready)
    except StoreUnavailable as error:
        _log.warning("no local file could be reserved for the spool: %s", error.__cause__ or error.detail)


async def _drain(ledger: Ledger, standby: Standby, held: list[asyncio.TimerHandle]) -> None:
    """Write what the spool holds, in its order; appends are held back for the last of it, `timeout_s` at most."""
    spool, journal = standby.spool, standby.journal
    while True:
        frames = await journal.run(spool.batch)
        if not frames and not standby.backlog:
            return
        if not standby.held and not standby.down and standby.backlog <= MAX_DRAIN:
            standby.held = True
            held.append(asyncio.get_running_loop().call_later(standby.timeout_s, _give_up, ledger, standby))
        if frames:
            unpacked = [segment.unpack(frame.body) for frame in frames]
            await _write(ledger, standby, [Leaf(entry, canonical) for entry, canonical, _ in unpacked])
            until_us = unpacked[-1][2]
            await journal.run(lambda frames=frames, until_us=until_us: spool.drained(frames, until_us))


def _give_up(ledger: Ledger, standby: Standby) -> None:
    if standby.held:
        standby.fail(SLOW)
        ledger.release()


async def _write(ledger: Ledger, standby: Standby, leaves: list[Leaf]) -> None:
    try:
        await ledger.append_once(leaves)
    except StoreUnavailable:
        standby.fail(FAILED)
        raise
    standby.answered()
