# SPDX-License-Identifier: Apache-2.0
"""One call of a plain HTTP tool and its answer, which becomes a result as an MCP server gives one. I/O only.

Rules kept: as `mcp_http.py`. An answer is text or JSON within a bound; 4xx is the tool's own error, which a model reads
as such, but for a refused credential, which is not its to read; a redirect or 5xx leaves open what happened.
"""

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec

from customhouse.dialects.mcp.message import Failure, Response
from customhouse.dialects.mcp.refused import INTERNAL_ERROR, INVALID_PARAMS
from customhouse.dialects.strict_json import strictly
from customhouse.domain.errors import InvalidRequest, UpstreamFailed
from customhouse.outgoing.connection import Connection, ConnectionBroke
from customhouse.outgoing.pool import Form, Pool, Slow, Unreachable, Unsendable
from customhouse.planes.tools.document import HttpCall, Server
from customhouse.planes.tools.failed import Way, failed
from customhouse.planes.tools.mcp_http import IDLE_S
from customhouse.planes.tools.outcome import Failed, Finished, Outcome, Refused
from customhouse.planes.tools.plain_call import PlainCall, idempotency, plain_call
from customhouse.planes.tools.signed import Credentials, signed

JSON: Final = "application/json"
ACCEPT: Final = "application/json, text/*;q=0.5"
MAX_DEPTH: Final = 64
_KEY: Final = "idempotency-key"
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_write = msgspec.json.Encoder().encode


class PlainHttp:
    """Calls plain HTTP tools."""

    def __init__(self, pool: Pool, credentials: Credentials, answer_bytes: int) -> None:
        """Use connections of a pool."""
        self._pool = pool
        self._credentials = credentials
        self._answer_bytes = answer_bytes

    async def call(
        self, server: Server, how: HttpCall, arguments: Mapping[str, object], idempotency_key: object
    ) -> Outcome:
        """Send a call once and wait for its answer. Never raises but when cancelled."""
        try:
            built = plain_call(server.url or "", how, arguments)
            made = {} if idempotency_key is None else {_KEY: idempotency(idempotency_key)}
        except ValueError as error:
            return Refused(Failure(INVALID_PARAMS, "the arguments cannot be sent: " + _plain(error)))
        way = Way()
        try:
            async with asyncio.timeout(server.timeout_s):
                return await self._sent(server, built, made, way)
        except (TimeoutError, Unsendable, Unreachable, Slow, ConnectionBroke, UpstreamFailed) as error:
            return failed(error, sent=way.sent)

    async def _sent(self, server: Server, built: PlainCall, made: Mapping[str, str], way: Way) -> Outcome:
        form = Form(built.method, ACCEPT, None if built.body is None else JSON)
        headers = await signed(server.headers, self._credentials) | dict(made)
        async with self._pool.exchange(built.url, headers, built.body or b"", form) as connection:
            way.sent = True
            await connection.head(server.timeout_s)
            status = connection.status
            if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                return Refused(Failure(INTERNAL_ERROR, f"the server refused the gateway's credential ({status})"))
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return Failed("upstream.server_error", f"the server answered {status}", sent=True)
            if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
                return Failed(
                    "upstream.protocol", f"the server answered {status}; redirects are not followed", sent=True
                )
            content = await self._whole(connection, server.timeout_s)
            return Finished(_result(status, connection.headers.get("content-type", ""), content))

    async def _whole(self, connection: Connection, patience_s: float) -> bytes:
        if connection.headers.get("content-encoding", "identity") != "identity":
            raise UpstreamFailed("the server compressed its answer, which it was asked not to do")
        pieces: list[bytes] = []
        size_bytes = 0
        while piece := await connection.piece(min(IDLE_S, patience_s)):
            size_bytes += len(piece)
            if size_bytes > self._answer_bytes:
                raise UpstreamFailed(
                    f"the server's answer is larger than {self._answer_bytes} bytes", reason="upstream.too_large"
                )
            pieces.append(piece)
        return b"".join(pieces)


def _result(status: int, content_type: str, content: bytes) -> Response:
    """Return an answer as a result. Raises UpstreamFailed for one that is no text."""
    media = content_type.partition(";")[0].strip().lower()
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise UpstreamFailed("the server's answer is not UTF-8") from error
    structured: object = None
    if media == JSON or media.endswith("+json"):
        try:
            structured = strictly(content, depth=MAX_DEPTH) if content.strip() else None
        except InvalidRequest as error:
            raise UpstreamFailed("the server's answer is not the JSON that it says it is") from error
    elif content and not media.startswith("text/"):
        raise UpstreamFailed("the server's answer is neither JSON nor text")
    if status >= HTTPStatus.BAD_REQUEST:
        said: dict[str, object] = {"content": [{"type": "text", "text": f"HTTP {status}\n{text}"}], "isError": True}
        return Response(0, said, _members(_write(said)))
    said = {"content": [{"type": "text", "text": text}]}
    members = _members(_write(said))
    if isinstance(structured, dict):
        # As it was spelled, on one line: no number changes on the way.
        members["structuredContent"] = msgspec.Raw(content.translate(None, b"\n\r\t"))
        said["structuredContent"] = structured
    return Response(0, said, members)


def _plain(error: ValueError) -> str:
    return "half of a character" if isinstance(error, (UnicodeEncodeError, json.JSONDecodeError)) else str(error)
