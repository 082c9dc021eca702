# SPDX-License-Identifier: Apache-2.0
"""One MCP server over HTTP: a request and its answer, which may be a stream. I/O only; every wait has a deadline.

Rules kept:
- A request is sent once. What broke after the first byte is `Failed` with `sent`, and nobody sends it again; a stream
  that its server closes before the answer is taken up where it stood (2025-11-25), which sends no call.
- Redirects are not followed; the address is the declared one; every header is ours or the operator's.
- Whoever leaves early says so: `notifications/cancelled` within a session, a closed connection else. A connection that
  was left is not used again, so that no late answer is another's.

Source: MCP 2025-11-25 and 2026-07-28, basic/transports.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from customhouse.dialects.mcp import answers, headers, message
from customhouse.dialects.mcp.message import Failure, Response
from customhouse.dialects.mcp.refused import INTERNAL_ERROR
from customhouse.dialects.mcp.revision import MODERN, RESUMABLE, at_least
from customhouse.dialects.mcp.stream import EVENTS, AnswerReader, upstream_message
from customhouse.domain.errors import UpstreamFailed
from customhouse.outgoing.connection import Connection, ConnectionBroke
from customhouse.outgoing.pool import Form, Pool, Slow, Unreachable, Unsendable
from customhouse.planes.tools.document import Server
from customhouse.planes.tools.failed import Way, failed
from customhouse.planes.tools.hearing import Heard, Hearing
from customhouse.planes.tools.outcome import Failed, Finished, Outcome, Refused, Request, SessionEnded, Speaking
from customhouse.planes.tools.signed import Credentials, signed

MAX_ERROR_BYTES: Final = 64 * 1024
MAX_RESUMED: Final = 100
"""How often one answer's stream is taken up again; its deadline bounds it besides."""
RETRY_MS: Final = 1000
"""The pause before that where the server names none."""
IDLE_S: Final = 10.0
"""Between two pieces of an answer that is one body: its server has begun to write it."""
CANCEL_S: Final = 2.0
"""How long a server may take to be told that nobody waits any longer."""
_GET_EVENTS: Final = Form("GET", EVENTS)
_DELETE: Final = Form("DELETE")
_FIXED: Final = ("content-type", "accept")
"""The pool writes them itself."""
_OK: Final = int(HTTPStatus.OK)
_NOT_FOUND: Final = int(HTTPStatus.NOT_FOUND)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one answer may come to: `message_bytes` for each message, `answer_bytes` for all of them."""

    message_bytes: int
    answer_bytes: int


@dataclass(frozen=True, slots=True)
class Answered:
    """An outcome, and the session that came with it."""

    outcome: Outcome
    session: str | None = None


class McpHttp:
    """Speaks to MCP servers over HTTP. Holds no state of any server."""

    def __init__(self, pool: Pool, credentials: Credentials, bounds: Bounds) -> None:
        """Use connections of a pool."""
        self._pool = pool
        self._credentials = credentials
        self._bounds = bounds

    async def ask(self, server: Server, request: Request, heard: Heard) -> Answered:
        """Send a request and wait for its answer; `heard` gets in order what the server says before. Never raises."""
        way = Way()
        deadline_s = server.timeout_s if request.deadline_s is None else request.deadline_s
        try:
            async with asyncio.timeout(deadline_s):
                return Answered(await self._asked(server, request, heard, way), way.session)
        except asyncio.CancelledError:
            await self._cancel(server, request, way, "the client has gone")
            raise
        except TimeoutError:
            await self._cancel(server, request, way, "no answer in time")
            return Answered(Failed("upstream.timeout", f"no answer within {deadline_s:g} s", way.sent))
        except (Unsendable, Unreachable, Slow, ConnectionBroke, UpstreamFailed, ValueError) as error:
            outcome = failed(error, sent=way.sent)
            if isinstance(error, UpstreamFailed):
                await self._cancel(server, request, way, "the answer cannot be read")
            return Answered(outcome)

    async def tell(self, server: Server, speaking: Speaking, body: bytes) -> Failed | SessionEnded | None:
        """Send a notification or an answer, which has none itself. Never raises but when cancelled."""
        way = Way()
        try:
            async with asyncio.timeout(server.timeout_s):
                made = _plain_headers(headers.built_handshake(speaking.revision, speaking.session))
                made |= await signed(server.headers, self._credentials)
                async with self._pool.exchange(_url(server), made, body) as connection:
                    way.sent = True
                    await connection.head(server.timeout_s)
                    status = connection.status
        except TimeoutError:
            return Failed("upstream.timeout", f"no answer within {server.timeout_s} s", way.sent)
        except (Unsendable, Unreachable, Slow, ConnectionBroke, UpstreamFailed, ValueError) as error:
            return failed(error, sent=way.sent)
        if status == _NOT_FOUND and speaking.session is not None:
            return SessionEnded()
        taken = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
        return None if taken else Failed("upstream.rejected", f"the server answered {status}", way.sent)

    async def listen(self, server: Server, speaking: Speaking, last_event: str | None, heard: Heard) -> Outcome:
        """Pass on what a session's server says between requests, until it ends the stream. Never raises.

        `Failed` with `upstream.cut_stream` is a stream that came to its end; no answer is expected on it.
        """
        way = Way()
        hearing = Hearing("", heard, limit=self._bounds.answer_bytes)
        try:
            ended, _ = await self._resumed(server, speaking, last_event, hearing, way)
        except (TimeoutError, Unsendable, Unreachable, Slow, ConnectionBroke, UpstreamFailed, ValueError) as error:
            return failed(error, sent=way.sent)
        return ended or Failed("upstream.cut_stream", "the server ended the stream", way.sent)

    async def end(self, server: Server, speaking: Speaking) -> None:
        """End a session; a server that does not know how is left alone."""
        if speaking.session is None:
            return
        with suppress(TimeoutError, Unsendable, Unreachable, Slow, ConnectionBroke, UpstreamFailed):
            async with asyncio.timeout(CANCEL_S):
                made = _plain_headers(headers.built_handshake(speaking.revision, speaking.session))
                made |= await signed(server.headers, self._credentials)
                async with self._pool.exchange(_url(server), made, b"", _DELETE) as connection:
                    await connection.head(CANCEL_S)

    async def _asked(self, server: Server, request: Request, heard: Heard, way: Way) -> Outcome:
        made = _request_headers(request) | await signed(server.headers, self._credentials)
        body = message.request(request.id, request.method, request.params)
        hearing = Hearing(request.id, heard, limit=self._bounds.answer_bytes)
        async with self._pool.exchange(_url(server), made, body) as connection:
            way.sent = True
            await connection.head(server.timeout_s)
            if connection.status != _OK:
                return await self._unwelcome(connection, request)
            way.session = _session(connection)
            reader = self._reader(connection)
            found = await _read(connection, reader, hearing, server.timeout_s)
        resumable = request.speaking.session is not None and at_least(request.speaking.revision, RESUMABLE)
        last_event = reader.last_event
        for _ in range(MAX_RESUMED):
            if found is not None or last_event is None or not resumable:
                break
            await asyncio.sleep((RETRY_MS if reader.retry_ms is None else reader.retry_ms) / 1000)
            found, reader = await self._resumed(server, request.speaking, last_event, hearing, way)
            last_event = reader.last_event or last_event
        return found or Failed("upstream.cut_stream", "the server's stream ended without an answer", sent=True)

    async def _resumed(
        self, server: Server, speaking: Speaking, last_event: str | None, hearing: Hearing, way: Way
    ) -> tuple[Outcome | None, AnswerReader]:
        """Take a stream up again after an event, or begin one. Raises as connections do, and UpstreamFailed."""
        made = _plain_headers(headers.built_handshake(speaking.revision, speaking.session))
        if last_event is not None:
            made[headers.LAST_EVENT] = last_event
        made |= await signed(server.headers, self._credentials)
        async with self._pool.exchange(_url(server), made, b"", _GET_EVENTS) as connection:
            way.sent = True
            await connection.head(server.timeout_s)
            if connection.status != _OK:
                raise UpstreamFailed(f"the server has no stream of events ({connection.status})")
            reader = self._reader(connection)
            return await _read(connection, reader, hearing, server.timeout_s), reader

    def _reader(self, connection: Connection) -> AnswerReader:
        if connection.headers.get("content-encoding", "identity") != "identity":
            raise UpstreamFailed("the server compressed its answer, which it was asked not to do")
        return AnswerReader(connection.headers.get("content-type"), limit=self._bounds.message_bytes)

    async def _unwelcome(self, connection: Connection, request: Request) -> Outcome:
        """Return what a status other than 200 says. An error of a request may come with any from 400 on."""
        status = connection.status
        if status == _NOT_FOUND and request.speaking.session is not None:
            return SessionEnded()
        if not HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            reason = "upstream.server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "upstream.protocol"
            return Failed(reason, f"the server answered {status}", sent=True)
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return Refused(Failure(INTERNAL_ERROR, f"the server refused the gateway's credential ({status})"))
        content = b""
        while len(content) <= MAX_ERROR_BYTES and (piece := await connection.piece(IDLE_S)):
            content += piece
        with suppress(UpstreamFailed):
            said = upstream_message(content, limit=MAX_ERROR_BYTES)
            # Servers that could not say which request it was give the error another id, or none.
            if isinstance(said, Response) and said.failure is not None:
                return Refused(said.failure)
        return Refused(Failure(INTERNAL_ERROR, f"the server answered {status}"))

    async def _cancel(self, server: Server, request: Request, way: Way, why: str) -> None:
        """Tell a server of the handshake era that nobody waits; to a modern one the closed connection says it."""
        if not way.sent or request.speaking.revision in MODERN or request.method == "initialize":
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_S):
                await self.tell(server, request.speaking, answers.cancelled(request.id, why))


async def _read(
    connection: Connection, reader: AnswerReader, hearing: Hearing, patience_s: float
) -> Finished | Refused | None:
    """Return the answer that a body or a stream holds; None of a stream that ended before.

    Raises ConnectionBroke, but not where the stream can be taken up again after an event.
    """
    media = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    limit_s = patience_s if media == EVENTS else min(IDLE_S, patience_s)
    try:
        while piece := await connection.piece(limit_s):
            hearing.count(len(piece))
            for each in reader.feed(piece):
                found = await hearing.take(each)
                if found is not None:
                    return found
    except ConnectionBroke:
        if reader.last_event is None:
            raise
        return None
    for each in reader.end():
        found = await hearing.take(each)
        if found is not None:
            return found
    return None


def _request_headers(request: Request) -> dict[str, str]:
    """Return the protocol's headers. Raises ValueError for a name that no header can say."""
    speaking = request.speaking
    if speaking.revision in MODERN:
        return _plain_headers(headers.built(request.method, request.params, speaking.revision)) | dict(request.headers)
    # `initialize` has neither: its revision is what it asks for.
    revision = None if request.method == "initialize" else speaking.revision
    return _plain_headers(headers.built_handshake(revision, speaking.session))


def _plain_headers(made: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in made.items() if name not in _FIXED}


def _session(connection: Connection) -> str | None:
    found = connection.headers.get(headers.SESSION)
    session = None if found is None else found.strip(" \t")
    if session is not None and not headers.is_session(session):
        raise UpstreamFailed("the server's session is none that a header can say")
    return session


def _url(server: Server) -> str:
    if server.url is None:
        raise UpstreamFailed("the server has no address", reason="upstream.misconfigured")
    return server.url
