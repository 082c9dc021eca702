# SPDX-License-Identifier: Apache-2.0
"""A process that brings a store's schema up to date when it is told to, and says how many steps it applied."""

import sys

import apsw

from customhouse.store import migrate as sqlite
from customhouse.store import migrate_postgres
from customhouse.store.migration import packaged


def main(place: str) -> None:
    """Do so."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    if "://" in place:
        applied = migrate_postgres.migrate(place, packaged("postgres"))
    else:
        connection = apsw.Connection(place)
        connection.set_busy_timeout(30_000)
        applied = sqlite.migrate(connection, packaged("sqlite"), 0)
    sys.stdout.write(f"{applied}\n")


if __name__ == "__main__":
    main(sys.argv[1])
