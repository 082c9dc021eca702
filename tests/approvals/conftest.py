# SPDX-License-Identifier: Apache-2.0
"""A test of this room that takes `place` runs once on each store."""

from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Return where a desk may be opened: a file, or a database with the current schema and nothing in it."""
    return tmp_path / "customhouse.db" if request.param == "sqlite" else str(request.getfixturevalue("postgres"))
