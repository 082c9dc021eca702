# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL holds every query to the acting tenant: one that forgets it, on a connection that others used before.

Story: somebody edits a query and its `tenant_id = :tenant` is lost in a merge. Each of our queries is tried like that,
with bolt's own ids, by a connection that acts for acme: it finds nothing of bolt's.
"""

import asyncio
import random
import re
from collections.abc import Mapping
from typing import Any, Final, LiteralString, NamedTuple, cast

import psycopg
import pytest
from tests.attacks.test_row_security import ANSWER, APPROVAL, BUDGET, NOTIFICATION, REDEEMED, TENANTS_TABLES, acting
from tests.ledger.book import CLOCK, asked, open_book, record

from customhouse.ledger import tables
from customhouse.ledger.entry import Entry
from customhouse.store import queries
from customhouse.store.database import TenantUnset, Transaction
from customhouse.store.postgres import Role, open_postgres, session, translated

CONDITION: Final = re.compile(r"(?:\w+\.)?tenant_id = :tenant")
FORGETFUL: Final[Mapping[str, str]] = {
    name: CONDITION.sub("TRUE", text)
    for name, text in queries.load("postgres").items()
    if CONDITION.search(text) and any(re.search(rf"\b{table}\b", text) for table in TENANTS_TABLES)
}
"""Every query that names the tenant in a condition, without that condition."""
OPEN: Final = frozenset({("control", "chain_head_get"), ("control", "approval_find"), ("control", "approval_answers")})
"""The operators' verbs may list every log (its name, length and hash), and the held calls of every tenant."""


class Filled(NamedTuple):
    """A database with every kind of row of acme and bolt; `values` are the parameters that find bolt's."""

    url: str
    values: Mapping[str, object]


@pytest.fixture
def filled(postgres: str) -> Filled:
    """Return a database in which acme and bolt have every kind of row, placed and staged."""
    traces = {tenant: CLOCK.uuid7() for tenant in ("acme", "bolt")}
    spans = {tenant: CLOCK.uuid7() for tenant in traces}

    async def main() -> None:
        async with open_book(postgres) as book:
            for tenant, trace_id in traces.items():
                key = await book.ledger.tenant_key(tenant)
                sealed = key.seal(trace_id, "request", b"TRIPWIRE")
                called = record("model.called", tenant, trace_id, span_id=spans[tenant])
                ended = record("response.completed", tenant, trace_id)
                await book.ledger.append([Entry(called, (sealed,), (f"named-by-{tenant}",), opens=True), Entry(ended)])
            await book.settle()
            for tenant, trace_id in traces.items():
                await book.ledger.append([Entry(record("response.completed", tenant, trace_id))])
                book.asked(BUDGET.format(tenant=tenant, requests=7).replace("'bot'", f"'assistant-of-{tenant}'"))
                book.asked(APPROVAL.format(tenant=tenant, expires=9, state="requested"))
                book.asked(ANSWER.format(tenant=tenant))
                book.asked(REDEEMED.format(tenant=tenant))
                book.asked(NOTIFICATION.format(tenant=tenant))

    asyncio.run(main())
    values: dict[str, object] = {
        "tenant": "bolt", "trace_id": traces["bolt"], "name": "named-by-bolt", "span_id": [spans["bolt"]], "first": 0,
        "end": 1000, "limit": 100, "before": "f" * 36, "oldest": "0", "newest": "f" * 36, "size": 9, "hash": b"x",
        "expected_size": 2, "expected_hash": b"x", "traces": f'["{traces["bolt"]}"]',
        "environment": "dev", "assistant": "assistant-of-bolt", "holder": "tenant", "per": "day", "began_us": 0,
        "ends_us": 9, "requests": 8, "tokens_spent": 0, "tokens_reserved": 0, "microusd_spent": 0,
        "microusd_reserved": 0, "expected_changes": 0, "after": "",
        "id": "approval-of-bolt", "approval": "approval-of-bolt", "state": "expired", "expected_state": "requested",
        "decided_at_us": 9, "channel": "smtp", "stage": "done", "expected_stage": "requested", "attempts": 2,
        "expected_attempts": 1, "due_at_us": 9, "now_us": 9,
    }  # fmt: skip
    return Filled(postgres, values)


def cells(rows: list[tuple[Any, ...]]) -> set[bytes]:
    """Return what stands in rows that is long enough to belong to somebody."""
    values = [cell if isinstance(cell, bytes) else str(cell).encode() for row in rows for cell in row]
    return {value for value in values if len(value) > 11}


def bolts(url: str) -> set[bytes]:
    """Return everything that stands in rows of bolt's and in none of acme's."""
    found: dict[str, set[bytes]] = {"acme": set(), "bolt": set()}
    for table in TENANTS_TABLES:
        for tenant in found:
            query = f"SELECT * FROM {table} WHERE tenant_id = '{tenant}'"  # noqa: S608 - constants
            found[tenant] |= cells(asked(url, query))
    return found["bolt"] - found["acme"]


def ran(filled: Filled, role: Role, tenant: str, name: str) -> tuple[set[bytes], int]:
    """Run a query without its condition; return what it shows and how many rows it touched: none if it is refused."""
    missing = [each for each in re.findall(r"(?<![:\w]):([a-z_]+)\b", FORGETFUL[name]) if each not in filled.values]
    assert not missing, f"the query {name} takes {missing}: add a value that finds a row of bolt's to `filled`"
    with acting(filled.url, role, tenant) as connection:
        try:
            text = cast("LiteralString", translated(FORGETFUL[name]))
            cursor = connection.execute(text, cast("dict[str, Any]", filled.values), binary=True)
        except psycopg.errors.InsufficientPrivilege:
            return set(), 0
        return (cells(cursor.fetchall()) if cursor.description else set()), cursor.rowcount


def test_a_query_that_forgets_its_tenant_finds_nothing_of_another(filled: Filled) -> None:
    own, telling = bolts(filled.url), 0
    assert len(own) > 8
    for name in FORGETFUL:
        for role in ("control", "gateway"):
            shown, touched = ran(filled, cast("Role", role), "acme", name)
            assert (role, name) in OPEN or not shown & own, f"{name} as {role} shows what is bolt's"
            mine, changed = ran(filled, cast("Role", role), "bolt", name)
            telling += bool(mine & own)
            if "DELETE" in FORGETFUL[name] or "UPDATE" in FORGETFUL[name]:
                assert touched == 0, f"{name} as {role} changes what is bolt's"
                telling += changed > 0
    assert telling > 12, "acting for bolt, the same queries find bolt's rows: this test can fail"


def test_a_connection_tells_nothing_of_whom_it_acted_for(filled: Filled) -> None:
    """Sixty works of two tenants at once, some of which fail half-way, on three connections."""
    chance = random.Random(7)  # noqa: S311 - a repeatable order, no secret

    class Failed(Exception):
        pass

    async def main() -> None:
        database = await open_postgres(filled.url, "gateway")

        def whose(tx: Transaction, tenant: str, *, fails: bool) -> bytes | None:
            tx.act_for(tenant)
            key = tables.wrapped_key(tx, tenant)
            if fails:
                raise Failed
            return key

        def nobody(tx: Transaction) -> None:
            cast("Any", tx)._connection.execute("SELECT 1 FROM evidence")

        async def one(number: int) -> None:
            tenant = chance.choice(("acme", "bolt"))
            match number % 4:
                case 0:
                    with pytest.raises(Failed):
                        await database.transact(lambda tx: whose(tx, tenant, fails=True))
                case 1:
                    with pytest.raises(TenantUnset):
                        await database.read(nobody)
                case _:
                    assert await database.transact(lambda tx: whose(tx, tenant, fails=False)) == keys[tenant]

        keys = dict(asked(filled.url, "SELECT tenant_id, wrapped FROM tenant_key"))
        try:
            await asyncio.gather(*(one(number) for number in range(60)))
        finally:
            await database.close()

    asyncio.run(main())


@pytest.mark.parametrize("plan", ["auto", "force_generic_plan"])
def test_a_prepared_statement_asks_anew_whose_rows_it_may_see(filled: Filled, plan: str) -> None:
    with psycopg.connect(filled.url, options=f"{session('gateway', 5.0)} -c plan_cache_mode={plan}") as connection:
        for number in range(24):
            tenant = ("acme", "bolt")[number % 2]
            connection.execute("SELECT set_config('customhouse.tenant', %s, true)", (tenant,))
            rows = connection.execute("SELECT DISTINCT tenant_id FROM evidence", prepare=True).fetchall()
            assert rows == [(tenant,)]
            connection.execute("COMMIT" if number % 3 else "ROLLBACK")
            with pytest.raises(psycopg.Error) as refused:
                connection.execute("SELECT DISTINCT tenant_id FROM evidence", prepare=True)
            assert refused.value.sqlstate == "CH001"
            connection.rollback()
