# SPDX-License-Identifier: Apache-2.0
"""The doors: sign in with an operator key, sign out. The only pages for people who are not known.

Rules:
- The key is posted, never in an address. A session's token is always a new one; one that the browser had ends.
- After signing in people get to the page that they wanted, if it is one of ours: the address is looked up among the
  pages, not parsed for a host.
- What is wrong with a key is not told: unknown, revoked and mistyped ones get the same sentence.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from starlette.responses import Response
from starlette.types import Receive

from customhouse.access import sessions
from customhouse.access.credentials import Credentials
from customhouse.access.sessions import Session
from customhouse.console import cookie, proof
from customhouse.console.failures import WINDOW_S, Failures
from customhouse.console.form import MAX_FORM_BYTES, read_form
from customhouse.console.page import Page
from customhouse.console.render import Renderer, see
from customhouse.domain.errors import Forbidden, Unauthenticated
from customhouse.gateway.body import read_body
from customhouse.registry.control import Control

HOME: Final = "/approvals"
"""Where people get to who wanted nothing else."""
PATH: Final = "/sign-in"
OUT: Final = "/sign-out"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ways:
    """What the doors need around them."""

    control: Control
    credentials: Credentials
    renderer: Renderer
    failures: Failures
    pages: tuple[Page, ...]
    https: bool


class Knock(NamedTuple):
    """Who stands before a door."""

    trace_id: str
    raw_query: str
    session: Session | None
    headers: Mapping[str, str]


def wanted(address: str, pages: tuple[Page, ...]) -> str:
    """Return the page that somebody wanted, or the first one for what is no page of ours."""
    known = any(page.method == "GET" and page.names(address) is not None for page in pages)
    return address if known else HOME


def _asked_for(raw_query: str, pages: tuple[Page, ...]) -> str:
    try:
        named = parse_qs(raw_query, max_num_fields=4).get("to", [])
    except ValueError:
        return HOME
    return wanted(named[0], pages) if len(named) == 1 else HOME


async def _first(_ways: Ways, _knock: Knock, _receive: Receive) -> Response:  # noqa: RUF029 - a door
    return see(HOME)


async def _show(ways: Ways, knock: Knock, _receive: Receive) -> Response:  # noqa: RUF029 - a door
    to = _asked_for(knock.raw_query, ways.pages)
    if knock.session is not None:
        return see(to)
    return ways.renderer.page("sign-in.html", None, to=to, problem=None)


async def _sign_in(ways: Ways, knock: Knock, receive: Receive) -> Response:
    content = await read_body(receive, MAX_FORM_BYTES)
    form = read_form(knock.headers.get("content-type", ""), content, ("key", "to"))
    to = wanted(form["to"], ways.pages)
    try:
        session = await sessions.begin(ways.control, ways.credentials, form["key"].strip(), trace_id=knock.trace_id)
    except Unauthenticated:
        return _refused(ways, knock, to)
    if knock.session is not None:
        await sessions.end(ways.control, knock.session, trace_id=knock.trace_id)
    answer = see(to)
    answer.headers["set-cookie"] = cookie.given(session.token, https=ways.https)
    return answer


def _refused(ways: Ways, knock: Knock, to: str) -> Response:
    if ways.failures.failed():
        said, status = f"Too many keys were wrong here lately; look at yours, wait {WINDOW_S} seconds.", 429
    else:
        said, status = "This is no key of anybody who may sign in: it is unknown, revoked, or mistyped.", 403
        _log.warning("a sign-in was refused", extra={"fields": {"trace_id": knock.trace_id}})
    return ways.renderer.page("sign-in.html", None, status=status, to=to, problem=said)


async def _sign_out(ways: Ways, knock: Knock, receive: Receive) -> Response:
    content = await read_body(receive, MAX_FORM_BYTES)
    form = read_form(knock.headers.get("content-type", ""), content, ("proof",))
    if knock.session is not None:
        if not proof.is_form_proof(knock.session, form["proof"]):
            raise Forbidden("The form is not of this session: open the page again. You are still signed in.")
        await sessions.end(ways.control, knock.session, trace_id=knock.trace_id)
    answer = ways.renderer.page("signed-out.html", None, status=HTTPStatus.OK)
    answer.headers["set-cookie"] = cookie.taken(https=ways.https)
    return answer


Door = Callable[[Ways, Knock, Receive], Awaitable[Response]]
DOORS: Final[Mapping[tuple[str, str], Door]] = MappingProxyType(
    {("GET", "/"): _first, ("GET", PATH): _show, ("POST", PATH): _sign_in, ("POST", OUT): _sign_out}
)
"""What needs no session, by method and path."""
