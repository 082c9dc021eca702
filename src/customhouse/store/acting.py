# SPDX-License-Identifier: Apache-2.0
"""Whose rows a transaction may touch: the check that both stores make before a query leaves.

PostgreSQL checks again, by row security, and sees what this cannot: a query that forgot to name the tenant.
"""

from collections.abc import Mapping

from customhouse.store.database import RowRefused, TenantUnset, Value


def check(query: str, values: Mapping[str, Value], tenant: str | None) -> None:
    """Refuse a query that binds :tenant unless the transaction acts for it. Raises TenantUnset, RowRefused."""
    named = values.get("tenant", tenant)
    if named != tenant:
        raise TenantUnset(query) if tenant is None else RowRefused(query)
