# SPDX-License-Identifier: Apache-2.0
"""Calling a tool server: the one way from the gateway to any of them. It decides nothing: who calls it has decided.

- How a server is spoken to is asked of it once and remembered for ERA_S: `server/discover` first, then `initialize`.
  Only this is remembered, and a session of the gateway's own for servers that want one; sessions of clients are handed
  in and out.
- A list of tools is read to its end, within bounds, or not at all.

Story: Mallory's server answers `tools/list` with a cursor that leads back to the first page. The second time that a
cursor comes the list is given up: her tools are withheld, and nobody waits.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from customhouse import __version__
from customhouse.dialects.mcp import envelope, message, revision
from customhouse.dialects.mcp import server as said
from customhouse.dialects.mcp.envelope import Envelope, Identity
from customhouse.domain.clock import Clock
from customhouse.domain.errors import UpstreamFailed, UpstreamTimeout
from customhouse.outgoing.pool import Pool
from customhouse.planes.tools.document import HttpCall, Server
from customhouse.planes.tools.hearing import Heard, unheard
from customhouse.planes.tools.introduced import Introduced, introducing, response
from customhouse.planes.tools.mcp_http import Answered, Bounds, McpHttp
from customhouse.planes.tools.outcome import Failed, Outcome, Request, SessionEnded, Speaking
from customhouse.planes.tools.plain_http import PlainHttp
from customhouse.planes.tools.signed import Credentials
from customhouse.planes.tools.stdio import StdioServer

US: Final = Identity("customhouse", __version__)
"""Who asks, as servers are told; never the client's name."""
ERA_S: Final = 300.0
"""For how long a server counts as speaking what it said it does."""
MAX_SERVERS: Final = 1000
MAX_PROGRAMS: Final = 64
"""Programs at once: those of every release that was in force since the start."""
MAX_PAGES: Final = 100
MAX_TOOLS: Final = 10_000
MAX_LIST_BYTES: Final = 16 * 1024 * 1024
"""Of one server's definitions, written compactly."""
KEEP_S: Final = 4.0
"""How long a connection waits for its next call: many servers close theirs after 5 s (uvicorn, Node), and of a call
that is sent at that moment nobody would know what became of it."""
HANDSHAKE_S: Final = 15.0
"""For what a server is asked of itself: a cold start is over by then."""
AGAIN_S: Final = 5.0
"""For how long a server that could not be asked is not asked again: those who wait for it wait once."""
LIST_S: Final = 30.0
"""For all pages of one list."""
MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""One result at most, unless the settings say otherwise."""

_write = msgspec.json.Encoder(order="sorted").encode


@dataclass(slots=True)
class _Known:
    """What is remembered of one server."""

    modern: said.Server | None = None
    asked_us: int | None = None
    failure: UpstreamFailed | None = None
    failed_us: int = 0
    own: Introduced | None = None
    # Makes those who need a server at once wait for one look at it.
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class ToolServers:
    """Every tool server that a replica speaks to. Built once, by the composition root."""

    def __init__(
        self, credentials: Credentials, clock: Clock, *, connect_s: float, message_bytes: int = MESSAGE_BYTES
    ) -> None:
        """Begin without connections."""
        self._clock = clock
        self._pool = Pool(connect_s, KEEP_S)
        bounds = Bounds(message_bytes, 2 * message_bytes)
        self._http = McpHttp(self._pool, credentials, bounds)
        self._plain = PlainHttp(self._pool, credentials, message_bytes)
        self._known: dict[bytes, _Known] = {}
        self._credentials = credentials
        self._message_bytes = message_bytes
        self._programs: dict[bytes, StdioServer] = {}
        self._number = 0

    async def close(self) -> None:
        """Close every connection, and stop every program."""
        programs = tuple(self._programs.values())
        self._programs.clear()
        await asyncio.gather(*(each.close() for each in programs))
        await self._pool.close()

    async def retain(self, servers: Iterable[Server]) -> None:
        """Stop the programs that none of these servers is, and forget the others that are not among them.

        Whoever follows what is in force says so after each move: no program outlives its release. Its calls fail.
        """
        wanted = {_key(server) for server in servers}
        self._known = {key: known for key, known in self._known.items() if key in wanted}
        ending = [self._programs.pop(key) for key in tuple(self._programs) if key not in wanted]
        await asyncio.gather(*(each.close() for each in ending))

    # Single requests

    async def call(self, server: Server, request: Request, heard: Heard = unheard) -> Outcome:
        """Send one request to an MCP server, once. Never raises but when cancelled, which the server is told."""
        if server.command:
            try:
                return await self._program(server).ask(server, request, heard)
            except UpstreamFailed as error:
                return Failed(error.reason, error.detail, sent=False)
        return (await self._ask(server, request, heard)).outcome

    async def call_http(
        self, server: Server, how: HttpCall, arguments: Mapping[str, object], idempotency_key: object = None
    ) -> Outcome:
        """Send one call of a plain HTTP tool, once; its result is as an MCP server's. Never raises as `call`."""
        return await self._plain.call(server, how, arguments, idempotency_key)

    async def tell(self, server: Server, speaking: Speaking, body: bytes) -> Failed | SessionEnded | None:
        """Send a client's notification, or its answer to what the server asked."""
        if server.command:
            return Failed("upstream.ungranted", "a program is told nothing by clients: it serves many", sent=False)
        return await self._http.tell(server, speaking, body)

    async def listen(self, server: Server, speaking: Speaking, last_event: str | None, heard: Heard) -> Outcome:
        """Pass on what a server says between requests, in a session of the handshake era, until its stream ends."""
        return await self._http.listen(server, speaking, last_event, heard)

    async def end(self, server: Server, speaking: Speaking) -> None:
        """End a session."""
        await self._http.end(server, speaking)

    def next_id(self) -> int:
        """Return an id for a request: no two of this process are the same."""
        self._number += 1
        return self._number

    # How a server is spoken to

    async def discovered(self, server: Server) -> said.Server | None:
        """Return what a server of the modern era says of itself; None of one that has not that era.

        Raises UpstreamFailed. Remembered for ERA_S.
        """
        if server.command:
            server_said, speaking = await self._program(server).spoken()
            return server_said if speaking.revision in revision.MODERN else None
        known = self._of(server)
        async with known.asking:
            now_us = self._clock.elapsed_us()
            if known.asked_us is None or now_us - known.asked_us > ERA_S * 1_000_000:
                self._refuse_again(known)
                try:
                    known.modern = await self._discover(server)
                except UpstreamFailed as error:
                    known.failure, known.failed_us = error, self._clock.elapsed_us()
                    raise
                known.asked_us = now_us
        return known.modern

    async def introduced(self, server: Server, offered: str, capabilities: Mapping[str, object]) -> Introduced:
        """Begin a session of the handshake era. Raises UpstreamFailed.

        The caller keeps what `speaking` says, and ends it; `capabilities` are those that the server may make use of. A
        program has one session for all, with none of them; one that is modern is spoken to so.
        """
        if server.command:
            return await self._program(server).spoken()
        params = introducing(US, offered, capabilities)
        request = Request(self.next_id(), "initialize", params, Speaking(offered), deadline_s=HANDSHAKE_S)
        answered = await self._ask(server, request, unheard)
        found = said.initialized(response(answered.outcome))
        speaking = Speaking(found.revision, answered.session)
        told = await self.tell(server, speaking, message.notification("notifications/initialized"))
        if told is not None:
            raise UpstreamFailed("the server does not take the end of the handshake")
        return Introduced(found, speaking)

    async def spoken(self, server: Server) -> Introduced:
        """Return how the gateway itself speaks to a server: modern, else in a session of its own.

        Raises UpstreamFailed.
        """
        if server.command:
            return await self._program(server).spoken()
        modern = await self.discovered(server)
        if modern is not None:
            return Introduced(modern, Speaking(modern.revision))
        known = self._of(server)
        async with known.asking:
            if known.own is None:
                self._refuse_again(known)
                try:
                    known.own = await self.introduced(server, revision.HANDSHAKE[-1], {})
                except UpstreamFailed as error:
                    known.failure, known.failed_us = error, self._clock.elapsed_us()
                    raise
            return known.own

    def forget(self, server: Server) -> None:
        """Forget how a server is spoken to: its session has ended, or it does not speak what it did."""
        self._known.pop(_key(server), None)

    async def list_tools(self, server: Server) -> tuple[Mapping[str, object], ...]:
        """Return the definitions of a server's tools, as it states them. Raises UpstreamFailed, also beyond bounds."""
        try:
            async with asyncio.timeout(LIST_S):
                return await self._list(server)
        except TimeoutError as error:
            raise UpstreamTimeout(f"the server's list of tools took more than {LIST_S:g} s") from error

    async def _list(self, server: Server) -> tuple[Mapping[str, object], ...]:
        speaking = (await self.spoken(server)).speaking
        found: list[Mapping[str, object]] = []
        size_bytes = 0
        cursors: set[str] = set()
        params: dict[str, object] = {}
        for _ in range(MAX_PAGES):
            page = said.stated(response(await self.call(server, self.ours("tools/list", params, speaking))))
            found += page.definitions
            size_bytes += sum(len(_write(each)) for each in page.definitions)
            if len(found) > MAX_TOOLS or size_bytes > MAX_LIST_BYTES:
                raise UpstreamFailed(
                    f"the server lists more than {MAX_TOOLS} tools or {MAX_LIST_BYTES} bytes of them",
                    reason="upstream.too_large",
                )
            if page.cursor is None:
                return tuple(found)
            if page.cursor in cursors:
                raise UpstreamFailed("the server's list of tools leads back to a page that was read")
            cursors.add(page.cursor)
            params = {"cursor": page.cursor}
        raise UpstreamFailed(f"the server's list of tools has more than {MAX_PAGES} pages", reason="upstream.too_large")

    def ours(self, method: str, params: Mapping[str, object], speaking: Speaking) -> Request:
        """Return a request of the gateway's own, for nobody, which lends no capability."""
        made = (
            envelope.sealed(params, US, speaking.revision, {}, Envelope())
            if speaking.revision in revision.MODERN
            else params
        )
        return Request(self.next_id(), method, made, speaking, deadline_s=HANDSHAKE_S)

    def _refuse_again(self, known: _Known) -> None:
        if known.failure is not None and self._clock.elapsed_us() - known.failed_us < AGAIN_S * 1_000_000:
            raise UpstreamFailed(known.failure.detail, reason=known.failure.reason)
        known.failure = None

    async def _discover(self, server: Server) -> said.Server | None:
        asked = self.ours("server/discover", {}, Speaking(revision.MODERN[-1]))
        outcome = (await self._ask(server, asked, unheard)).outcome
        return None if isinstance(outcome, SessionEnded) else said.discovered(response(outcome))

    async def _ask(self, server: Server, request: Request, heard: Heard) -> Answered:
        answered = await self._http.ask(server, request, heard)
        known = self._known.get(_key(server))
        own = None if known is None else known.own
        ended = isinstance(answered.outcome, SessionEnded)
        if ended and known is not None and own is not None and own.speaking == request.speaking:
            known.own = None
        return answered

    def _program(self, server: Server) -> StdioServer:
        key = _key(server)
        found = self._programs.get(key)
        if found is None:
            if len(self._programs) >= MAX_PROGRAMS:
                raise UpstreamFailed(f"{MAX_PROGRAMS} tool servers run already", reason="upstream.limited")
            found = self._programs[key] = StdioServer(server, US, self._credentials, self._message_bytes)
        return found

    def _of(self, server: Server) -> _Known:
        key = _key(server)
        known = self._known.get(key)
        if known is None:
            while len(self._known) >= MAX_SERVERS:
                del self._known[next(iter(self._known))]
            known = self._known[key] = _Known()
        return known


def _key(server: Server) -> bytes:
    """Return what tells servers apart: everything that is declared of them."""
    return _write(server)
