# SPDX-License-Identifier: Apache-2.0
"""What the verbs of this room need around them. `registry.control.Control`, which stands above this room, just fits."""

from typing import Protocol

from customhouse.domain.clock import Clock
from customhouse.ledger.append import Ledger
from customhouse.store.database import Database


class Office(Protocol):
    """A database, the ledger that shares its transactions, and the clock."""

    @property
    def database(self) -> Database:
        """Return the database of keys and people."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Return the ledger that writes into the same transactions."""
        ...

    @property
    def clock(self) -> Clock:
        """Return the source of time, ids and random bytes."""
        ...
