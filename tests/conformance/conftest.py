# SPDX-License-Identifier: Apache-2.0
"""Each test of this room runs once on each store."""

from pathlib import Path

import pytest
from tests.conformance.stores import Store


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Return a place for a database; on PostgreSQL it has the current schema and nothing in it."""
    if request.param == "sqlite":
        return Store(tmp_path / "customhouse.db")
    url: str = request.getfixturevalue("postgres")
    return Store(url)
