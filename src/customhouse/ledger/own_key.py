# SPDX-License-Identifier: Apache-2.0
"""Whether the key files are this database's own: asked before anything is served, signed or sealed with them.

Story: somebody starts a third replica and forgets CUSTOMHOUSE_KEYS. It would make keys of its own, say that it is
ready, and refuse every turn; a command would even sign a release that no other replica believes.
"""

from pathlib import Path
from typing import Final

from customhouse.domain.clock import Clock
from customhouse.domain.errors import LedgerUnavailable, StoreUnavailable
from customhouse.ledger import tables
from customhouse.ledger.append import Ledger
from customhouse.ledger.record import ORGANIZATION
from customhouse.store.database import Database, Transaction
from customhouse.vault.keyring import root_key
from customhouse.vault.seal import unwrap

LOGS: Final = 16
"""Tenants that are asked for a key at most: one that was ever answered has one."""
_ADVICE: Final = (
    "copy root.key, release.key and release.pub of this installation there, or set CUSTOMHOUSE_KEYS to them"
)


async def require_own_key(database: Database, directory: Path, clock: Clock) -> None:
    """Check that `directory` has the root key that opens this database's tenant keys, where it has any.

    None is made there. Raises StoreUnavailable. Cost: two queries, usually.
    """
    found = await database.read(_first)
    if found is None:
        return
    path = directory / "root.key"
    if not path.is_file():
        raise StoreUnavailable(f"there is no {path}, and this database's payloads are sealed with one: {_ADVICE}")
    tenant, wrapped = found
    root = root_key(directory, clock)
    try:
        unwrap(root, tenant, wrapped)
    except StoreUnavailable as error:
        raise StoreUnavailable(f"{path} is not the root key of this database: {_ADVICE}") from error


async def require_root_key(ledger: Ledger, directory: Path) -> None:
    """Raise StoreUnavailable unless the root key that a server has opened in `directory` is the installation's.

    The organisation's key, made at the very first start, is the witness. Another root key would make keys for new
    tenants that no other replica can open, and would take the spool of this home for altered.
    """
    try:
        await ledger.tenant_key(ORGANIZATION)
    except LedgerUnavailable as error:
        reason = error.__cause__.detail if isinstance(error.__cause__, StoreUnavailable) else error.detail
        raise StoreUnavailable(f"{reason} (in {directory}, from another replica or a backup)") from error


def _first(tx: Transaction) -> tuple[str, bytes] | None:
    # The organisation's key is made at the first start of all (app.py); a tenant may be older.
    for tenant in (ORGANIZATION, *(head.tenant for head in tables.heads(tx)[:LOGS])):
        tx.act_for(tenant)
        wrapped = tables.wrapped_key(tx, tenant)
        if wrapped is not None:
            return tenant, wrapped
    return None
