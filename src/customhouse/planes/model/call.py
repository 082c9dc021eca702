# SPDX-License-Identifier: Apache-2.0
"""Calling a deployment: the only file that connects to a model. Every wait has a deadline, every body a bound.

What counts as a failure, so that the next deployment is tried: no connection, a timeout, 429, 5xx, a refused
credential, 200 with nothing in it, a stream without an end, an answer that is not the dialect. A 400 is the request's
own fault and is not tried elsewhere, and what one provider's content filter refuses is not shown to another. A refused
credential is asked for anew, once. Redirects are not followed: a provider does not get to choose where data goes.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NamedTuple

import aiohttp

from customhouse import __version__
from customhouse.dialects import azure
from customhouse.dialects.provider import Collector, Counting
from customhouse.dialects.sse import EventReader
from customhouse.domain.answer import Answer, Delta
from customhouse.domain.clock import Clock
from customhouse.domain.errors import (
    ContentFiltered,
    UpstreamFailed,
    UpstreamLimited,
    UpstreamRejected,
    UpstreamTimeout,
)
from customhouse.planes.model.address import Address, address
from customhouse.planes.model.circuits import Calling, Circuits
from customhouse.planes.model.credential import ProviderCredentials
from customhouse.planes.model.document import Deployment
from customhouse.planes.model.reference import reference
from customhouse.planes.model.retry_after import retry_after_s
from customhouse.planes.model.spoken import spoken
from customhouse.planes.model.token import Token

MAX_CONNECTIONS: Final = 512
"""Open upstream connections at most; above max_turns, so that it never is what limits."""
MAX_ERROR_BYTES: Final = 64 * 1024
_BUSY: Final = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, 529})
"""RFC 9110 15.6.4, and Anthropic's "overloaded": they may say for how long."""
_UNREACHABLE: Final = "no connection to the upstream could be made: nothing was sent"
_OUR_FAULT: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines in seconds and the bound of an answer in bytes."""

    connect_s: float
    first_byte_s: float
    idle_s: float
    answer_bytes: int


class Opened(NamedTuple):
    """An answer that has begun, and the call that it belongs to."""

    response: aiohttp.ClientResponse
    calling: Calling


class Upstreams:
    """Connections to every deployment. Credentials are looked up by name at each call.

    `circuits` knows which deployments are left alone now; how each call ends is told to it here, and nowhere else.
    """

    def __init__(self, limits: Limits, credentials: ProviderCredentials, circuits: Circuits, clock: Clock) -> None:
        """Open the pool; must be called inside a running loop."""
        self._limits = limits
        self.credentials = credentials
        self._clock = clock
        self.circuits = circuits
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, limit_per_host=MAX_CONNECTIONS, keepalive_timeout=30),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=limits.connect_s, sock_read=max(limits.first_byte_s, limits.idle_s)
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"customhouse/{__version__}", "Accept": "application/json, text/event-stream"},
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def answer(self, deployment: Deployment, body: bytes) -> Answer:
        """Ask for a whole answer. Raises UpstreamFailed (or Limited, Timeout) and UpstreamRejected."""
        dialect = spoken(deployment)
        async with self._opened(deployment, dialect.path, body) as opened:
            return dialect.answer(await self._whole(opened.response))

    async def count(self, deployment: Deployment, counting: Counting, body: bytes) -> int:
        """Ask how many tokens a request has. Raises as `answer`."""
        async with self._opened(deployment, counting.path, body) as opened:
            return counting.tokens(await self._whole(opened.response))

    async def stream(
        self, deployment: Deployment, body: bytes, collector: Collector
    ) -> AsyncGenerator[list[Delta], None]:
        """Ask for a stream; yield what of each read may pass now, while `collector` keeps all. Raises as `answer`."""
        async with self._opened(deployment, spoken(deployment).path, body) as opened:
            reader = EventReader()
            async for content in self._within_idle(opened.response):
                read = _read(reader.feed(content), collector)
                if read.passing:
                    opened.calling.answering()
                    yield read.passing
                if read.failure is not None:
                    raise read.failure
                if collector.done:
                    break
            _refuse_unfinished(collector)

    @asynccontextmanager
    async def _opened(self, deployment: Deployment, path: str, body: bytes) -> AsyncGenerator[Opened, None]:
        where = address(deployment, path)
        source = reference(deployment)
        token = None if source is None else await self.credentials.token(source)
        with self.circuits.calling(deployment) as calling:
            try:
                response = await self._sent(where, body, token)
                if response.status == HTTPStatus.UNAUTHORIZED and source is not None and token is not None:
                    renewed = await self.credentials.renewed(source, token)
                    if renewed is not None:
                        response.release()
                        response = await self._sent(where, body, renewed)
                async with response:
                    if response.status != HTTPStatus.OK:
                        raise await self._failure(deployment, response)
                    yield Opened(response, calling)
            except aiohttp.ConnectionTimeoutError as error:
                raise UpstreamTimeout(_UNREACHABLE, reason="upstream.unreachable") from error
            except aiohttp.ClientConnectorError as error:
                raise UpstreamFailed(_UNREACHABLE, reason="upstream.unreachable") from error
            except TimeoutError as error:
                raise UpstreamTimeout("the upstream did not answer in time", reason="upstream.timeout") from error
            except aiohttp.ClientError as error:
                raise UpstreamFailed("the connection to the upstream broke", reason="upstream.connection") from error

    async def _sent(self, where: Address, body: bytes, token: Token | None) -> aiohttp.ClientResponse:
        signed = where.signed(None if token is None else token.reveal())
        headers = {"Content-Type": "application/json", **signed}
        # The session's timeouts bound the connection and each wait for bytes, the turn's deadline bounds the whole.
        return await self._session.post(where.url, data=body, headers=headers, allow_redirects=False)

    async def _within_idle(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """Yield pieces of a stream, of which the first may take longer than the others."""
        pieces = response.content.iter_any()
        limit_s = self._limits.first_byte_s
        while True:
            async with asyncio.timeout(limit_s):
                try:
                    piece = await anext(pieces)
                except StopAsyncIteration:
                    return
            limit_s = self._limits.idle_s
            yield piece

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        # A compressed answer may be larger than it says.
        plain = "Content-Encoding" not in response.headers
        if plain and response.content_length is not None and response.content_length <= self._limits.answer_bytes:
            return await response.read()
        pieces: list[bytes] = []
        size = 0
        async for piece in response.content.iter_any():
            size += len(piece)
            if size > self._limits.answer_bytes:
                raise UpstreamFailed(
                    f"the upstream's answer is larger than {self._limits.answer_bytes} bytes",
                    reason="upstream.too_large",
                )
            pieces.append(piece)
        return b"".join(pieces)

    async def _failure(
        self, deployment: Deployment, response: aiohttp.ClientResponse
    ) -> UpstreamFailed | UpstreamRejected:
        status = response.status
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return UpstreamLimited(reason="upstream.limited", retry_after_s=self._wait_s(response))
        if status in _OUR_FAULT:
            return UpstreamFailed(
                f"the upstream answered {status}: its credential or model name is wrong",
                reason="upstream.misconfigured",
            )
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            content = await response.content.read(MAX_ERROR_BYTES)
            categories = azure.filtered(content)
            if categories is not None:
                named = f" ({', '.join(categories)})" if categories else ""
                return ContentFiltered(f"the provider's content filter refused the request{named}: change the prompt")
            said = spoken(deployment).error_message(content)
            return UpstreamRejected(f"the model's provider refused the request ({status}): {said or 'no reason given'}")
        wait_s = self._wait_s(response) if status in _BUSY else None
        return UpstreamFailed(f"the upstream answered {status}", reason="upstream.server_error", retry_after_s=wait_s)

    def _wait_s(self, response: aiohttp.ClientResponse) -> int | None:
        """Return how long the upstream asks us to wait, in whole seconds, as we tell it on."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        wait_s = retry_after_s(headers, self._clock.now_us() / 1_000_000)
        return None if wait_s is None else math.ceil(wait_s)


class _Read(NamedTuple):
    """What one read of a stream came to: pieces that may pass, then perhaps its failure."""

    passing: list[Delta]
    failure: UpstreamFailed | None = None


def _read(events: list[bytes], collector: Collector) -> _Read:
    passing: list[Delta] = []
    for data in events:
        if collector.done:
            break
        try:
            passing.extend(collector.feed(data))
        except UpstreamFailed as failure:
            return _Read(passing, failure=failure)
    return _Read(passing)


def _refuse_unfinished(collector: Collector) -> None:
    if not collector.started:
        raise UpstreamFailed("the upstream's stream held nothing", reason="upstream.empty_stream")
    if not collector.finished:
        raise UpstreamFailed("the upstream's stream ended without a finish_reason", reason="upstream.cut_stream")
