# SPDX-License-Identifier: Apache-2.0
"""What a PostgreSQL server says of itself: its version, safety, room for connections, and the schema's history."""

from collections.abc import Mapping
from typing import NamedTuple, cast

from customhouse.store.database import Transaction


class Server(NamedTuple):
    """A server. `connections` are those that logins may have, `used` the open ones; `unbound` is about `login`."""

    number: int
    version: str
    fsync: str
    full_page_writes: str
    encoding: str
    connections: int
    used: int
    login: str
    unbound: bool


def server(tx: Transaction) -> Server:
    """Return what the server says."""
    (row,) = tx.rows("server_facts")
    return Server(*cast("tuple[int, str, str, str, str, int, int, str, bool]", row))


def steps(tx: Transaction) -> Mapping[int, str]:
    """Return the digest of every step of the schema's history that was applied."""
    return dict(cast("list[tuple[int, str]]", tx.rows("schema_steps")))
