# SPDX-License-Identifier: Apache-2.0
"""Whose rows a transaction may touch, and with which values: the checks that both stores make before a query leaves.

PostgreSQL checks again, by row security, and sees what this cannot: a query that forgot to name the tenant.
"""

from collections.abc import Mapping

from customhouse.store.database import RowRefused, TenantUnset, Value, ValueRefused


def check(query: str, values: Mapping[str, Value], tenant: str | None) -> None:
    """Refuse a query that binds :tenant unless the transaction acts for it, and text that not every store keeps.

    Raises TenantUnset, RowRefused, ValueRefused. Cost: some 30 ns a value.
    """
    named = values.get("tenant", tenant)
    if named != tenant:
        raise TenantUnset(query) if tenant is None else RowRefused(query)
    for name, value in values.items():
        if isinstance(value, str) and "\x00" in value:
            raise ValueRefused(f"{query}: {name} holds a NUL character")
