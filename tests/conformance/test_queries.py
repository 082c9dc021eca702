# SPDX-License-Identifier: Apache-2.0
"""Every named query is one that its store takes, and on PostgreSQL one that some role of the house may run."""

import re
from pathlib import Path
from typing import Any, Final, LiteralString, cast

import apsw
import psycopg
import pytest

from customhouse.store import queries
from customhouse.store.migrate import migrate
from customhouse.store.migration import packaged
from customhouse.store.postgres_session import Role, session

PARAMETER: Final = re.compile(r"(?<![:\w]):([a-z_]+)\b")
ROLES: Final[tuple[Role, ...]] = ("control", "gateway", "sequencer", "auditor")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite file with the current schema."""
    path = tmp_path_factory.mktemp("queries") / "db"
    connection = apsw.Connection(str(path))
    migrate(connection, packaged("sqlite"), 0)
    connection.close()
    return path


@pytest.mark.parametrize("name", sorted(queries.load("sqlite")))
def test_sqlite_takes_it(file: Path, name: str) -> None:
    query = queries.load("sqlite")[name]
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.execute(f"EXPLAIN {query}", dict.fromkeys(PARAMETER.findall(query)))
    finally:
        connection.close()


def refusal(connection: psycopg.Connection[Any], query: str) -> str | None:
    """Prepare a query and plan it with NULLs, as the connection's role; return why that was refused, if it was."""
    names = list(dict.fromkeys(PARAMETER.findall(query)))
    numbered = PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", query)
    values = f"({', '.join(['NULL'] * len(names))})" if names else ""
    try:
        connection.execute(cast("LiteralString", f"PREPARE q AS {numbered}"))
        connection.execute(cast("LiteralString", f"EXPLAIN EXECUTE q{values}"))
    except psycopg.errors.InsufficientPrivilege as error:
        return str(error).splitlines()[0]
    finally:
        connection.rollback()
    return None


def test_postgresql_takes_each_and_some_role_may_run_it(postgres: str) -> None:
    refused: dict[str, list[str]] = {}
    named = queries.load("postgres")
    for role in ROLES:
        with psycopg.connect(postgres, options=session(role, None)) as connection:
            for name, query in named.items():
                connection.execute("SELECT set_config('customhouse.tenant', 'acme', true)")
                why = refusal(connection, query)
                connection.execute("DEALLOCATE ALL")
                if why is not None:
                    refused.setdefault(name, []).append(why)
    assert len(named) > 80
    assert {name: why for name, why in refused.items() if len(why) == len(ROLES)} == {}
