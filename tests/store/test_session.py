# SPDX-License-Identifier: Apache-2.0
"""What the server's defaults do not change for sessions of ours."""

import asyncio
from urllib.parse import urlsplit

from tests.postgres import execute

from customhouse.registry import switch_tables
from customhouse.store.database import Transaction
from customhouse.store.postgres import open_postgres


def test_verbs_see_what_was_done_while_they_waited_for_their_turn(postgres: str) -> None:
    name = urlsplit(postgres).path.removeprefix("/")
    execute(postgres, "ALTER DATABASE {} SET default_transaction_isolation TO 'repeatable read'", name)

    def advance(tx: Transaction) -> int | None:
        return switch_tables.advance(tx, switch_tables.generation(tx))

    async def main() -> list[int | None]:
        database = await open_postgres(postgres, "control")
        try:
            return await asyncio.gather(*(database.transact(advance) for _ in range(20)))
        finally:
            await database.close()

    assert sorted(asyncio.run(main()), key=str) == sorted(range(1, 21), key=str)
