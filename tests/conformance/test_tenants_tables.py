# SPDX-License-Identifier: Apache-2.0
"""Every table with tenants' rows is found in the catalogs themselves: a new one is asked for the same at once."""

from typing import Any

import psycopg
import pytest
from tests.ledger.book import asked
from tests.store.test_sql_rules import STAGED, TENANTS

from customhouse.store.catalog import STAYS, target_tables

TABLES = """
SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relispartition,
       (SELECT a.attname FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
         WHERE i.indrelid = c.oid AND i.indisprimary)
  FROM pg_class AS c
 WHERE c.relnamespace = 'customhouse'::regnamespace AND c.relkind IN ('r', 'p')
   AND EXISTS (SELECT FROM pg_attribute AS a
                WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
"""
POLICIES = """
SELECT tablename FROM pg_policies
 WHERE schemaname = 'customhouse' AND roles = '{customhouse_control,customhouse_gateway}' AND cmd = 'ALL'
   AND qual LIKE '(tenant_id = ( SELECT acting_tenant()%' AND qual = with_check
"""
BEGUN = "opening"
"""A tenant's table that SQLite alone has."""


@pytest.fixture
def tables(postgres: str) -> list[tuple[Any, ...]]:
    """Return (table, secured, forced, partition, first column of its key), with days of past and future made."""
    asked(postgres, "SELECT ensure_day(CURRENT_DATE + n) FROM generate_series(-400, 30, 43) AS n")
    return asked(postgres, TABLES)


def test_row_security_is_on_and_forced_also_for_partitions(tables: list[tuple[Any, ...]]) -> None:
    assert [name for name, secured, forced, *_ in tables if not (secured and forced)] == []
    assert sum(partition for *_, partition, _ in tables) > 2 * 15


def test_each_has_the_policy_of_its_tenant(tables: list[tuple[Any, ...]], postgres: str) -> None:
    parents = {name for name, _, _, partition, _ in tables if not partition}
    assert {row[0] for row in asked(postgres, POLICIES)} == parents


def test_keys_begin_with_the_tenant_but_that_of_what_is_staged(tables: list[tuple[Any, ...]]) -> None:
    assert {name for name, *_, first in tables if first != "tenant_id"} == {STAGED}


def test_the_rules_of_sql_know_all_of_them(tables: list[tuple[Any, ...]]) -> None:
    """tests/store/test_sql_rules.py reads every query of these tables for its tenant."""
    assert {name for name, _, _, partition, _ in tables if not partition} == {*TENANTS, STAGED} - {BEGUN}


def test_both_stores_have_the_same_tables_and_columns(postgres: str) -> None:
    from tests.store.test_sql_rules import TABLES as ON_SQLITE  # noqa: PLC0415 - beside this file's own TABLES

    with psycopg.connect(postgres) as connection:
        there = {table.name: set(table.columns) for table in target_tables(connection)}
    here = {name: {column for column, _ in columns} for name, columns in ON_SQLITE.items() if "sqlite_" not in name}
    alone = {"sequencer", "sequencer_term", "evidence_staged"}
    assert here.pop(BEGUN)
    assert here == {name: columns for name, columns in there.items() if name not in alone}
    assert {*alone, BEGUN} < set(STAYS)
