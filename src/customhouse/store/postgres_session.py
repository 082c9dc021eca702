# SPDX-License-Identifier: Apache-2.0
"""What every connection to PostgreSQL asks for when it opens: its role, and what must hold whatever the server says.

Rules kept:
- By start-up options: what a session begins with is what RESET ROLE goes back to.
- A connection that did not get its role is closed. Story: PgBouncer refuses start-up options until somebody writes
  `ignore_startup_parameters = options`; then connections work as the login role, whom row security may let through.
"""

from typing import Any, Final, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict

from customhouse.domain.errors import StoreUnavailable

Role = Literal["control", "gateway", "sequencer", "auditor"]

CONNECT_TIMEOUT_S: Final = 5


def session(role: Role, deadline_s: float | None) -> str:
    """Return the options of every connection: role, schema, and what must hold whatever the server's defaults are."""
    options = {
        "role": f"customhouse_{role}",
        "search_path": "customhouse",
        "synchronous_commit": "on",
        "timezone": "UTC",
        "lock_timeout": "5s",
        # A sequencer that is stopped in the middle of a batch holds the fence, for which the next leader waits.
        "idle_in_transaction_session_timeout": "4s" if role == "sequencer" else "60s",
        "statement_timeout": "0" if deadline_s is None else f"{int(deadline_s * 1000)}ms",
    }
    return " ".join(f"-c {name}={value}" for name, value in options.items())


def require_role(connection: psycopg.Connection[Any], role: Role) -> None:
    """Close a connection that did not take its role. Raises OperationalError. Cost: one round trip."""
    row = connection.execute("SELECT current_user").fetchone()
    if row != (f"customhouse_{role}",):
        connection.close()
        raise psycopg.OperationalError("the connection did not take its role: start-up options did not arrive")


def unreachable(url: str, role: str) -> StoreUnavailable:
    """Return the error of a database that cannot be connected to, without its password."""
    try:
        found = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        return StoreUnavailable(f"the database URL cannot be read: {error}")
    place = f"{found.get('host', 'localhost')}:{found.get('port', 5432)}/{found.get('dbname', '')}"
    return StoreUnavailable(
        f"PostgreSQL at {place} did not accept {found.get('user', 'the login role')} as customhouse_{role}: is it "
        "running, may the login role SET ROLE to it, and does a pooler in between pass start-up options on? "
        "`customhouse doctor` looks closer"
    )
