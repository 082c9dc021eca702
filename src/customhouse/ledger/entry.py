# SPDX-License-Identifier: Apache-2.0
"""What is appended to a log in one piece: a record, and what goes into the same transaction."""

from dataclasses import dataclass

from customhouse.ledger.record import Record
from customhouse.vault.seal import Sealed


@dataclass(frozen=True, slots=True)
class Entry:
    """A record with what goes into the same transaction.

    `references` are further ids under which the trace is found. `opens` keeps the record as an open call until an entry
    whose `closes` is its span; what a crash leaves open is settled as `model.unknown` at the next start.
    """

    record: Record
    payloads: tuple[Sealed, ...] = ()
    references: tuple[str, ...] = ()
    opens: bool = False
    closes: str | None = None


@dataclass(frozen=True, slots=True)
class Leaf:
    """An entry with its record's canonical bytes: what a log is made of."""

    entry: Entry
    canonical: bytes


def storable(name: str) -> str:
    """Return an id, which a model may have chosen, as every store takes it: PostgreSQL's text holds no NUL.

    One that is refused would take the records of every other tenant in the same commit with it.
    """
    return name.replace("\x00", "\ufffd")
