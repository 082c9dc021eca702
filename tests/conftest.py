# SPDX-License-Identifier: Apache-2.0
"""Fixtures for every room. State lives below the test's own tmp_path, ports are free ones: parallel runs never meet."""

import gc
import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest
from tests import postgres as servers
from tests.upstream.server import Upstream, scripted_upstream

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - pytest makes a directory of its own there, for its user alone
ROOM: Final = 4 << 30
"""Free bytes that a run needs there, several times what one holds at once. A container has 64 MB there by default."""


def pytest_configure() -> None:
    """Settle what the machine around a run is like, before the first directory is made.

    Directories are in memory where there is room: what a test asserts of durability it asserts by killing processes,
    which a file in memory outlives as one on a disk does, and every commit still flushes.
    """
    # pytest's own debugger imports readline, which sets the size of a terminal for every child process.
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
        os.unsetenv(name)  # readline sets it in C, behind the back of os.environ
    # Nobody in a test trusts the machine's authorities, and each gateway would read all of them: 20 ms of a start.
    os.environ.setdefault("SSL_CERT_FILE", os.devnull)
    os.environ.setdefault("SSL_CERT_DIR", os.devnull)
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write a failure down without a collection in between.

    Python before 3.11.8 keeps the depth of the syntax tree under construction for the whole process: a finalizer that
    formats a traceback meanwhile parses too, and a failed test ended the worker with "AST constructor recursion depth
    mismatch" (github.com/python/cpython/issues/106905).
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


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
