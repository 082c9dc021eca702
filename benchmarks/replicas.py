# SPDX-License-Identifier: Apache-2.0
"""Several `customhouse serve` over one PostgreSQL: homes of their own, the same keys, started again whenever they end.

What starts them again is the few lines of a supervisor (systemd's Restart=always): it repairs nothing. A replica that
needs more than a start to come back is a fault.
"""

import asyncio
import json
import os
import signal
import time
import urllib.error
import urllib.request
from asyncio.subprocess import PIPE
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.crash_answers import assistant
from benchmarks.house import CUSTOMHOUSE, free_port
from benchmarks.measure import ROOT

from customhouse.cli.client import Client, Local
from customhouse.domain.failure_mode import MODES, FailureMode
from customhouse.settings import Settings

TENANTS: Final = ("acme", "zeta")
RESTART_S: Final = 0.2
"""Between the end of a replica and its next start, as a supervisor waits."""
READY_LIMIT_S: Final = 90
STOP_LIMIT_S: Final = 30
"""A replica told to stop has ended by then, whatever its database does: grace, and what waits for deadlines."""
GRACE_S: Final = 5


@dataclass(slots=True)
class Replica:
    """One replica: its home, its port, and the process that runs now. `wanted` False: it is not started again.

    `database` empty is SQLite in the home.
    """

    name: str
    home: Path
    keys: Path
    port: int
    database: str
    command: tuple[str, ...] = (str(CUSTOMHOUSE), "serve")
    wanted: bool = True
    starts: int = 0
    failed_starts: int = 0
    started: asyncio.Event = field(default_factory=asyncio.Event)
    process: asyncio.subprocess.Process | None = None
    stop_s: list[float] = field(default_factory=list[float])

    @property
    def url(self) -> str:
        """Return the address of its data plane."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def id(self) -> str | None:
        """Return the id under which it reports, or None before its first start."""
        path = self.home / "replica"
        return path.read_text().strip() if path.exists() else None

    @property
    def running(self) -> bool:
        """Whether its process runs; it may still be starting."""
        return self.process is not None and self.process.returncode is None

    async def supervise(self) -> None:
        """Start it whenever it has ended, until it is no longer wanted; a series that is broken off leaves nobody."""
        try:
            await self._supervise()
        finally:
            self.kill()

    async def _supervise(self) -> None:
        while self.wanted:
            with (self.home / "serve.log").open("ab") as log:
                self.process = await asyncio.create_subprocess_exec(
                    *self.command, cwd=ROOT, env=self._environment(), stdin=PIPE, stdout=log, stderr=log
                )
            self.starts += 1
            self.started.set()
            if await self.process.wait() == 1:  # its own error: the database was not there
                self.failed_starts += 1
            await asyncio.sleep(RESTART_S)

    async def started_again(self) -> None:
        """Return when it has been started once more."""
        self.started.clear()
        await self.started.wait()

    def kill(self) -> None:
        """Kill it without a warning."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)

    def ask_to_stop(self) -> None:
        """Tell it to stop in order."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)

    async def stop(self) -> bool:
        """Stop it in order, for good; return whether it ended in time. One that does not is killed."""
        self.wanted = False
        return await self.stopped()

    async def stopped(self) -> bool:
        """Tell it to stop and wait for the end; return whether that came in time."""
        process = self.process
        if process is None:
            return True
        began = time.monotonic()
        self.ask_to_stop()
        try:
            await asyncio.wait_for(process.wait(), STOP_LIMIT_S)
        except TimeoutError:
            process.kill()
            return False
        self.stop_s.append(time.monotonic() - began)
        return True

    async def ready(self) -> dict[str, Any] | None:
        """Return what /readyz says, or None when nobody answers."""
        return await asyncio.to_thread(_readyz, self.url)

    def _environment(self) -> dict[str, str]:
        settings = {
            "CUSTOMHOUSE_HOME": str(self.home),
            "CUSTOMHOUSE_KEYS": str(self.keys),
            "CUSTOMHOUSE_PORT": str(self.port),
            "CUSTOMHOUSE_DATABASE": self.database,
            "CUSTOMHOUSE_REPLICA_NAME": self.name,
            "CUSTOMHOUSE_LEDGER_TIMEOUT_S": "1",
            "CUSTOMHOUSE_SHUTDOWN_GRACE_S": str(GRACE_S),
        }
        return {**os.environ, **settings}


@dataclass(frozen=True, slots=True)
class Fleet:
    """Replicas over one database, and a data-plane key for an assistant of each failure mode."""

    replicas: tuple[Replica, ...]
    tokens: Mapping[FailureMode, str]
    settings: Settings


def fleet(directory: Path, database: str, size: int, documents: Mapping[str, Any]) -> Fleet:
    """Furnish a database through the control API: one assistant for each mode, from the same documents; and homes.

    `database` empty is SQLite in the home of the only replica.
    """
    keys = directory / "keys"
    names = [f"replica-{number}" for number in range(1, size + 1)]
    settings = Settings(home=str(directory / ("operator" if database else names[0])), keys=str(keys), database=database)
    control = Client(Local(settings))
    try:
        tokens: dict[FailureMode, str] = {mode: _published(control, mode, documents) for mode in MODES}
    finally:
        control.close()
    replicas = [
        # The name of the application tells afterwards who wrote what: the server itself notes it with each session.
        Replica(name, directory / name, keys, free_port(), f"{database}&application_name={name}" if database else "")
        for name in names
    ]
    for replica in replicas:
        replica.home.mkdir(parents=True, exist_ok=True)
    return Fleet(tuple(replicas), tokens, settings)


async def all_ready(replicas: Sequence[Replica], limit_s: float = READY_LIMIT_S) -> list[str]:
    """Wait until every replica is ready and has nothing to catch up with; return who is not, and what it says."""
    deadline = time.monotonic() + limit_s
    while True:
        said = await asyncio.gather(*(replica.ready() for replica in replicas))
        late = [
            f"{replica.name} did not come back: {answer}"
            for replica, answer in zip(replicas, said, strict=True)
            if answer is None or not answer["ready"] or answer["ledger"] != "ok"
        ]
        if not late or time.monotonic() > deadline:
            return late
        await asyncio.sleep(0.05)


def _published(control: Client, mode: FailureMode, documents: Mapping[str, Any]) -> str:
    name = assistant(mode)
    safety = {**documents["safety"], "ledger_failure": mode}
    release = {
        "assistant": name,
        "documents": {**documents, "safety": safety},
        "charter": {"owner": "dana@acme.test", "on_call": "bench", "fallback": "Please try again later."},
        "notes": f"evidence that cannot be written: {mode}",
        "git_commit": None,
        "environment": "dev",
    }
    control.call("POST", "/api/v1/releases", release)
    made = control.call(
        "POST", "/api/v1/keys", {"assistant": name, "environment": "dev", "tenants": list(TENANTS), "note": "benchmark"}
    )
    if not isinstance(made, dict):
        raise TypeError("the control API answered no key")
    return str(made["token"])  # pyright: ignore[reportUnknownArgumentType] - plain data from the API


def _readyz(url: str) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        return json.load(error)
    except (urllib.error.URLError, OSError):
        return None
