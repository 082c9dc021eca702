# SPDX-License-Identifier: Apache-2.0
"""The SQL itself is read: tenants stay apart, history is only added to, and no SQL is put together in Python."""

import ast
import re
from importlib import resources
from pathlib import Path
from typing import Final, cast

import apsw
import pytest

import customhouse
from customhouse.store import queries
from customhouse.store.migrate import migrate
from customhouse.store.migration import packaged

ADDED_ONLY: Final = frozenset(
    {
        "approval_answer",
        "change_review",
        "charter",
        "evidence",
        "hold",
        "hold_lift",
        "payload",
        "pin_event",
        "reference",
        "release",
        "switch",
        "switch_lift",
        "version",
    }
)
"""Tables whose rows nobody changes or takes away."""
DELETING: Final = {
    "open_call_close": "the call's outcome is recorded in the same transaction",
    "open_call_close [postgres]": "likewise",
    "opening_take [sqlite]": "the records that it returns get their places in the same transaction",
    "open_calls_take": "every call that it returns is recorded as unknown in the same transaction",
    "open_call_take": "likewise",
    "evidence_place [postgres]": "a staged record gets its place in the same statement",
    "replicas_forget": "a replica that has been gone for long; what it did is evidence, that it lived is none",
    "acknowledgements_forget": "likewise",
    "budget_forget": "the window has ended; what it counted is in the usage of each model.answered",
    "ticket_forget": "the ticket has expired; that it was redeemed is a record",
    "session_end": "somebody signs out, which session.ended says in the same transaction",
    "session_forget": "the session's time is over, as session.began said",
    "session_bound": "the oldest sessions of somebody who signs in again and again; each began with a record",
    "payload_expire": "the retention has ended, which payload.expired says first; the record that names it stays",
}
"""The only queries that delete, and why they may."""
EVERYONES: Final = "Organisation-wide"
"""What the comment of a query says that reads across tenants on purpose."""
HEADER: Final = re.compile(r"^-- (\w+(?: \[\w+\])?) --$", re.MULTILINE)
USED: Final = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN)\s+(\w+)")
CHANGED: Final = re.compile(r"\b(?:UPDATE|DELETE\s+FROM|REPLACE\s+INTO)\s+(\w+)")
NUMBERED: Final = {
    "opening": "its number is made of the tenant's name: one page is written for a row, not two (ADR 44)"
}
"""Tables whose key is a number, and why."""
SQL_TEXT: Final = re.compile(
    r"\b(SELECT\s+\S.*\bFROM\b|INSERT\s+(OR \w+\s+)?INTO\b|DELETE\s+FROM\b|UPDATE\s+\w+\s+SET\b)", re.DOTALL
)
PUT_TOGETHER: Final = {"migrate.py", "migrate_postgres.py", "backup.py", "checkup.py", "catalog.py", "move.py"}
"""Files with SQL of their own: what makes, copies and looks at a whole schema, before or beside the named queries."""
SOURCE: Final = Path(customhouse.__file__).parent


def described() -> dict[str, tuple[str, str]]:
    """Return (comment, SQL) of every query by name."""
    found: dict[str, tuple[str, str]] = {}
    for file in resources.files("customhouse.store").joinpath("sql").iterdir():
        parts = HEADER.split(file.read_text(encoding="utf-8"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            lines = text.strip().splitlines()
            comment = " ".join(line[2:].strip() for line in lines if line.startswith("--"))
            found[name] = (comment, "\n".join(line for line in lines if not line.startswith("--")))
    return found


def tables() -> dict[str, list[tuple[str, int]]]:
    """Return (column, place in the primary key) of every table that the migrations make."""
    connection = apsw.Connection(":memory:")
    migrate(connection, packaged("sqlite"), 0)
    asked = "SELECT t.name, c.name, c.pk FROM sqlite_schema AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table'"
    found: dict[str, list[tuple[str, int]]] = {}
    for table, column, place in cast("list[tuple[str, str, int]]", connection.execute(asked).fetchall()):
        found.setdefault(table, []).append((column, place))
    connection.close()
    return found


QUERIES: Final = described()
TABLES: Final = tables()
TENANTS: Final = {name for name, columns in TABLES.items() if "tenant_id" in dict(columns)}
NAMES: Final = {name.split(" ")[0] for name in QUERIES}
STAGED: Final = "evidence_staged"
"""A tenant's table that PostgreSQL alone has."""


def test_the_readers_of_this_file_see_what_the_house_sees() -> None:
    for store in ("sqlite", "postgres"):
        own = {name for name in QUERIES if " " not in name or name.endswith(f"[{store}]")}
        assert {name.split(" ")[0] for name in own} == set(queries.load(store))
    rooms = {"evidence", "payload", "reference", "chain_head", "tenant_key", "open_call", "budget_window"}
    rooms |= {"opening", "ticket_redemption"}
    rooms |= {"approval", "approval_answer", "notification"}
    assert rooms == TENANTS
    assert set(TABLES) >= ADDED_ONLY


@pytest.mark.parametrize("table", sorted(TENANTS))
def test_a_tenants_table_begins_its_key_with_the_tenant(table: str) -> None:
    assert dict(TABLES[table])["tenant_id"] == 1 or table in NUMBERED


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_says_what_it_is_for(name: str) -> None:
    assert QUERIES[name][0].endswith(".")


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_names_the_tenant_wherever_there_is_one(name: str) -> None:
    comment, sql = QUERIES[name]
    used = [table for table in USED.findall(sql) if table in {*TENANTS, STAGED}]
    if not used:
        return
    if EVERYONES in comment:
        assert ":tenant" not in sql
    elif sql.startswith("INSERT"):
        assert re.search(r"INTO \w+ \(tenant_id,", sql)
        assert re.search(r"(VALUES \(|\nSELECT ):tenant,", sql)
    else:
        assert len(re.findall(r"WHERE (?:\w+\.)?tenant_id = :tenant\b", sql)) == len(used), "one for each table"
        assert not re.search(r"\bOR\b", sql), "an OR may go round the tenant"


@pytest.mark.parametrize("name", QUERIES)
def test_history_is_added_to_and_never_changed(name: str) -> None:
    _, sql = QUERIES[name]
    touched = set(CHANGED.findall(sql)) & ADDED_ONLY
    assert not touched or name in DELETING, f"{name} changes {touched}"
    assert "DO UPDATE" not in sql or not set(re.findall(r"\bINTO\s+(\w+)", sql)) & ADDED_ONLY


@pytest.mark.parametrize("name", QUERIES)
def test_what_deletes_has_a_reason(name: str) -> None:
    assert ("DELETE" in QUERIES[name][1]) == (name in DELETING)


@pytest.mark.parametrize("name", QUERIES)
def test_every_column_is_asked_for_by_name(name: str) -> None:
    assert "SELECT *" not in QUERIES[name][1]


def test_every_query_is_called_from_a_tables_file_and_from_nowhere_else() -> None:
    callers: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="rows" | "rows_of_each" | "row" | "run" | "run_many" | "put_many"),
                    args=[ast.Constant(value=str(query)), *_],
                ) if query in NAMES:
                    callers.setdefault(query, set()).add(path.name)
                case _:
                    pass
    assert set(callers) == NAMES
    assert {name for files in callers.values() for name in files if not name.endswith("tables.py")} == set()


def texts(tree: ast.AST) -> list[tuple[int, str, bool]]:
    """Return (line, text, put together) of every string that is no docstring."""
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    found: list[tuple[int, str, bool]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value for part in node.values if isinstance(part, ast.Constant)]
            found.append((node.lineno, " ".join(str(part) for part in parts), True))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            found.append((node.lineno, node.value, False))
    return found


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_sql_stands_in_python_but_that_of_migrations(path: Path) -> None:
    for line, text, together in texts(ast.parse(path.read_text(encoding="utf-8"))):
        if SQL_TEXT.search(text):
            assert not together, f"line {line}: SQL put together with an f-string"
            assert path.name in PUT_TOGETHER, f"line {line}: {text}"
