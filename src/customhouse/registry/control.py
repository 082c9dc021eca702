# SPDX-License-Identifier: Apache-2.0
"""What every verb of the control plane needs: the database, the ledger, the release key and the clock.

Built once by the composition root and passed in as the first argument; it decides nothing by itself.
"""

from dataclasses import dataclass

from customhouse.domain.clock import Clock
from customhouse.ledger.append import Ledger
from customhouse.store.database import Database
from customhouse.vault.sign import ReleaseKey


@dataclass(frozen=True, slots=True)
class Control:
    """The control plane's surroundings. `release_key` signs releases, and its public half verifies what is loaded."""

    database: Database
    ledger: Ledger
    release_key: ReleaseKey
    clock: Clock
