# SPDX-License-Identifier: Apache-2.0
"""One MCP server that is a program: many calls at once over its one pipe. I/O only; every wait has a deadline.

Rules kept:
- Ids and progress tokens are ours, and never used twice: an answer finds its one call, and one that comes late, after
  nobody waited any more, finds none.
- What cannot be told to belong to one call (log lines, requests to a client) goes to nobody: another client's content
  may stand in it. Requests to a client are answered that there is no such method.
- When the program dies, nobody knows what became of its calls: each of them is `Failed` with `sent`.

Source: MCP 2025-11-25 and 2026-07-28, basic/transports, stdio.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, cast

import msgspec

from customhouse.dialects.mcp import answers, envelope, message, revision
from customhouse.dialects.mcp import server as said
from customhouse.dialects.mcp.envelope import PROGRESS, SUBSCRIPTION, Envelope, Identity
from customhouse.dialects.mcp.message import Call, Message, Note, Response
from customhouse.dialects.mcp.refused import METHOD_NOT_FOUND
from customhouse.dialects.mcp.stream import upstream_message
from customhouse.domain.errors import ProcessFailed, UpstreamFailed
from customhouse.planes.tools.document import Server
from customhouse.planes.tools.hearing import Heard, Hearing, unheard
from customhouse.planes.tools.introduced import Introduced, introducing, response
from customhouse.planes.tools.outcome import Failed, Finished, Outcome, Request, Speaking
from customhouse.planes.tools.signed import Credentials, variables
from customhouse.processes.pipe import Pipe, Program

MAX_PENDING: Final = 256
"""Calls that wait for one program at once."""
MAX_SAID: Final = 1000
"""Messages of one call that wait to be passed on."""
MAX_STRAY: Final = 1000
"""Messages between two answers that belong to no call, after which a program is ended; log lines are such."""
MAX_GARBAGE: Final = 16
"""Lines that are no messages, after which a program is ended."""
START_S: Final = 15.0
"""From a call to the end of the handshake, where the program does not run yet."""
DISCOVER_S: Final = 5.0
"""A server of the handshake era may say nothing at all to what comes before `initialize`."""

_write = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Pending:
    """A call that waits. Its messages come as they are read; `Failed` is the last of them."""

    progress: object
    said: asyncio.Queue[Message | Failed]


class StdioServer:
    """One program. Started by the first call, and kept running until closed."""

    def __init__(self, server: Server, us: Identity, credentials: Credentials, message_bytes: int) -> None:
        """Begin without a process."""
        self._us = us
        self._message_bytes = message_bytes

        async def environment() -> Mapping[str, str]:
            """Look the declared variables up."""
            try:
                return await variables(server.env, credentials)
            except UpstreamFailed as error:
                raise ProcessFailed(error.detail) from error

        name = f"the tool server {server.command[0]}"
        self._pipe = Pipe(Program(name, server.command, server.executable, environment, message_bytes), self)
        self._running: asyncio.Task[None] | None = None
        self._shaking: asyncio.Task[Introduced] | None = None
        self._tried = asyncio.Event()
        self._why: str | None = "it has not been started"
        self._pending: dict[int, _Pending] = {}
        self._number = 0
        self._garbage = self._stray = 0

    async def close(self) -> None:
        """Stop the program."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        self.ended("it was stopped")
        if self._shaking is not None:
            await asyncio.gather(self._shaking, return_exceptions=True)

    async def spoken(self) -> Introduced:
        """Return what the program said of itself, and how it is spoken to. Raises UpstreamFailed."""
        if self._running is None:
            self._running = asyncio.create_task(self._pipe.run(), name="tool-server")
        await self._tried.wait()
        if self._why is not None:
            raise UpstreamFailed(f"the tool server does not run: {self._why}", reason="upstream.unreachable")
        shaking = self._shaking
        if shaking is None or (shaking.done() and shaking.exception() is not None):
            shaking = self._shaking = asyncio.create_task(self._shake_hands(), name="tool-server-handshake")
            shaking.add_done_callback(_looked_at)
        # Shielded: a client that leaves ends no handshake that others wait for.
        return await asyncio.shield(shaking)

    async def ask(self, server: Server, request: Request, heard: Heard) -> Outcome:
        """Send a request and wait for its answer, as `McpHttp.ask`. Never raises but when cancelled."""
        deadline_s = server.timeout_s if request.deadline_s is None else request.deadline_s
        try:
            await self.spoken()
        except UpstreamFailed as error:
            return Failed(error.reason, error.detail, sent=False)
        return await self._ask(request, heard, deadline_s)

    def tell(self, body: bytes) -> Failed | None:
        """Send a notification."""
        try:
            self._pipe.send(body)
        except ProcessFailed as error:
            return Failed("upstream.unreachable", error.detail, sent=False)
        return None

    async def _ask(self, request: Request, heard: Heard, deadline_s: float) -> Outcome:
        if len(self._pending) >= MAX_PENDING:
            return Failed("upstream.limited", f"{MAX_PENDING} calls wait for the tool server already", sent=False)
        self._number += 1
        number = self._number
        params, progress = _numbered(request.params, number)
        try:
            self._pipe.send(message.request(number, request.method, params))
        except ProcessFailed as error:
            return Failed("upstream.unreachable", error.detail, sent=False)
        pending = self._pending[number] = _Pending(progress, asyncio.Queue(MAX_SAID + 1))
        hearing = Hearing(number, heard, limit=self._message_bytes)
        try:
            async with asyncio.timeout(deadline_s):
                return await _answer(pending, hearing, request)
        except asyncio.CancelledError:
            self._cancel(number, request, "the client has gone")
            raise
        except TimeoutError:
            self._cancel(number, request, "no answer in time")
            return Failed("upstream.timeout", f"no answer within {deadline_s:g} s", sent=True)
        except UpstreamFailed as error:
            self._cancel(number, request, "the answer cannot be read")
            return Failed(error.reason, error.detail, sent=True)
        finally:
            self._pending.pop(number, None)

    def _cancel(self, number: int, request: Request, why: str) -> None:
        if request.method not in {"initialize", "server/discover"}:
            self.tell(answers.cancelled(number, why))

    async def _shake_hands(self) -> Introduced:
        """Ask which era the program has, and begin its session in the older one. Raises UpstreamFailed."""
        modern = Speaking(revision.MODERN[-1])
        asked = envelope.sealed({}, self._us, modern.revision, {}, Envelope())
        outcome = await self._ask(Request(0, "server/discover", asked, modern), unheard, DISCOVER_S)
        silent = isinstance(outcome, Failed) and outcome.reason == "upstream.timeout"
        found = None if silent else said.discovered(response(outcome))
        if found is not None:
            return Introduced(found, Speaking(found.revision))
        offered = revision.HANDSHAKE[-1]
        introduction = introducing(self._us, offered, {})
        outcome = await self._ask(Request(0, "initialize", introduction, Speaking(offered)), unheard, START_S)
        found = said.initialized(response(outcome))
        told = self.tell(message.notification("notifications/initialized"))
        if told is not None:
            raise UpstreamFailed(told.detail, reason=told.reason)
        return Introduced(found, Speaking(found.revision))

    # What the pipe tells

    def began(self) -> None:
        """Let those who wait shake hands."""
        self._garbage = self._stray = 0
        self._shaking = None
        self._why = None
        self._tried.set()

    def line(self, content: bytes) -> None:
        """Give a message to the call that it belongs to. Raises ProcessFailed after too much that is none."""
        try:
            found = upstream_message(content, limit=self._message_bytes)
        except UpstreamFailed as error:
            self._garbage += 1
            if self._garbage > MAX_GARBAGE:
                raise ProcessFailed(f"it wrote more than {MAX_GARBAGE} lines that are no messages") from error
            return
        match found:
            case Response(id=number):
                self._give(number, found)
            case Call(id=number, method="ping"):
                self._count_stray()
                self.tell(message.result(number, {}))
            case Call(id=number):
                self._count_stray()
                self.tell(message.error(number, METHOD_NOT_FOUND, "the gateway asks no client for this server"))
            case Note():
                self._give(_number(found), found)

    def ended(self, why: str) -> None:
        """Tell everybody who waits that no answer will come."""
        self._why = why
        self._tried.set()
        for pending in self._pending.values():
            _end(pending, Failed("upstream.connection", f"the tool server ended: {why}", sent=True))

    def _give(self, number: object, found: Message) -> None:
        pending = self._pending.get(number) if type(number) is int else None
        if pending is None:
            self._count_stray()  # nobody waits for it any more, or nobody ever did
            return
        if isinstance(found, Response):
            self._stray = 0
        if pending.said.qsize() >= MAX_SAID:
            _end(pending, Failed("upstream.flooded", "the tool server says more than is passed on", sent=True))
            return
        pending.said.put_nowait(_renamed(found, pending.progress) if isinstance(found, Note) else found)

    def _count_stray(self) -> None:
        self._stray += 1
        if self._stray > MAX_STRAY:
            raise ProcessFailed(f"it wrote more than {MAX_STRAY} messages that belong to no call")


async def _answer(pending: _Pending, hearing: Hearing, request: Request) -> Outcome:
    while True:
        found = await pending.said.get()
        if isinstance(found, Failed):
            return found
        outcome = await hearing.take(found)
        match outcome:
            case Finished(answer):
                return Finished(replace(answer, id=request.id))
            case None:
                continue
            case _:
                return outcome


def _end(pending: _Pending, failed: Failed) -> None:
    """Let a call fail; what it has not read of a flood is dropped."""
    if failed.reason == "upstream.flooded":
        while not pending.said.empty():
            pending.said.get_nowait()
    if not pending.said.full():
        pending.said.put_nowait(failed)


def _numbered(params: Mapping[str, object], number: int) -> tuple[Mapping[str, object], object]:
    """Return parameters whose progress token is ours, and the one that they had."""
    meta = params.get("_meta")
    if not isinstance(meta, dict) or PROGRESS not in meta:
        return params, None
    fields = cast("dict[str, object]", meta)
    return {**params, "_meta": {**fields, PROGRESS: number}}, fields[PROGRESS]


def _number(note: Note) -> object:
    """Return the number of the call that a notification belongs to; None of one that belongs to none."""
    if PROGRESS in note.params:
        return note.params[PROGRESS]
    meta = note.params.get("_meta")
    return cast("dict[str, object]", meta).get(SUBSCRIPTION) if isinstance(meta, dict) else None


def _renamed(note: Note, progress: object) -> Note:
    """Return a notification with its client's token in place of ours."""
    if PROGRESS not in note.params:
        return note
    return replace(
        note,
        params={**note.params, PROGRESS: progress},
        members={**note.members, PROGRESS: msgspec.Raw(_write(progress))},
    )


def _looked_at(task: asyncio.Task[Introduced]) -> None:
    """Take a failure that nobody waited for: the next call tries anew."""
    if not task.cancelled():
        task.exception()
