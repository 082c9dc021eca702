# SPDX-License-Identifier: Apache-2.0
"""Fixtures for every room. State lives below the test's own tmp_path, ports are free ones: parallel runs never meet."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from tests import postgres as servers
from tests.upstream.server import Upstream, scripted_upstream


def pytest_configure() -> None:
    """Forget the size of a terminal: pytest's own debugger imports readline, which sets it for every child process."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
        os.unsetenv(name)  # readline sets it in C, behind the back of os.environ


@pytest.fixture(autouse=True)
def _no_ambient_settings(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction] - autouse
    """Forget the developer's own CUSTOMHOUSE_* variables."""
    for name in tuple(os.environ):
        if name.startswith("CUSTOMHOUSE_"):
            monkeypatch.delenv(name)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the path of a home directory that does not exist yet."""
    return tmp_path / ".customhouse"


@pytest.fixture
def upstream() -> Generator[Upstream]:
    """Run a scripted provider that picks its reply by the request's model name (tests/upstream/replies.py)."""
    with scripted_upstream() as running:
        yield running


@pytest.fixture(scope="session")
def postgres_server() -> Generator[str]:
    """Run a PostgreSQL server for this test process; the URL is its maintenance database's."""
    with servers.server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Generator[str]:
    """Make a database with the current schema once, to copy for each test."""
    with servers.template(postgres_server) as name:
        yield name


@pytest.fixture
def postgres(postgres_server: str, postgres_template: str) -> Generator[str]:
    """Return the URL of a database of the test's own, with the current schema and nothing in it."""
    with servers.fresh(postgres_server, postgres_template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Return a directory for a SQLite file, or the URL of a PostgreSQL database with nothing in it: a test on each."""
    if request.param == "sqlite":
        return tmp_path
    url: str = request.getfixturevalue("postgres")
    return url
