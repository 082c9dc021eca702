# SPDX-License-Identifier: Apache-2.0
"""A replica that is killed while it tells of an approval: `python -m tests.approvals.dying_outbox PLACE URL`."""

import asyncio
import sys
from pathlib import Path

from tests.ledger.book import open_book

from customhouse.approvals.outbox import Outbox
from customhouse.domain.clock import SystemClock
from customhouse.notify.webhook import Webhook


async def main(place: str, url: str) -> None:
    clock = SystemClock()
    async with open_book(place if "://" in place else Path(place)) as book:
        channel = Webhook(url, "whsec_" + "QUFB" * 8, clock, timeout_s=60)
        await Outbox(
            channel, book.control, clock, public_url="https://ch.acme.test", observe=lambda _name, _outcome: None
        ).tell()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
