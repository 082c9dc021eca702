# SPDX-License-Identifier: Apache-2.0
"""Credentials for upstreams, looked up by reference whenever one is needed, and rotated without a restart. I/O.

- A variable is read at each call.
- A file is read when it has changed; it is looked at once a second at most.
- A command is run without a shell, without arguments, with next to no environment; bounded in time and output. It is
  run again when four fifths of its token's life are over, and once after an upstream has refused the token.

Rules kept: one renewal of a credential at a time; a token that is still good stands while its renewal fails, until it
ends, and that is said; no value is in a log, an error or a repr.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from customhouse.domain.clock import Clock
from customhouse.domain.errors import UpstreamFailed
from customhouse.outgoing import credential_file as files
from customhouse.outgoing.reference import Reference, refusal
from customhouse.outgoing.token import Printed, Token, printed, token

LOOK_S: Final = 1.0
"""A file is looked at this often at most: three system calls, not three for each call."""
FILE_STANDS_S: Final = 60.0
"""A file that is gone or half written counts as it was for this long: an editor is not atomic, a revocation is."""
COMMAND_S: Final = 10.0
"""A token endpoint answers in one or two seconds; a turn that waits for its first token waits no longer than this."""
END_S: Final = 2.0
"""For a killed command to be gone, with what it had printed."""
MAX_OUTPUT_BYTES: Final = 64 * 1024
RENEW_AT: Final = 0.8
"""The share of a token's life after which it is renewed: an hour's token has twelve minutes for renewals that fail."""
ASSUMED_S: Final = 3600.0
"""How long a token stands that says nothing about its end; it is renewed each PLAIN_S."""
PLAIN_S: Final = 300.0
RETRY_S: Final = 15.0
"""Between two renewals that fail, and between two that an upstream's refusals ask for."""
KEPT_S: Final = 3600.0
"""A command whose token nobody has asked for in this time is not run any more."""
MAX_CREDENTIALS: Final = 1000
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_log = logging.getLogger(__name__)


class Trouble(NamedTuple):
    """A credential whose renewal fails. `usable` says whether the last one still stands."""

    reference: Reference
    problem: str
    since_us: int
    usable: bool


@dataclass(slots=True)
class _Held:
    """One credential. Times are the monotonic clock's, but `since_us`, which people read."""

    token: Token | None = None
    stamp: files.Stamp | None = None
    looked_us: int | None = None
    renew_us: int = 0
    ends_us: int = 0
    retry_us: int = 0
    used_us: int = 0
    problem: str | None = None
    since_us: int = 0
    # Makes those who need one credential at once wait for one renewal of it.
    renewing: asyncio.Lock = field(default_factory=asyncio.Lock)


class UpstreamCredentials:
    """What upstreams are shown. Built once, by the composition root."""

    def __init__(self, directory: Path, environ: Mapping[str, str], clock: Clock) -> None:
        """Look in `environ` for variables, in `directory` for files and commands."""
        self._directory = directory
        self._environ = environ
        self._clock = clock
        self._held: dict[Reference, _Held] = {}

    async def token(self, reference: Reference) -> Token:
        """Return the value to send now. Raises UpstreamFailed: `upstream.credential_missing` or `_failed`."""
        refused = refusal(reference)
        if refused is not None:
            raise UpstreamFailed(refused, reason="upstream.credential_missing")
        match reference.kind:
            case "env":
                return self._variable(reference)
            case "file":
                held = self._of(reference)
                self._look(reference, held)
            case "command":
                held = self._of(reference)
                if self._clock.elapsed_us() >= held.ends_us:
                    # Shielded, here and below: a client that leaves ends no run that others wait for.
                    await asyncio.shield(self._first(reference, held))
        if held.token is None or self._clock.elapsed_us() >= held.ends_us:
            raise UpstreamFailed(
                f"the credential ({reference}) could not be had: {held.problem or 'it has ended'}",
                reason="upstream.credential_failed",
            )
        return held.token

    async def renewed(self, reference: Reference, refused: Token) -> Token | None:
        """Return another value than the one that an upstream has refused, or None when there is none.

        A command is run for this once in RETRY_S at most: a provider that refuses everything does not make us run it
        with every turn.
        """
        match reference.kind:
            case "env":
                return None
            case "file":
                held = self._of(reference)
                held.looked_us = None
                self._look(reference, held)
            case "command":
                held = self._of(reference)
                await asyncio.shield(self._again(reference, held, refused))
        return held.token if held.token != refused else None

    async def keep(self) -> None:
        """Renew tokens before they end, until cancelled; nobody waits for it but who comes too early."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.renew_due()

    async def renew_due(self) -> None:
        """Renew what is due now."""
        now_us = self._clock.elapsed_us()
        due = [
            (reference, held)
            for reference, held in self._held.items()
            if reference.kind == "command"
            and held.token is not None
            and now_us >= max(held.renew_us, held.retry_us)
            and now_us - held.used_us < KEPT_S * 1_000_000
            and not held.renewing.locked()
        ]
        async with asyncio.TaskGroup() as tasks:
            for reference, held in due:
                tasks.create_task(self._renew(reference, held))

    def troubles(self) -> tuple[Trouble, ...]:
        """Return the credentials that could not be renewed when that was last tried."""
        now_us = self._clock.elapsed_us()
        return tuple(
            Trouble(reference, held.problem, held.since_us, held.token is not None and now_us < held.ends_us)
            for reference, held in self._held.items()
            if held.problem is not None
        )

    def _variable(self, reference: Reference) -> Token:
        value = self._environ.get(reference.name)
        if not value:
            raise UpstreamFailed(
                f"{reference} is not set in the gateway's environment", reason="upstream.credential_missing"
            )
        try:
            return token(value.encode())
        except ValueError as error:
            raise UpstreamFailed(f"{reference}: {error}", reason="upstream.credential_failed") from None

    def _of(self, reference: Reference) -> _Held:
        held = self._held.get(reference)
        if held is None:
            while len(self._held) >= MAX_CREDENTIALS:
                del self._held[next(iter(self._held))]
            held = self._held[reference] = _Held()
        held.used_us = self._clock.elapsed_us()
        return held

    def _look(self, reference: Reference, held: _Held) -> None:
        now_us = self._clock.elapsed_us()
        if held.looked_us is not None and now_us - held.looked_us < LOOK_S * 1_000_000:
            return
        held.looked_us = now_us
        try:
            if held.token is None or held.problem or files.stamp(self._directory, reference) != held.stamp:
                held.stamp, held.token = files.read(self._directory, reference)
        except (OSError, ValueError) as error:
            self._failed(reference, held, files.said(error))
            return
        held.problem = None
        held.ends_us = now_us + int(FILE_STANDS_S * 1_000_000)

    async def _first(self, reference: Reference, held: _Held) -> None:
        async with held.renewing:
            if self._clock.elapsed_us() >= max(held.ends_us, held.retry_us):
                await self._run(reference, held)

    async def _again(self, reference: Reference, held: _Held, refused: Token) -> None:
        async with held.renewing:
            if held.token == refused and self._clock.elapsed_us() >= held.retry_us:
                held.retry_us = self._clock.elapsed_us() + int(RETRY_S * 1_000_000)
                await self._run(reference, held)

    async def _renew(self, reference: Reference, held: _Held) -> None:
        async with held.renewing:
            await self._run(reference, held)

    async def _run(self, reference: Reference, held: _Held) -> None:
        try:
            found = printed(await self._output(reference))
        except TimeoutError:
            self._failed(reference, held, f"it took longer than {COMMAND_S:g} s")
        except (OSError, ValueError) as error:
            self._failed(reference, held, files.said(error))
        else:
            self._take(reference, held, found)

    def _take(self, reference: Reference, held: _Held, found: Printed) -> None:
        now_us = self._clock.elapsed_us()
        lasts_s = found.in_s
        if found.at_s is not None:
            lasts_s = found.at_s - self._clock.now_us() / 1_000_000
        if lasts_s is not None and lasts_s <= 0:
            self._failed(reference, held, "the token that it printed has ended already")
            return
        held.token, held.problem = found.token, None
        held.renew_us = now_us + int((PLAIN_S if lasts_s is None else lasts_s * RENEW_AT) * 1_000_000)
        held.ends_us = now_us + int((lasts_s or ASSUMED_S) * 1_000_000)

    def _failed(self, reference: Reference, held: _Held, problem: str) -> None:
        now_us = self._clock.elapsed_us()
        held.retry_us = now_us + int(RETRY_S * 1_000_000)
        if held.problem is None:
            held.since_us = self._clock.now_us()
        held.problem = problem
        stands = held.token is not None and now_us < held.ends_us
        left = (
            f"the last one stands for {(held.ends_us - now_us) / 1_000_000:.0f} s" if stands else "there is none left"
        )
        _log.warning("an upstream's credential (%s) could not be renewed: %s; %s", reference, problem, left)

    async def _output(self, reference: Reference) -> bytes:
        """Run a command; return what it printed. Raises OSError, ValueError, TimeoutError."""
        program = files.command(self._directory, reference)
        home = self._environ.get("HOME")
        process = await asyncio.create_subprocess_exec(
            str(program),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # a token endpoint's errors repeat what they were asked with
            cwd=program.parent,
            env={"PATH": PATH, "LANG": "C.UTF-8", **({"HOME": home} if home else {})},
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(COMMAND_S):
                output = await _bounded(process)
                status = await process.wait()
        finally:
            # Itself and whatever it has started: nothing of it outlives the look-up.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await _ended(process)
        if status != 0:
            raise ValueError(f"it ended with status {status}")
        return output


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Wait for the end of a killed program; not for whoever left its group and still holds its output.

    What it printed beyond the bound is read and dropped: with that in the pipe, asyncio never hears of the end.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(END_S):
            while process.stdout is not None and await process.stdout.read(MAX_OUTPUT_BYTES):
                pass
            await process.wait()


async def _bounded(process: asyncio.subprocess.Process) -> bytes:
    output = b""
    while process.stdout is not None and (piece := await process.stdout.read(MAX_OUTPUT_BYTES)):
        output += piece
        if len(output) > MAX_OUTPUT_BYTES:
            raise ValueError(f"it printed more than {MAX_OUTPUT_BYTES} bytes")
    return output
