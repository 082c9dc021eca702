# SPDX-License-Identifier: Apache-2.0
"""How the command line speaks to the control API.

Rules:
- One path: a command says method, path and body, and cannot tell which way they go (transport.py).
- A server is named by CUSTOMHOUSE_URL and CUSTOMHOUSE_KEY together. `--local`, or neither variable and a home directory
  here, opens the store itself; then the actor is `local:<uid>`.
"""

import os
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

import click
import msgspec

from customhouse.cli.options import options
from customhouse.cli.output import say, visible
from customhouse.cli.transport import Local, Remote, Reply, Transport
from customhouse.settings import Settings, load

T = TypeVar("T")

_META: Final = "customhouse.client"


class Refused(click.ClickException):
    """The control API refused: its sentence, code and trace id for the person, exit status 1."""

    def __init__(self, status: int, code: str, detail: str, trace_id: str | None) -> None:
        self.status = status
        self.code = code
        self.trace_id = trace_id
        trace = f", trace {trace_id}" if trace_id else ""
        super().__init__(visible(f"{detail} ({code}{trace})"))


class Client:
    """The control API as commands use it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def call(
        self, method: str, path: str, body: object | None = None, *, query: Mapping[str, str | None] | None = None
    ) -> object:
        """Send one request and return the decoded answer as plain data; raises Refused unless the status is 2xx.

        `path` begins with /api/v1; put names into it through `segment`. A query value None is left out.
        """
        return _decoded(self._send(method, path, body, query), object)

    def fetch(
        self,
        method: str,
        path: str,
        answer: type[T],
        body: object | None = None,
        *,
        query: Mapping[str, str | None] | None = None,
    ) -> T:
        """Like `call`, with the answer decoded as `answer`."""
        return _decoded(self._send(method, path, body, query), answer)

    def close(self) -> None:
        """Close the transport."""
        self._transport.close()

    def _send(self, method: str, path: str, body: object | None, query: Mapping[str, str | None] | None) -> bytes:
        pairs = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{path}?{urlencode(pairs)}" if pairs else path
        reply = self._transport.send(method, target, None if body is None else msgspec.json.encode(body))
        if not HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
            raise _refused(reply)
        return reply.body


def segment(value: object) -> str:
    """Return `value` as one path segment, percent-encoded."""
    return quote(str(value), safe="")


def client(ctx: click.Context) -> Client:
    """Return the client of this command line, made at the first use and closed when the command ends."""
    root = ctx.find_root()
    known = root.meta.get(_META)
    if isinstance(known, Client):
        return known
    made = Client(_transport(ctx))
    root.meta[_META] = made
    root.call_on_close(made.close)
    return made


def settings(ctx: click.Context) -> Settings:
    """Return the settings from the environment, with what stood before the command."""
    home = options(ctx).home
    return load(os.environ, home=None if home is None else str(home))


def _transport(ctx: click.Context) -> Transport:
    chosen = options(ctx)
    url, key = os.environ.get("CUSTOMHOUSE_URL"), os.environ.get("CUSTOMHOUSE_KEY")
    if chosen.local:
        return Local(settings(ctx))
    if url and key:
        return Remote(url, key)
    if url or key:
        missing = "CUSTOMHOUSE_KEY" if url else "CUSTOMHOUSE_URL"
        raise click.UsageError(f"{missing} is not set: a server needs both variables, the store here needs --local.")
    found = settings(ctx)
    if not found.home_path.is_dir():
        message = (
            f"no server is named and there is no {found.home} here: set CUSTOMHOUSE_URL and CUSTOMHOUSE_KEY, "
            "or use --local to make a store here."
        )
        raise click.UsageError(message)
    say(f"using the local store {found.home} (a server: set CUSTOMHOUSE_URL and CUSTOMHOUSE_KEY)")
    return Local(found)


class _Problem(msgspec.Struct):
    """What a command needs of an RFC 9457 answer; everything may be absent when something else answered."""

    code: str = ""
    detail: str = ""
    title: str = ""
    trace_id: str | None = None


def _decoded(content: bytes, answer: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=answer)
    except msgspec.MsgspecError as error:
        message = f"the server's answer is not understood: {error}. Is it a Customhouse of another version?"
        raise click.ClickException(visible(message)) from error


def _refused(reply: Reply) -> Refused:
    try:
        problem = msgspec.json.decode(reply.body, type=_Problem)
    except msgspec.MsgspecError:
        problem = _Problem()
    if not problem.code:
        url = os.environ.get("CUSTOMHOUSE_URL", "")
        where, base = f" from {url}" if url else "", url.rstrip("/").removesuffix("/v1")
        hint = "is this a Customhouse?" if url.rstrip("/") == base else f"leave out /v1: CUSTOMHOUSE_URL={base}"
        return Refused(reply.status, "http.error", f"HTTP {reply.status}{where}: {hint}", None)
    return Refused(reply.status, problem.code, problem.detail or problem.title, problem.trace_id)
