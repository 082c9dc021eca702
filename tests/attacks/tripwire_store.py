# SPDX-License-Identifier: Apache-2.0
"""What lies in the database and in the home: every row of a tenant is its own, and no payload is readable anywhere."""

import re
from collections.abc import Iterator
from typing import Final

from tests.attacks.tripwire import KEY, NAME, RECORD, Watch, kinds, sightings
from tests.attacks.tripwire_house import TENANTS, House

from customhouse.ledger.record import ORGANIZATION

_TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
_TABLES_POSTGRES: Final = (
    "SELECT tablename FROM pg_tables WHERE schemaname = 'customhouse'"
    " AND tablename NOT SIMILAR TO '(evidence|payload)_(default|[0-9]{8})'"
)
_READABLE: Final = re.compile(rb"tripw\d\dp")
"""A payload's wire as it is: files are large, and their rows are looked at one by one."""
OF_A_TENANT: Final = frozenset(
    {
        "evidence",
        "evidence_staged",
        "payload",
        "reference",
        "tenant_key",
        "open_call",
        "chain_head",
        "approval",
        "approval_answer",
    }
)


def everything_stored(house: House, watch: Watch) -> set[str]:
    """Look at every row of every table and at every file of the home; return the tables that hold tenants' rows."""
    seen: set[str] = set()
    for table, tenant, content in _rows(house):
        if table in OF_A_TENANT and tenant != ORGANIZATION:
            seen.add(table)
            (number,) = {each.tenant for each in sightings(tenant.encode())}
            allowed = frozenset((number, kind) for kind in (RECORD, KEY, NAME))
        else:
            allowed = kinds("rkn", TENANTS)
        watch.look(f"a row of {table} of {tenant}", content, allowed)
    for path in house.settings.home_path.rglob("*"):
        found = _READABLE.search(path.read_bytes()) if path.is_file() else None
        watch.look(str(path), found.group() if found else b"")
    return seen


def payloads_read(house: House) -> dict[str, int]:
    """Return how many times each tenant's log says that its payloads were opened."""
    counts: dict[str, int] = {}
    for table, tenant, content in _rows(house):
        if table in {"evidence", "evidence_staged"} and b'"kind":"access.read"' in content:
            counts[tenant] = counts.get(tenant, 0) + 1
    return counts


def _rows(house: House) -> Iterator[tuple[str, str, bytes]]:
    """Yield table, tenant and content of every row; bytes as they are, everything else as text."""
    for (table,) in house.rows(_TABLES_POSTGRES if house.settings.database else _TABLES):
        for row in house.rows(f'SELECT * FROM "{table}"'):  # noqa: S608 - a name from the catalogue
            values = [value if isinstance(value, bytes) else str(value).encode() for value in row]
            yield table, str(row[0]), b"\n".join(values)
