# SPDX-License-Identifier: Apache-2.0
"""A process that keeps entries in a spool and tells which were acknowledged, until somebody kills it.

Usage: python spooling_child.py DIRECTORY NAME. Each acknowledged entry's trace is one line of standard output.
"""

import asyncio
import sys
from pathlib import Path

from customhouse.domain.clock import SystemClock, rfc3339
from customhouse.ledger.entry import Entry, Leaf
from customhouse.ledger.record import Record, encode
from customhouse.ledger.standby import Standby, open_standby
from customhouse.store.disk import RealDisk
from customhouse.vault.seal import Sealed

CLOCK = SystemClock()


def opened(directory: Path) -> Standby:
    """Return the standby that the child and the test use."""
    key, bound = bytes(range(32)), 64 * 1024 * 1024
    return open_standby(directory, key, CLOCK, disk=RealDisk(), max_bytes=bound, max_age_s=3600, timeout_s=30)


async def keep(directory: Path, name: str) -> None:
    """Append for ever, four callers at once; every third entry is skipped under a gap instead."""
    standby = opened(directory)
    await standby.journal.run(standby.spool.open)
    standby.fail("ledger.unavailable")
    print("ready", flush=True)  # noqa: T201 - read by the test

    async def caller(number: int) -> None:
        for count in range(10**9):
            trace = f"{name}.{number}.{count}"
            mode = "open" if count % 3 == 2 else "spool"
            await standby.take([leaf(trace)], mode, None)
            print(mode, trace, flush=True)  # noqa: T201 - read by the test

    async with asyncio.TaskGroup() as callers:
        for number in range(4):
            callers.create_task(caller(number))


def leaf(trace: str) -> Leaf:
    now_us = CLOCK.now_us()
    record = Record(
        v=1, id=CLOCK.uuid7(), tenant="default", trace_id=trace, kind="request.accepted", at=rfc3339(now_us)
    )
    payload = Sealed("commitment", "request", CLOCK.random(1 + now_us % 9000))
    return Leaf(Entry(record, (payload,)), encode(record))


if __name__ == "__main__":
    asyncio.run(keep(Path(sys.argv[1]), sys.argv[2]))
