# SPDX-License-Identifier: Apache-2.0
"""Keeps one child process running: start, wait until healthy, restart with exponential back-off, stop.

    async with supervised(child, say) as running: ...      the child is healthy when the block begins

Before the block begins, a child that ends or never gets healthy is an error with the last lines of its log. After it
has begun, a child that ends is started again, for as long as the block runs: turns fall back meanwhile, as they do for
any provider that is away. When the block ends the child gets SIGTERM, then SIGKILL.
"""

import asyncio
import errno
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from customhouse.domain.errors import PortBusy, ProcessFailed

FIRST_DELAY_S: Final = 0.25
LONGEST_DELAY_S: Final = 30.0
STEADY_S: Final = 60.0
"""A child that lived this long has recovered: its next end counts as the first."""

HEALTH_EVERY_S: Final = 0.05
HEALTH_LIMIT_S: Final = 2.0
LOG_TAIL_LINES: Final = 8

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Child:
    """What to run and how to tell that it is well. Output goes to `log`, which each supervision begins anew."""

    name: str
    command: tuple[str, ...]
    health_url: str
    port: int
    log: Path
    start_limit_s: float = 60.0
    stop_limit_s: float = 5.0


class Running:
    """A supervised child: its process id now, and how often it was started again."""

    def __init__(self) -> None:
        self.pid: int | None = None
        self.restarts = 0
        self.healthy = asyncio.Event()


def delay_s(failures: int) -> float:
    """Return how long to wait before the next start after so many ends in a row, at least one."""
    return min(FIRST_DELAY_S * 2 ** (failures - 1), LONGEST_DELAY_S)


def require_free(port: int, what: str, instead: str, *, host: str = "127.0.0.1") -> None:
    """Raise PortBusy when something listens on this port already; `instead` says what to do about it.

    What else keeps a server from listening there, such as an address that is not this machine's, it says itself.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortBusy(
                    f"Port {port} on {host}, needed for {what}, is in use by another program. {instead}"
                ) from error


@asynccontextmanager
async def supervised(child: Child, say: Say) -> AsyncGenerator[Running]:
    """Run the child while the block runs. Raises PortBusy or ProcessFailed when it can't be started at all."""
    require_free(
        child.port, child.name, "Stop that program, or give the provider another port in the manifest and release it."
    )
    child.log.write_bytes(b"")
    running = Running()
    process = await _start(child, running)
    try:
        await _until_healthy(child, process)
        running.healthy.set()
        # Not a task group: that would wrap the block's own errors. The task still ends with the block, always.
        keeper = asyncio.create_task(_keep(child, process, running, say), name=child.name)
        try:
            yield running
        finally:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
    finally:
        await _stop(child, process)


async def _keep(child: Child, process: asyncio.subprocess.Process, running: Running, say: Say) -> None:
    """Start the child again whenever it ends, until cancelled; then stop the one that runs."""
    loop = asyncio.get_running_loop()
    failures = 0
    try:
        while True:
            began = loop.time()
            code = await process.wait()
            running.healthy.clear()
            failures = 1 if loop.time() - began > STEADY_S else failures + 1
            say(f"{child.name} ended with code {code}; starting it again in {delay_s(failures):g} s")
            await asyncio.sleep(delay_s(failures))
            process = await _start(child, running)
            running.restarts += 1
            with suppress(ProcessFailed):
                await _until_healthy(child, process)
                running.healthy.set()
                say(f"{child.name} is well again")
    finally:
        await _stop(child, process)


async def _start(child: Child, running: Running) -> asyncio.subprocess.Process:
    with child.log.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *child.command, stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log
        )
    running.pid = process.pid
    return process


async def _until_healthy(child: Child, process: asyncio.subprocess.Process) -> None:
    """Return when the health URL answers 200; raise ProcessFailed when the child ends or takes too long."""
    try:
        async with asyncio.timeout(child.start_limit_s), aiohttp.ClientSession() as session:
            while process.returncode is None:
                if await _healthy(session, child.health_url):
                    return
                await asyncio.sleep(HEALTH_EVERY_S)
    except TimeoutError as error:
        await _stop(child, process)
        raise ProcessFailed(
            f"{child.name} was not well within {child.start_limit_s:g} s. {_tail(child.log)}"
        ) from error
    raise ProcessFailed(f"{child.name} ended with code {process.returncode} while starting. {_tail(child.log)}")


async def _healthy(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=HEALTH_LIMIT_S)) as response:
            return response.status == 200  # noqa: PLR2004 - HTTP's own number
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _stop(child: Child, process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
        try:
            async with asyncio.timeout(child.stop_limit_s):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    return f"The last lines of {log}: " + " | ".join(lines) if lines else f"{log} is empty."
