# SPDX-License-Identifier: Apache-2.0
"""Each look-up of a trace goes through an index of its table: on both stores, as the server's own role asks."""

import asyncio
import re
from pathlib import Path
from typing import Any, Final, cast

import apsw
import psycopg
from tests.ledger.book import Book, in_book, record

from customhouse.ledger.entry import Entry
from customhouse.store import queries
from customhouse.store.postgres import translated
from customhouse.store.postgres_session import session

RECORDS: Final = 4000
TENANTS: Final = ("acme", "bolt")
VALUES: Final = {"tenant": "acme", "name": "name-7", "trace_id": "019ab000-0000-7000-8000-000000000007"}
LOOKUPS: Final = [
    # query, the index on SQLite, the index on PostgreSQL (of a partition: its name begins with the table's)
    ("evidence_of_trace", "evidence_trace", "evidence_\\w+_pkey"),
    ("evidence_ids_of_trace", "evidence_trace", "evidence_\\w+_pkey"),
    ("reference_find", "PRIMARY KEY", "reference_pkey"),
    ("reference_find_first", "PRIMARY KEY", "reference_pkey"),
    ("payloads_of_trace", "PRIMARY KEY", "payload_\\w+_pkey"),
]


async def filled(book: Book) -> None:
    """Write records of two tenants, each in a trace and under a name of its own, and let a store that counts do so."""
    key = {tenant: await book.ledger.tenant_key(tenant) for tenant in TENANTS}
    written: list[Entry] = []
    for n in range(RECORDS):
        tenant, trace_id = TENANTS[n % 2], f"019ab000-0000-7000-8000-{n // 4:012d}"
        payload = key[tenant].seal(trace_id, f"request-{n}", b"hello")
        written.append(Entry(record(tenant=tenant, trace_id=trace_id), (payload,), (f"name-{n // 4}",)))
    for first in range(0, RECORDS, 500):
        await book.ledger.append(written[first : first + 500])
    await book.settle()
    if isinstance(book.place, str):  # PostgreSQL counts by itself, sooner or later; nobody counts a SQLite file
        book.asked("ANALYZE")


def plan_on_sqlite(path: Path, query: str, **more: int) -> str:
    connection = apsw.Connection(str(path))
    try:
        asked = f"EXPLAIN QUERY PLAN {queries.load('sqlite')[query]}"  # the store's own text
        found = cast("list[tuple[Any, ...]]", connection.execute(asked, {**VALUES, **more}).fetchall())
        return "\n".join(str(row[3]) for row in found)
    finally:
        connection.close()


def plan_on_postgres(url: str, query: str) -> str:
    with psycopg.connect(url, options=session("control", None)) as connection:
        connection.execute("SELECT set_config('customhouse.tenant', 'acme', true)")
        found = connection.execute(b"EXPLAIN " + translated(queries.load("postgres")[query]).encode(), VALUES)
        return "\n".join(str(row[0]) for row in found.fetchall())


def test_no_lookup_reads_a_whole_table(place: Path | str) -> None:
    async def story(book: Book) -> None:
        await filled(book)
        for query, on_sqlite, on_postgres in LOOKUPS:
            if isinstance(book.place, str):
                plan = await asyncio.to_thread(plan_on_postgres, book.place, query)
                assert f"Seq Scan on {on_postgres.partition('_')[0]}" not in plan, plan
                assert re.search(f"using {on_postgres}", plan), plan
            else:
                plan = await asyncio.to_thread(plan_on_sqlite, book.place, query)
                assert not re.search(r"SCAN (evidence|reference|payload)", plan), plan
                assert on_sqlite in plan, plan

    in_book(place, story)


def test_fsck_looks_for_each_id_by_its_index(tmp_path: Path) -> None:
    """Without it the check of a million records would take days."""

    async def story(book: Book) -> None:
        await filled(book)
        plan = await asyncio.to_thread(plan_on_sqlite, book.path, "fsck_references", limit=20)
        assert "SEARCH e USING COVERING INDEX evidence_trace" in plan, plan

    in_book(tmp_path, story)
