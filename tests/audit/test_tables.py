# SPDX-License-Identifier: Apache-2.0
"""A page of an audit goes through the index by trace: on both stores, as the server's own role asks."""

import asyncio
import re
from pathlib import Path
from typing import Any, Final, cast

import apsw
import psycopg
import pytest
from tests.ledger.book import Book, in_book, record

from customhouse.ledger.entry import Entry
from customhouse.ledger.record import ModelFacts
from customhouse.store import queries
from customhouse.store.postgres import translated
from customhouse.store.postgres_session import session

RECORDS: Final = 4000
VALUES: Final[dict[str, str | int]] = {
    "tenant": "acme",
    "after": "019ab000-0000-7000-8000-000000000007",
    "before": "019ab000-0000-7000-8000-000000000700",
    "limit": 100,
}


def on_sqlite(path: Path, query: str) -> str:
    connection = apsw.Connection(str(path))
    try:
        asked = f"EXPLAIN QUERY PLAN {queries.load('sqlite')[query]}"  # the store's own text
        found = cast("list[tuple[Any, ...]]", connection.execute(asked, VALUES).fetchall())
        return "\n".join(str(row[3]) for row in found)
    finally:
        connection.close()


def on_postgres(url: str, query: str) -> str:
    with psycopg.connect(url, options=session("control", None)) as connection:
        connection.execute("SELECT set_config('customhouse.tenant', 'acme', true)")
        found = connection.execute(b"EXPLAIN " + translated(queries.load("postgres")[query]).encode(), VALUES)
        return "\n".join(str(row[0]) for row in found.fetchall())


async def filled(book: Book) -> None:
    """Write calls of two tenants, in traces of four, and let a store that counts do so."""
    model = ModelFacts(deployment="local/small", provider="local", requested="m", attempt=1)
    entries = [
        Entry(record("model.called", ("acme", "bolt")[n % 2], f"019ab000-0000-7000-8000-{n // 8:012d}", model=model))
        for n in range(RECORDS)
    ]
    for first in range(0, RECORDS, 500):
        await book.ledger.append(entries[first : first + 500])
    await book.settle()
    if isinstance(book.place, str):
        book.asked("ANALYZE")


@pytest.mark.slow
def test_no_page_reads_a_whole_log(place: Path | str) -> None:
    async def story(book: Book) -> None:
        await filled(book)
        if isinstance(book.place, str):
            plan = await asyncio.to_thread(on_postgres, book.place, "audit_calls")
            assert "Seq Scan" not in plan, plan
            assert re.search(r"using evidence_\w+_pkey", plan), plan
            assert "Sort Key: evidence" not in plan, "it reads no further than its limit"
        else:
            plan = await asyncio.to_thread(on_sqlite, book.place, "audit_calls")
            assert "evidence_trace (tenant_id=? AND trace_id>? AND trace_id<?)" in plan, plan
            in_log, begun = plan.split("UNION ALL")
            assert "SCAN evidence" not in plan, plan
            assert "TEMP B-TREE" not in in_log, "it reads no further than its limit"
            assert "SCAN opening" in begun, "of calls that have just begun there are few"

    in_book(place, story)


def test_both_pages_are_alike_but_for_the_kind() -> None:
    for store in ("sqlite", "postgres"):
        calls, gaps = (queries.load(store)[name] for name in ("audit_calls", "audit_gaps"))
        as_gaps = calls.replace("model.called", "gap.declared")
        if store == "postgres":
            assert gaps == as_gaps
        else:  # no gap stands among what calls began with
            found = [" ".join(text.split()).removeprefix("SELECT 0") for text in (gaps, as_gaps.split("(", 2)[2])]
            assert found[1].removeprefix(" AS begun").startswith(found[0].rstrip(";")), found
