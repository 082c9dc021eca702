# SPDX-License-Identifier: Apache-2.0
"""The data plane on HTTP: bounds the request, watches for a client that leaves, and turns errors into the dialect's.

Raw ASGI, since nothing between the server and the turn is needed here (docs/benchmarks.md has the cost of each step).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

from starlette.types import Receive, Scope, Send

from customhouse.dialects.client import CLIENTS, COUNTERS, EMBEDDERS, spoken
from customhouse.dialects.openai_chat import reply as openai_chat_reply
from customhouse.domain.errors import (
    BodyTooLarge,
    CustomhouseError,
    Internal,
    InvalidRequest,
    MethodRefused,
    NotFound,
    Overloaded,
    StoreUnavailable,
)
from customhouse.domain.principal import Principal
from customhouse.gateway import identity, responses
from customhouse.gateway.account import MAX_PARENT, Account, Watch, unwatched
from customhouse.gateway.body import ClientLeft, read_body
from customhouse.gateway.count import count
from customhouse.gateway.embed import embed
from customhouse.gateway.in_force import InForce
from customhouse.gateway.reply import Reply
from customhouse.gateway.turn import Gateway, Incoming, chat, recognised

RETRY_AFTER_S: Final = 1
WATCH_AFTER_S: Final = 0.02
"""How long a turn runs before somebody watches for its client to leave."""

Verb = Callable[[Gateway, Incoming, Reply], Awaitable[None]]
TURNS: Final[Mapping[str, Verb]] = {
    **dict.fromkeys(CLIENTS, chat),
    **dict.fromkeys(EMBEDDERS, embed),
    **dict.fromkeys(COUNTERS, count),
}
"""What a turn at each endpoint does."""
ENDPOINTS: Final[Mapping[str, str]] = {**dict.fromkeys(TURNS, "POST"), "/v1/models": "GET"}
"""The method of each endpoint."""
_log = logging.getLogger(__name__)


class DataPlane:
    """The endpoints that applications use. Invariant: at most `max_turns` turns are in flight."""

    def __init__(self, gateway: Gateway, *, max_turns: int, max_body_bytes: int, watch: Watch = unwatched) -> None:
        """Keep the bounds. `watch` is told of every turn when it has ended, refused ones included."""
        self._gateway = gateway
        self._watch = watch
        self._max_turns = max_turns
        self._max_body_bytes = max_body_bytes
        self._in_flight = 0

    @property
    def turns(self) -> int:
        """Return how many turns are in flight."""
        return self._in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every error ends as one in the client's dialect."""
        clock = self._gateway.clock
        account = Account(clock.uuid7(), clock.now_us())
        reply = Reply(send, account, spoken(scope["path"]))
        await self._answer(scope, receive, reply)
        if scope["path"] in TURNS and scope["method"] == "POST":
            account.steps_us = reply.timing_us()
            self._watch(account)

    async def _answer(self, scope: Scope, receive: Receive, reply: Reply) -> None:
        trace_id = reply.account.trace_id
        try:
            await self._dispatch(scope, receive, reply, trace_id)
        except ClientLeft:
            reply.account.left = True
        except CustomhouseError as problem:
            if problem.status_hint >= 500:  # noqa: PLR2004 - the server's own errors
                _log.warning("%s: %s", problem.code, problem.detail, exc_info=problem.__cause__, extra=_of(trace_id))
            await reply.fail(problem)
        except Exception:  # noqa: BLE001 - the ASGI edge: the client learns the trace id, the log learns the rest
            _log.exception("unexpected error", extra=_of(trace_id))
            await reply.fail(Internal())

    async def _dispatch(self, scope: Scope, receive: Receive, reply: Reply, trace_id: str) -> None:
        method = ENDPOINTS.get(scope["path"])
        if method is None:
            stored = responses.asked(scope["path"])
            if stored is not None:
                await self._kept(scope, stored, reply, trace_id)
                return
            raise NotFound(f"there is no endpoint here; this gateway has {', '.join(sorted(ENDPOINTS))}")
        if scope["method"] != method:
            reply.allow(method)
            raise MethodRefused(f"{scope['path']} takes {method}")
        headers = identity.unique(scope["headers"])
        reply.account.parent = headers.get("traceparent", "")[:MAX_PARENT]
        if method == "GET":
            await self._models(headers, reply)
            return
        if self._in_flight >= self._max_turns:
            raise Overloaded(retry_after_s=RETRY_AFTER_S)
        self._in_flight += 1
        try:
            await self._turn(scope["path"], headers, receive, reply)
        finally:
            self._in_flight -= 1

    async def _turn(self, path: str, headers: Mapping[str, str], receive: Receive, reply: Reply) -> None:
        """Run the turn; a client that leaves cancels it, and with it the provider's call."""
        turn = asyncio.current_task()
        left = False
        loop = asyncio.get_running_loop()
        watching: list[asyncio.Handle | asyncio.Future[None]] = []

        async def body() -> bytes:
            content = await self._body(headers, receive)
            # A turn shorter than this ends before its client's leaving would matter; most never start the watcher.
            watching.append(loop.call_later(WATCH_AFTER_S, lambda: watching.append(asyncio.ensure_future(watch()))))
            return content

        async def watch() -> None:
            nonlocal left
            while (await receive())["type"] != "http.disconnect":
                pass
            if turn is not None and not reply.ended:
                left = True
                turn.cancel()

        try:
            await TURNS[path](self._gateway, Incoming(reply.account.trace_id, path, spoken(path), headers, body), reply)
        except asyncio.CancelledError:
            if not left:
                raise
            if turn is not None:
                turn.uncancel()
            raise ClientLeft from None
        finally:
            for watcher in watching:
                watcher.cancel()

    def _in_force(self, principal: Principal) -> InForce:
        gateway = self._gateway
        return InForce(gateway.current, gateway.stale_after, principal, gateway.preparations)

    async def _models(self, headers: Mapping[str, str], reply: Reply) -> None:
        key = identity.authenticate(headers, self._gateway.credentials)
        # Any tenant: which of a key's tenants is meant makes no difference to the names that it may use.
        principal = Principal(key.id, key.tenants[0], key.assistant, key.environment, None, "none")
        snapshot = self._in_force(principal).snapshot()
        reply.stamp(snapshot)
        names = self._gateway.preparations.of(snapshot).names
        await reply.whole(200, openai_chat_reply.model_list(names, self._gateway.clock.now_us() // 1_000_000))

    async def _kept(self, scope: Scope, wanted: responses.Asked, reply: Reply, trace_id: str) -> None:
        """Answer about a stored response. It counts as a turn while it runs: it reads what turns write."""
        if scope["method"] not in wanted.methods:
            reply.allow(", ".join(wanted.methods))
            raise MethodRefused(f"this path takes {' and '.join(wanted.methods)}")
        if self._in_flight >= self._max_turns:
            raise Overloaded(retry_after_s=RETRY_AFTER_S)
        self._in_flight += 1
        try:
            async with asyncio.timeout(self._gateway.turn_timeout_s):
                principal = await recognised(self._gateway, identity.unique(scope["headers"]), trace_id)
                self._in_force(principal).admit()
                body = await responses.answered(
                    self._gateway.recall, principal, wanted, scope["method"], scope["query_string"]
                )
        except TimeoutError as error:
            raise StoreUnavailable from error
        finally:
            self._in_flight -= 1
        await reply.whole(HTTPStatus.OK, body)

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        limit = self._max_body_bytes
        declared = headers.get("content-length", "0")
        if not declared.isascii() or not declared.isdecimal():
            raise InvalidRequest("content-length is not a number")
        if len(declared) > 12 or int(declared) > limit:  # noqa: PLR2004 - bounds int()
            raise BodyTooLarge(f"the body has {declared[:12]} bytes, at most {limit} accepted")
        if headers.get("content-encoding", "identity") != "identity":
            raise InvalidRequest("compressed bodies are not accepted", param="content-encoding")
        return await read_body(receive, limit)


def _of(trace_id: str) -> dict[str, dict[str, str]]:
    """Return what a log line is about, apart from its sentence."""
    return {"fields": {"trace_id": trace_id}}
