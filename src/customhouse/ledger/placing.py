# SPDX-License-Identifier: Apache-2.0
"""How records get their places in a log: at once where one process writes (SQLite), by the sequencer where many do."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from customhouse.ledger import chained, staged
from customhouse.ledger.entry import Leaf
from customhouse.store.database import Transaction


class Placing(NamedTuple):
    """What a store does, each inside a transaction.

    `alone` waits, at its beginning, for whatever a replica still has on its way to the ledger. `extend` adds leaves of
    a replica to the log of the tenant that the transaction acts for, with what belongs to them. `join` gives the
    records with which open calls began their places, of all calls or of some spans; the calls stay open. The last two
    raise LedgerUnavailable.
    """

    alone: Callable[[Transaction, str], None]
    extend: Callable[[Transaction, str, Sequence[Leaf], str], None]
    join: Callable[[Transaction, frozenset[str] | None], None]


CHAINED: Final = Placing(chained.alone, chained.extend, chained.join)
STAGED: Final = Placing(staged.alone, staged.extend, staged.join)
