# SPDX-License-Identifier: Apache-2.0
"""A place for a ledger on each store: what an installation promises, it promises on both."""

from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Return a directory for a SQLite file, or the URL of a PostgreSQL database with nothing in it."""
    if request.param == "sqlite":
        return tmp_path
    url: str = request.getfixturevalue("postgres")
    return url
