# SPDX-License-Identifier: Apache-2.0
"""A process that adds rows for ever, and says each name when its transaction returned: to be killed."""

import asyncio
import sys
from pathlib import Path

from tests.conformance.stores import Store, put


async def main(place: str) -> None:
    """Do so."""
    async with Store(place if "://" in place else Path(place)).opened() as database:
        number = 0
        while True:
            await database.transact(put(f"bot-{number}"))
            sys.stdout.write(f"bot-{number}\n")
            sys.stdout.flush()
            number += 1


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
