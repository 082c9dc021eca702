# SPDX-License-Identifier: Apache-2.0
"""The one door: every request's Host header is looked at first, then the request goes to the application of its path.

Story: a page that Mallory wrote makes Dana's browser ask 127.0.0.1:8080, under a name of Mallory's that resolves there.
The Host header says so, and the answer is 421 on every path, /metrics and /healthz included.
"""

from collections.abc import Mapping

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from customhouse.api import problem as api_problem
from customhouse.dialects.client import spoken
from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import CustomhouseError, HostUnknown, NotFound


class Front:
    """Sends each request to its plane, after its Host header was recognised."""

    def __init__(self, hosts: frozenset[str], planes: Mapping[str, ASGIApp], pages: Mapping[str, ASGIApp]) -> None:
        """`planes` are found by the beginning of a path (`/v1/`), `pages` by the whole of it (`/healthz`)."""
        self._hosts = hosts
        self._planes = planes
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] != "http":
            return
        if not _host_known(scope, self._hosts):
            await _refuse(scope, receive, send, HostUnknown())
            return
        path: str = scope["path"]
        found = self._pages.get(path) or next(
            (plane for beginning, plane in self._planes.items() if path.startswith(beginning)), None
        )
        if found is None:
            known = ", ".join((*self._planes, *self._pages))
            await _refuse(scope, receive, send, NotFound(f"there is nothing here: {known}"))
            return
        await found(scope, receive, send)


def _host_known(scope: Scope, hosts: frozenset[str]) -> bool:
    sent = [value for name, value in scope["headers"] if name == b"host"]
    if len(sent) != 1:
        return False
    host = sent[0].decode("latin-1").lower()
    name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
    return name in hosts


async def _refuse(scope: Scope, receive: Receive, send: Send, error: CustomhouseError) -> None:
    trace_id = SystemClock().uuid7()
    if scope["path"].startswith("/v1/"):
        body, media_type = spoken(scope["path"]).error(error, trace_id), "application/json"
    else:
        body, media_type = msgspec.json.encode(api_problem.problem(error, trace_id)), api_problem.MEDIA_TYPE
    headers = {"customhouse-trace-id": trace_id, "x-should-retry": "false"}
    await Response(body, error.status_hint, headers, media_type)(scope, receive, send)
