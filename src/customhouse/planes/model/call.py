# SPDX-License-Identifier: Apache-2.0
"""Calling a deployment: the only file that connects to a model. Every wait has a deadline, every body a bound.

What counts as a failure, so that the next deployment is tried: no connection, a timeout, 429, 5xx, a refused
credential, 200 with nothing in it, a stream without an end, an answer that is not the dialect. A 400 is the request's
own fault and is not tried elsewhere, and what one provider's content filter refuses is not shown to another. A refused
credential is asked for anew, once. Redirects are not followed: a provider does not get to choose where data goes.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Final, NamedTuple, TypeVar

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
from customhouse.outgoing.connection import Connection, ConnectionBroke
from customhouse.outgoing.credential import UpstreamCredentials
from customhouse.outgoing.pool import Exchange, Pool, Slow, Unreachable, Unsendable
from customhouse.outgoing.token import Token
from customhouse.planes.model.address import Address, address
from customhouse.planes.model.circuits import Calling, Circuits
from customhouse.planes.model.document import Deployment
from customhouse.planes.model.reference import reference
from customhouse.planes.model.retry_after import retry_after_s
from customhouse.planes.model.spoken import spoken

T = TypeVar("T")

PassOn = Callable[[list[Delta]], Awaitable[None]]
"""Takes pieces of a stream that may pass now, in their order."""
MAX_ERROR_BYTES: Final = 64 * 1024
_BUSY: Final = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, 529})
"""RFC 9110 15.6.4, and Anthropic's "overloaded": they may say for how long."""
_UNREACHABLE: Final = "no connection to the upstream could be made: nothing was sent"
_OK: Final = int(HTTPStatus.OK)
_UNAUTHORIZED: Final = int(HTTPStatus.UNAUTHORIZED)
_OUR_FAULT: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines in seconds and the bound of an answer in bytes."""

    connect_s: float
    first_byte_s: float
    idle_s: float
    answer_bytes: int


class Upstreams:
    """Connections to every deployment. Credentials are looked up by name at each call.

    `circuits` knows which deployments are left alone now; how each call ends is told to it here, and nowhere else.
    """

    def __init__(self, limits: Limits, credentials: UpstreamCredentials, circuits: Circuits, clock: Clock) -> None:
        """Begin without connections."""
        self._limits = limits
        self.credentials = credentials
        self._clock = clock
        self.circuits = circuits
        self._patience_s = max(limits.first_byte_s, limits.idle_s)
        self._pool = Pool(limits.connect_s)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def answer(self, deployment: Deployment, body: bytes) -> Answer:
        """Ask for a whole answer. Raises UpstreamFailed (or Limited, Timeout) and UpstreamRejected."""
        dialect = spoken(deployment)

        async def read(response: Connection, _: Calling) -> Answer:
            """Read all of it; what is not the dialect counts against the deployment."""
            return dialect.answer(await self._whole(response))

        return await self._ask(deployment, dialect.path, body, read)

    async def count(self, deployment: Deployment, counting: Counting, body: bytes) -> int:
        """Ask how many tokens a request has. Raises as `answer`."""

        async def read(response: Connection, _: Calling) -> int:
            """Read a count."""
            return counting.tokens(await self._whole(response))

        return await self._ask(deployment, counting.path, body, read)

    async def stream(self, deployment: Deployment, body: bytes, collector: Collector, pass_on: PassOn) -> None:
        """Ask for a stream; `pass_on` gets what of each read may pass, `collector` keeps all. Raises as `answer`."""

        async def read(response: Connection, calling: Calling) -> None:
            """Read the events as they come."""
            reader = EventReader()
            limit_s = self._limits.first_byte_s
            while content := await response.piece(limit_s):
                limit_s = self._limits.idle_s
                found = _read(reader.feed(content), collector)
                if found.passing:
                    calling.answering()
                    await pass_on(found.passing)
                if found.failure is not None:
                    raise found.failure
                if collector.done:
                    break
            _refuse_unfinished(collector)

        await self._ask(deployment, spoken(deployment).path, body, read)

    async def _ask(
        self, deployment: Deployment, path: str, body: bytes, read: Callable[[Connection, Calling], Awaitable[T]]
    ) -> T:
        """Send a request, and `read` its answer when its head is a good one's. The turn's deadline bounds the whole."""
        where = address(deployment, path)
        source = reference(deployment)
        token = None if source is None else await self.credentials.token(source)
        with self.circuits.calling(deployment) as calling, _TOLD:
            async with self._exchange(where, body, token) as response:
                await response.head(self._patience_s)
                refused = response.status == _UNAUTHORIZED and source is not None and token is not None
                if not refused:
                    return await read(await self._good(deployment, response), calling)
            renewed = None if source is None or token is None else await self.credentials.renewed(source, token)
            if renewed is None:
                raise _misconfigured(_UNAUTHORIZED)
            async with self._exchange(where, body, renewed) as response:
                await response.head(self._patience_s)
                return await read(await self._good(deployment, response), calling)

    def _exchange(self, where: Address, body: bytes, token: Token | None) -> Exchange:
        return self._pool.exchange(where.url, where.signed(None if token is None else token.reveal()), body)

    async def _good(self, deployment: Deployment, response: Connection) -> Connection:
        """Return an answer that can be read. Raises UpstreamFailed, UpstreamRejected."""
        if response.status != _OK:
            raise await self._failure(deployment, response)
        if response.headers.get("content-encoding", "identity") != "identity":
            raise UpstreamFailed("the upstream compressed its answer, which it was asked not to do")
        return response

    async def _whole(self, response: Connection) -> bytes:
        bound = self._limits.answer_bytes
        pieces: list[bytes] = []
        size = 0
        while piece := await response.piece(self._patience_s):
            size += len(piece)
            if size > bound:
                raise UpstreamFailed(f"the upstream's answer is larger than {bound} bytes", reason="upstream.too_large")
            pieces.append(piece)
        return b"".join(pieces)

    async def _told_of_failure(self, response: Connection) -> bytes:
        """Return the beginning of an error's body."""
        pieces: list[bytes] = []
        size = 0
        while size < MAX_ERROR_BYTES and (piece := await response.piece(self._patience_s)):
            size += len(piece)
            pieces.append(piece)
        return b"".join(pieces)[:MAX_ERROR_BYTES]

    async def _failure(self, deployment: Deployment, response: Connection) -> UpstreamFailed | UpstreamRejected:
        status = response.status
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return UpstreamLimited(reason="upstream.limited", retry_after_s=self._wait_s(response))
        if status in _OUR_FAULT:
            return _misconfigured(status)
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            content = await self._told_of_failure(response)
            categories = azure.filtered(content)
            if categories is not None:
                named = f" ({', '.join(categories)})" if categories else ""
                return ContentFiltered(f"the provider's content filter refused the request{named}: change the prompt")
            said = spoken(deployment).error_message(content)
            return UpstreamRejected(f"the model's provider refused the request ({status}): {said or 'no reason given'}")
        wait_s = self._wait_s(response) if status in _BUSY else None
        return UpstreamFailed(f"the upstream answered {status}", reason="upstream.server_error", retry_after_s=wait_s)

    def _wait_s(self, response: Connection) -> int | None:
        """Return how long the upstream asks us to wait, in whole seconds, as we tell it on."""
        wait_s = retry_after_s(response.headers, self._clock.now_us() / 1_000_000)
        return None if wait_s is None else math.ceil(wait_s)


class _Told:
    """Tells in this house's errors how a connection failed."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise what the failure is called here."""
        match error:
            case Unsendable():
                raise UpstreamFailed(
                    "the provider's address or credential cannot be sent", reason="upstream.misconfigured"
                ) from error
            case Unreachable():
                raise UpstreamFailed(_UNREACHABLE, reason="upstream.unreachable") from error
            case Slow():
                raise UpstreamTimeout(_UNREACHABLE, reason="upstream.unreachable") from error
            case TimeoutError():
                raise UpstreamTimeout("the upstream did not answer in time", reason="upstream.timeout") from error
            case ConnectionBroke():
                raise UpstreamFailed(error.args[0], reason="upstream.connection") from error
            case _:
                pass


_TOLD: Final = _Told()


def _misconfigured(status: int) -> UpstreamFailed:
    return UpstreamFailed(
        f"the upstream answered {status}: its credential or model name is wrong", reason="upstream.misconfigured"
    )


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
