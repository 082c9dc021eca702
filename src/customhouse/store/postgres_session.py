# SPDX-License-Identifier: Apache-2.0
"""What every connection to PostgreSQL asks for when it opens: its role, and what must hold whatever the server says.

Rules kept:
- By start-up options: what a session begins with is what RESET ROLE goes back to.
- A connection that did not get its role is closed. Story: PgBouncer refuses start-up options until somebody writes
  `ignore_startup_parameters = options`; then connections work as the login role, whom row security may let through.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict

from customhouse.domain.errors import StoreUnavailable

Role = Literal["control", "gateway", "sequencer", "auditor"]

CONNECT_TIMEOUT_S: Final = 5
LINE: Final[Mapping[str, Any]] = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
"""How a connection is opened, and after how many seconds of silence (19) the peer of one that only listens is gone."""
_IDLE_S: Final[Mapping[Role, int]] = {"control": 10, "gateway": 10, "sequencer": 4, "auditor": 60}
"""How long a session may do nothing inside a transaction. A replica that is stopped (SIGSTOP, a sleeping machine) in
the middle of a verb holds up all other verbs, and in the middle of a batch the fence that the next leader waits for."""


def session(role: Role, deadline_s: float | None) -> str:
    """Return the options of every connection: role, schema, and what must hold whatever the server's defaults are."""
    options = {
        "role": f"customhouse_{role}",
        "search_path": "customhouse",
        "synchronous_commit": "on",
        # What waited for its turn decides by what it sees then, not by what it saw before.
        "default_transaction_isolation": r"read\ committed",
        "timezone": "UTC",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": f"{_IDLE_S[role]}s",
        "statement_timeout": "0" if deadline_s is None else f"{int(deadline_s * 1000)}ms",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "3",
        "tcp_keepalives_count": "3",
    }
    return " ".join(f"-c {name}={value}" for name, value in options.items())


def require_role(connection: psycopg.Connection[Any], role: Role) -> None:
    """Close a connection that did not take its role. Raises OperationalError. Cost: one round trip."""
    row = connection.execute("SELECT current_user").fetchone()
    if row != (f"customhouse_{role}",):
        connection.close()
        raise psycopg.OperationalError("the connection did not take its role: start-up options did not arrive")


def reason(error: psycopg.Error) -> str:
    """Return what the driver says of a failed connection, in one line, without where it connected to."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    # A name with several addresses fails once for each; what follows a line in the next one is the library's advice.
    said = [line.rpartition(" failed: ")[2] for line in lines if " failed: " in line] or lines[:1]
    return "; ".join(dict.fromkeys(said)) or type(error).__name__


def unreachable(url: str, role: Role | None, error: psycopg.Error) -> StoreUnavailable:
    """Return the error of a database that cannot be connected to, without its password. Role None: the login's own."""
    try:
        found = conninfo_to_dict(url)
    except psycopg.ProgrammingError as unread:
        return StoreUnavailable(f"the database URL cannot be read: {reason(unread)}")
    place = f"{found.get('host', 'localhost')}:{found.get('port', 5432)}/{found.get('dbname', '')}"
    taken = "" if role is None else f" as customhouse_{role}"
    return StoreUnavailable(
        f"PostgreSQL at {place} did not accept {found.get('user', 'the login role')}{taken}: {reason(error)}. "
        "What it needs: docs/howto/postgresql-and-replicas.md; `customhouse doctor` looks closer"
    )


def refused(url: str, role: Role) -> StoreUnavailable:
    """Return why no connection opens in a role: a pool, which tries again and again, does not say. Cost: one try."""
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S, options=session(role, None)) as connection:
            require_role(connection, role)
    except psycopg.Error as error:
        return unreachable(url, role, error)
    return unreachable(url, role, psycopg.OperationalError(f"no answer within {CONNECT_TIMEOUT_S} s, and one later"))
