# SPDX-License-Identifier: Apache-2.0
"""A database that goes away: whoever asks is told in time, what was acknowledged is there, work goes on by itself."""

import asyncio
import random
import uuid
from typing import Final

import psycopg
import pytest
from benchmarks.postgres_server import PostgresServer, postgres_server
from psycopg.conninfo import make_conninfo
from tests.conformance.stores import Store, put
from tests.postgres import execute, named

from customhouse.domain.errors import StoreUnavailable
from customhouse.store.migrate_postgres import migrate, require_server
from customhouse.store.migration import packaged
from customhouse.store.postgres import open_postgres

IN_TIME_S = 12
"""Two attempts to connect at most, each bounded by CONNECT_TIMEOUT_S."""


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_server_that_is_killed_and_comes_back() -> None:
    with postgres_server() as server:
        execute(server.url, "CREATE DATABASE customhouse")
        url = named(server.url, "customhouse")
        migrate(url, packaged("postgres"))
        asyncio.run(_outage(server, url))
        assert Store(url).names() == {"before-0", "before-1", "after-0", "after-1"}


async def _outage(server: PostgresServer, url: str) -> None:
    databases = [await open_postgres(url, "control"), await open_postgres(url, "gateway")]
    control, gateway = databases
    try:
        for database in databases:
            assert await database.changed(0.01) is True
        for number in range(2):
            await control.transact(put(f"before-{number}"))
        await asyncio.to_thread(server.kill, "machine", random.Random(0))  # noqa: S311 - nothing is picked
        for database in databases:
            for call in (database.transact, database.begin, database.read):
                async with asyncio.timeout(IN_TIME_S):
                    with pytest.raises(StoreUnavailable):
                        await call(lambda tx: tx.rows("access_generation_get"))
        with pytest.raises(StoreUnavailable):
            await gateway.changed(IN_TIME_S)
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(IN_TIME_S):
            for number in range(2):
                await control.transact(put(f"after-{number}"))
            assert await gateway.changed(IN_TIME_S) is True, "nobody listened meanwhile: look again"
    finally:
        for database in databases:
            await database.close()


REFUSALS: Final = (
    ("ada:secret@127.0.0.1:1/customhouse", "127.0.0.1:1/customhouse did not accept ada", "Connection refused"),
    ("ada:secret@host.invalid/customhouse", "host.invalid:5432/customhouse did not accept ada", "host.invalid"),
    ("ada:secret@127.0.0.1/customhouse?passfiel=x", "cannot be read", 'invalid URI query parameter: "passfiel"'),
)
"""URLs that lead nowhere; where, and why."""


@pytest.mark.parametrize(("address", "where", "why"), REFUSALS)
def test_a_url_that_leads_nowhere_is_told_with_the_reason_and_without_its_password(
    address: str, where: str, why: str
) -> None:
    url = f"postgresql://{address}"
    for connect in (
        lambda: asyncio.run(open_postgres(url, "control")),
        lambda: migrate(url, ()),
        lambda: require_server(url),
    ):
        with pytest.raises(StoreUnavailable) as caught:
            connect()
        said = str(caught.value)
        assert where in said
        assert why in said
        assert "secret" not in said
        assert "\n" not in said


def test_what_the_server_refuses_is_told_in_its_words(postgres: str) -> None:
    """Found by hand: whatever was wrong, the same guess was said, "is it running, may the login role SET ROLE"."""
    nowhere = named(postgres, "nowhere")
    with pytest.raises(StoreUnavailable, match='database "nowhere" does not exist'):
        migrate(nowhere, ())
    login = f"clerk_{uuid.uuid4().hex[:12]}"
    execute(postgres, "CREATE ROLE {} LOGIN PASSWORD 'x'", login)
    try:
        as_clerk = make_conninfo(postgres, user=login, password="x")  # noqa: S106 - of a role of this test
        with pytest.raises(StoreUnavailable, match="permission denied to set role"):
            asyncio.run(open_postgres(as_clerk, "control"))
        with pytest.raises(StoreUnavailable, match=r"permission denied for schema customhouse.*must own the database"):
            migrate(as_clerk, packaged("postgres"))
    finally:
        execute(postgres, "DROP ROLE {}", login)


def test_sessions_that_were_ended_cost_nobody_an_error(postgres: str) -> None:
    """A restart, or an administrator: connections that lay idle are replaced before any work is begun on them."""

    async def main() -> None:
        database = await open_postgres(postgres, "control")
        try:
            await asyncio.gather(*(database.read(lambda tx: tx.rows("environments")) for _ in range(20)))
            with psycopg.connect(postgres, autocommit=True) as administrator:
                ended = administrator.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                ).fetchone()
            assert ended is not None
            assert ended[0] >= 1
            assert await database.transact(put("after")) == 1
        finally:
            await database.close()

    asyncio.run(main())
    assert Store(postgres).names() == {"after"}
