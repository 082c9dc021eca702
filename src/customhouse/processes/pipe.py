# SPDX-License-Identifier: Apache-2.0
"""Keeps one child running that speaks in lines: start, read, restart with exponential back-off, stop. I/O.

Rules kept:
- The program is the declared one: its path is resolved, nobody else may write it, and its SHA-256 is compared before
  each start. It inherits no variable of the gateway's, no file, and no terminal.
- A line has a bound, and so has what waits to be written. What it says on standard error is read, so that it never
  blocks, and kept to its last KiB for who asks; it is not logged, since nobody knows what stands in it.
- Whoever ends takes its children along: standard input closes, then SIGTERM, then SIGKILL, to its whole group. When the
  gateway dies by any signal, standard input closes all the same.
"""

import asyncio
import hashlib
import logging
import os
import shutil
import signal
import stat
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from customhouse.domain.errors import ProcessFailed
from customhouse.processes.supervise import STEADY_S, delay_s

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a program without a directory is looked for; the child itself is given none."""
MAX_WAITING_BYTES: Final = 8 * 1024 * 1024
"""What may wait to be written to a child that does not read."""
TAIL_BYTES: Final = 4096
TURN_LINES: Final = 64
"""After so many lines at once others get their turn of the event loop."""
CLOSE_S: Final = 2.0
"""From closing standard input to SIGTERM, and from there to SIGKILL."""
WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH
_CHUNK: Final = 64 * 1024
_READ: Final = 1024 * 1024

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `digest` is `sha256:…` of the program's file; `environment` is asked for at each start."""

    name: str
    command: tuple[str, ...]
    digest: str | None
    environment: Callable[[], Awaitable[Mapping[str, str]]]
    line_bytes: int


class Listener(Protocol):
    """Who hears a child."""

    def began(self) -> None:
        """Learn that it runs."""
        ...

    def line(self, content: bytes) -> None:
        """Take one line, without its end. Raises ProcessFailed to end the child."""
        ...

    def ended(self, why: str) -> None:
        """Learn that it does not run: it ended, or could not be started."""
        ...


class Pipe:
    """One child. `run` it as a task; cancelling that stops it."""

    def __init__(self, program: Program, listener: Listener) -> None:
        """Begin without a child."""
        self._program = program
        self._listener = listener
        self._process: asyncio.subprocess.Process | None = None
        self._tail = b""
        self.restarts = 0

    @property
    def tail(self) -> str:
        """The end of what it said on standard error."""
        return self._tail.decode("utf-8", "replace")

    def send(self, line: bytes) -> None:
        """Write one line. Raises ProcessFailed; nothing was written then."""
        process = self._process
        if process is None or process.stdin is None or process.stdin.is_closing() or process.returncode is not None:
            raise ProcessFailed(f"{self._program.name} does not run")
        if b"\n" in line or b"\r" in line:
            raise ProcessFailed(f"a message for {self._program.name} is not one line")
        if process.stdin.transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            raise ProcessFailed(f"{self._program.name} does not read what it is sent")
        process.stdin.write(line + b"\n")

    async def run(self) -> None:
        """Start the program, and again whenever it ends, until cancelled."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            why = await self._once()
            self._listener.ended(why)
            failures = 1 if loop.time() - began > STEADY_S else failures + 1
            _log.warning("%s: %s; starting it again in %g s", self._program.name, why, delay_s(failures))
            await asyncio.sleep(delay_s(failures))
            self.restarts += 1

    async def _once(self) -> str:
        """Run the program until it ends; return why it did."""
        program = self._program
        try:
            path = await located(program.command[0], program.digest)
            environment = await program.environment()
            process = await _started(program, path, environment)
        except ProcessFailed as error:
            return error.detail
        except OSError as error:
            return f"it cannot be started: {error.strerror}"
        self._process, self._tail = process, b""
        hearing = asyncio.create_task(self._hear_errors(process))
        try:
            self._listener.began()
            why = await self._read(process)
            self._listener.ended(why)  # at once: stopping it may take seconds, and nobody shall wait for them
            return why
        finally:
            self._process = None
            await _stop(process)
            hearing.cancel()
            with suppress(asyncio.CancelledError):
                await hearing

    async def _read(self, process: asyncio.subprocess.Process) -> str:
        if process.stdout is None:
            return "it has no standard output"
        count = 0
        while True:
            try:
                content = await process.stdout.readuntil(b"\n")
                self._listener.line(content.rstrip(b"\r\n"))
            except asyncio.IncompleteReadError:
                return "it ended"
            except asyncio.LimitOverrunError:
                return f"it wrote a line of more than {self._program.line_bytes} bytes"
            except ProcessFailed as error:
                return error.detail
            count += 1
            if count % TURN_LINES == 0:
                await asyncio.sleep(0)

    async def _hear_errors(self, process: asyncio.subprocess.Process) -> None:
        while process.stderr is not None and (piece := await process.stderr.read(_CHUNK)):
            self._tail = (self._tail + piece)[-TAIL_BYTES:]


async def located(command: str, digest: str | None) -> Path:
    """Return the file of a program whose content has this digest. Raises ProcessFailed, OSError."""
    found = shutil.which(command, path=PATH)
    if found is None or not Path(found).is_absolute():
        raise ProcessFailed(f"the program {command!r} is not there: an absolute path expected, or one in {PATH}")
    path = Path(found).resolve(strict=True)
    about = path.stat()
    if about.st_mode & WRITABLE or about.st_uid not in {0, os.geteuid()}:
        raise ProcessFailed(f"the program {path} may be written by others: chmod go-w it")
    content = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ):
            content.update(piece)
            await asyncio.sleep(0)  # others wait for one piece, and not for a hundred MB
    stated = f"sha256:{content.hexdigest()}"
    if digest is None:
        raise ProcessFailed(f"no digest is declared for the program {path}, which has executable: {stated}")
    if stated != digest:
        raise ProcessFailed(f"the program {path} is not the declared one: it has {stated}")
    return path


async def _started(program: Program, path: Path, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    """Start a program. Raises OSError. Whoever is cancelled meanwhile leaves none behind."""
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *program.command,
            executable=str(path),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd="/",
            env={"LANG": "C.UTF-8", **environment},
            start_new_session=True,
            limit=program.line_bytes,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with suppress(OSError):
            await _stop(await starting)
        raise


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End a child and whatever it has started, to the end, also when cancelled meanwhile."""
    stopping = asyncio.create_task(_end(process))
    try:
        await asyncio.shield(stopping)
    except asyncio.CancelledError:
        await stopping
        raise


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await process.wait()
                break
    # Its children may have outlived it.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # A pipe closes when it has been read to its end, and only then is the child's end heard of; who left the group and
    # holds it is not waited for.
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            while process.stdout is not None and await process.stdout.read(_CHUNK):
                pass
            await process.wait()
