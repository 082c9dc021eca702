# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL while works are on their way: what is given up is not begun; what nobody knows is not called undone."""

import asyncio
import threading
from typing import Final

import psycopg
import pytest
from tests.store.silent_line import Line, line_to

from customhouse.domain.errors import StoreUnavailable
from customhouse.store.database import Transaction
from customhouse.store.postgres import CONNECTIONS, PostgresDatabase, open_postgres

_BREAK: Final = """
CREATE FUNCTION customhouse.break_off() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM pg_terminate_backend(pg_backend_pid());
    PERFORM pg_sleep(10);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER break_off AFTER INSERT ON customhouse.tenant_key DEFERRABLE INITIALLY DEFERRED
   FOR EACH ROW EXECUTE FUNCTION customhouse.break_off();
"""


def requests(database: PostgresDatabase) -> int:
    """Return how many connections were asked for so far."""
    return int(database._pool.get_stats()["requests_num"])  # pyright: ignore[reportPrivateUsage]


def test_works_that_were_given_up_in_the_queue_ask_for_no_connection(postgres: str) -> None:
    """A server whose database hangs stops within the deadline, however many turns had come."""

    async def main() -> None:
        database = await open_postgres(postgres, "gateway", deadline_s=0.2)
        ran: list[int] = []
        held = asyncio.Event()
        loop = asyncio.get_running_loop()
        go_on = asyncio.Event()

        def busy(_: Transaction) -> None:
            loop.call_soon_threadsafe(held.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(30)

        works = [database.begin(busy) for _ in range(CONNECTIONS["gateway"])]
        await held.wait()
        works += [database.begin(lambda _: ran.append(1)) for _ in range(50)]
        await asyncio.wait(works)
        asked = requests(database)
        go_on.set()
        await database.close()
        assert ran == []
        assert requests(database) <= asked
        assert all(isinstance(work.exception(), StoreUnavailable) for work in works)

    asyncio.run(main())


def test_a_connection_that_broke_at_its_commit_is_not_said_to_have_changed_nothing(postgres: str) -> None:
    async def main() -> None:
        with psycopg.connect(postgres, autocommit=True) as other:
            other.execute(_BREAK)
        database = await open_postgres(postgres, "gateway")

        def work(tx: Transaction) -> None:
            tx.act_for("acme")
            tx.run("tenant_key_insert", tenant="acme", wrapped=b"key", now_us=1)

        with pytest.raises(StoreUnavailable, match="may or may not have been done"):
            await database.begin(work)
        await database.close()

    asyncio.run(main())


def test_connections_that_fell_silent_are_given_up_and_replaced(postgres: str) -> None:
    """A firewall forgets every connection. Without an end of our own each thread would wait for 15 minutes."""

    async def main(line: Line) -> None:
        database = await open_postgres(line.url, "control", deadline_s=0.5)
        held = threading.Barrier(CONNECTIONS["control"])

        def all_at_once(_: Transaction) -> None:
            held.wait(10)

        await asyncio.gather(*(database.read(all_at_once) for _ in range(CONNECTIONS["control"])))
        line.fall_silent()
        works = [database.begin(lambda tx: tx.row("now_us")) for _ in range(CONNECTIONS["control"])]
        await asyncio.wait(works)
        assert all(isinstance(work.exception(), StoreUnavailable) for work in works)
        async with asyncio.timeout(20):
            while True:
                try:
                    assert await database.read(lambda tx: tx.row("now_us")) is not None
                    break
                except StoreUnavailable:
                    continue
        await database.close()

    with line_to(postgres) as line:
        asyncio.run(main(line))
