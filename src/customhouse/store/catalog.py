# SPDX-License-Identifier: Apache-2.0
"""What is moved from a SQLite file to PostgreSQL: every table and column that the two catalogs have in common.

Read from the databases themselves, so that a new table joins by itself. One that only one side has stops the move,
unless it is in the lists below with its reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import apsw
import psycopg

from customhouse.domain.errors import MoveRefused

STAYS: Final[Mapping[str, str]] = {
    "schema_migration": "each store has a history of its own",
    "replica": "the processes that ran on the file; those on the server report themselves",
    "acknowledgement": "likewise",
    "session": "browsers sign in again: what stays behind opens nothing at the new place",
    "sequencer": "PostgreSQL alone has one",
    "sequencer_term": "likewise",
    "evidence_staged": "likewise: on SQLite a record has its place when its call has an outcome",
    "opening": "SQLite alone has these rows, and a file with one is not moved (ledger/move.py)",
}
"""Tables that are not moved, and why."""
SEEDED: Final = frozenset({"schema_migration", "access_generation", "switch_generation", "sequencer"})
"""Tables that have a row as soon as the schema is there."""
_POSTGRES: Final = """
SELECT c.relname, c.relforcerowsecurity, a.attname, a.atttypid::regtype::text, a.attidentity <> ''
  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'customhouse'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
 ORDER BY c.oid, a.attnum
"""
_SQLITE: Final = """
SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
 WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite~_%' ESCAPE '~'
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the target: its columns with their types, which one numbers itself, whether row security is forced."""

    name: str
    columns: Mapping[str, str]
    identity: str | None
    secured: bool


def target_tables(connection: psycopg.Connection[Any]) -> tuple[Table, ...]:
    """Return every table of the target but partitions, each after those that it refers to (the order of creation)."""
    found: dict[str, list[tuple[str, bool, str, str, bool]]] = {}
    for row in cast("list[tuple[str, bool, str, str, bool]]", connection.execute(_POSTGRES).fetchall()):
        found.setdefault(row[0], []).append(row)
    return tuple(
        Table(
            name=name,
            columns={row[2]: row[3] for row in rows},
            identity=next((row[2] for row in rows if row[4]), None),
            secured=rows[0][1],
        )
        for name, rows in found.items()
    )


def moved_tables(source: apsw.Connection, target: tuple[Table, ...]) -> tuple[Table, ...]:
    """Return the tables to move, in the target's order. Raises MoveRefused when the two sides do not fit."""
    here: dict[str, set[str]] = {}
    for name, column in cast("list[tuple[str, str]]", source.execute(_SQLITE).fetchall()):
        here.setdefault(name, set()).add(column)
    there = {table.name: table for table in target}
    for name in sorted({*here, *there} - set(STAYS)):
        columns = set(there[name].columns) if name in there else set[str]()
        if columns != here.get(name, set()):
            raise MoveRefused(f"table {name} is not the same on both sides: it is a mistake of this version; report it")
    return tuple(table for table in target if table.name not in STAYS)
