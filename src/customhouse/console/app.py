# SPDX-License-Identifier: Apache-2.0
"""The console as an ASGI application. Every request goes through the numbered steps of `_answer`, in this order.

Rules:
- Deny by default: no page, no session, no verb is a refusal. A POST needs a form of this very session besides, and
  nothing of it is read before it is known to come from a page of ours.
- A GET changes nothing. Who may see what is decided by the same table of roles and the same verbs as in the API.
- What somebody known may not do (403) is evidence in the organisation's log; where that fails, the refusal stands.
"""

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, quote

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from customhouse.access import sessions, token
from customhouse.access.credentials import Credentials
from customhouse.access.roles import allowed, roles_with
from customhouse.access.sessions import Session
from customhouse.console import cookie, proof, sign_in
from customhouse.console.failures import Failures
from customhouse.console.form import MAX_FORM_BYTES, read_form
from customhouse.console.origin import Arrival, require_opened_by_a_person, require_own_form
from customhouse.console.page import Page, Visit
from customhouse.console.pages import PAGES
from customhouse.console.render import HEADERS, STATIC, Renderer, see
from customhouse.domain.errors import (
    CustomhouseError,
    Forbidden,
    Internal,
    InvalidRequest,
    LedgerUnavailable,
    MethodRefused,
    NotFound,
    Unauthenticated,
    VerbRefused,
)
from customhouse.gateway.body import ClientLeft, read_body
from customhouse.registry.control import Control
from customhouse.registry.current import Current

PROOF: Final = "proof"
"""The field of every form that proves which session it belongs to."""
MAX_RECORDED_PATH: Final = 256
_MAX_QUERY: Final = 4

_log = logging.getLogger(__name__)


def build_console(
    control: Control, credentials: Credentials, current: Current, *, https: bool, pages: tuple[Page, ...] = PAGES
) -> "Console":
    """Return the application. `https` says that people reach it over TLS, whatever the connection here is."""
    renderer, failures = Renderer(control.clock), Failures(control.clock)
    return Console(control, credentials, current, renderer, failures, pages=pages, https=https)


@dataclass(frozen=True, slots=True)
class Console:
    """Everything that a request needs."""

    control: Control
    credentials: Credentials
    current: Current
    renderer: Renderer
    failures: Failures
    pages: tuple[Page, ...]
    https: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        asked = _Asked(scope, self.control.clock.uuid7(), self.https or scope.get("scheme") == "https")
        session: Session | None = None
        try:
            session = await self._session(asked)
            response = await self._answer(asked, session, receive)
        except ClientLeft:
            return
        except CustomhouseError as error:
            if error.status_hint >= HTTPStatus.INTERNAL_SERVER_ERROR:
                _log.warning("%s", error.code, exc_info=error, extra={"fields": {"trace_id": asked.trace_id}})
            response = self.renderer.refusal(error, session, asked.trace_id, _back(asked))
        except Exception:  # noqa: BLE001 - the ASGI edge: the person learns the trace id, the log learns the rest
            _log.exception("unexpected error", extra={"fields": {"trace_id": asked.trace_id}})
            response = self.renderer.refusal(Internal(), session, asked.trace_id, _back(asked))
        response.headers.update({**HEADERS, "customhouse-trace-id": asked.trace_id})
        await response(scope, receive, send)

    async def _session(self, asked: "_Asked") -> Session | None:
        presented = cookie.presented(asked.headers.get("cookie", ""), https=asked.https)
        return None if presented is None else await sessions.resume(self.control, self.credentials, presented)

    async def _answer(self, asked: "_Asked", session: Session | None, receive: Receive) -> Response:
        # (1) the page, from the path as it was sent; files that pages load are no secret
        if token.mentions(asked.path) or token.mentions(asked.raw_query):
            raise InvalidRequest("A key stands in the address, where logs and histories keep it: revoke it.")
        if asked.path in STATIC and asked.method == "GET":
            return self.renderer.static(asked.path)
        door = sign_in.DOORS.get((asked.method, asked.path))
        found = self._find(asked)
        if door is None and found is None:
            raise self._nowhere(asked)
        # (2) where it comes from
        if asked.method == "POST":
            require_own_form(asked.headers)
        elif require_opened_by_a_person(asked.headers) is Arrival.LINK and session is None:
            return self.renderer.page("arrived.html", None, here=asked.here)
        if door is not None:
            ways = sign_in.Ways(self.control, self.credentials, self.renderer, self.failures, self.pages, asked.https)
            return await door(ways, sign_in.Knock(asked.trace_id, asked.raw_query, session, asked.headers), receive)
        assert found is not None  # noqa: S101 - one of the two, by (1)
        # (3) who asks
        if session is None:
            if asked.method == "POST":
                raise Unauthenticated("You are signed out: sign in, and do it again. Nothing was done.")
            return see(f"{sign_in.PATH}?to={quote(asked.path, safe='/')}")
        page, path = found
        try:
            return await self._visit(asked, session, page, path, receive)
        except Forbidden as error:
            await self._record(error, session, page, asked)
            raise

    def _find(self, asked: "_Asked") -> tuple[Page, dict[str, str]] | None:
        for page in self.pages:
            names = page.names(asked.path)
            if names is not None and page.method == asked.method:
                return page, dict(names)
        return None

    def _nowhere(self, asked: "_Asked") -> CustomhouseError:
        path = asked.path
        others = any(door == path for _, door in sign_in.DOORS) or any(
            page.names(path) is not None for page in self.pages
        )
        if others or path in STATIC:
            return MethodRefused("This address does not take that; go back to the page and use what it shows.")
        return NotFound("There is no such page.")

    async def _visit(
        self, asked: "_Asked", session: Session, page: Page, path: dict[str, str], receive: Receive
    ) -> Response:
        # (4) whether the page is for him, and the form of this session
        if not allowed(session.actor, page.verb):
            needed = " or ".join(roles_with(page.verb))
            raise VerbRefused(f"{page.verb} needs the role {needed}; {session.actor.name} has others.")
        form = {} if page.method == "GET" else await _form(page, session, asked.headers, receive)
        # (5) the verb
        return await page.handle(
            Visit(
                control=self.control,
                credentials=self.credentials,
                current=self.current,
                renderer=self.renderer,
                session=session,
                trace_id=asked.trace_id,
                path=path,
                query=_query(page, asked.raw_query),
                form=form,
            )
        )

    async def _record(self, error: Forbidden, session: Session, page: Page, asked: "_Asked") -> None:
        """Record that somebody may not do what he asked for; a ledger that cannot write must not hide the refusal."""
        entry = self.control.ledger.event(
            "request.refused",
            actor=session.actor.name,
            trace_id=asked.trace_id,
            detail={"verb": page.verb, "code": error.code, "path": asked.path[:MAX_RECORDED_PATH]},
        )
        try:
            await self.control.ledger.append([entry])
        except LedgerUnavailable:
            of = {"fields": {"trace_id": asked.trace_id}}
            _log.warning("the refusal could not be recorded", exc_info=True, extra=of)


class _Asked:
    """A request as the steps need it: names of headers in lower case, of two with one name neither."""

    __slots__ = ("headers", "https", "method", "path", "raw_query", "trace_id")

    def __init__(self, scope: Scope, trace_id: str, https: bool) -> None:  # noqa: FBT001 - private
        self.method: str = scope["method"]
        self.path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
        self.raw_query: str = scope["query_string"].decode("latin-1")
        self.https = https
        self.trace_id = trace_id
        names = [name for name, _ in scope["headers"]]
        self.headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if names.count(name) == 1 or name == b"host"
        }

    @property
    def here(self) -> str:
        """Return the address within this site."""
        return self.path + (f"?{self.raw_query}" if self.raw_query else "")


def _back(asked: _Asked) -> str:
    """Return the page to go on from: the one that a form stands on, or the first."""
    page, _, last = asked.path.rpartition("/")
    return page if asked.method == "POST" and last and page.startswith("/approvals/") else sign_in.HOME


async def _form(page: Page, session: Session, headers: dict[str, str], receive: Receive) -> dict[str, str]:
    content = await read_body(receive, MAX_FORM_BYTES)
    form = dict(read_form(headers.get("content-type", ""), content, (PROOF, *page.fields)))
    if not proof.is_form_proof(session, form.pop(PROOF)):
        raise Forbidden("The form is not of this session: open the page again. Nothing was done.")
    return form


def _query(page: Page, raw: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=_MAX_QUERY)
    except ValueError as error:
        raise InvalidRequest("The address is not complete: open the page from the list.") from error
    values = dict(pairs)
    if len(values) != len(pairs) or values.keys() - set(page.query):
        raise InvalidRequest("The address has something that this page does not take: open it from the list.")
    return values


def places(console: Console) -> tuple[dict[str, ASGIApp], dict[str, ASGIApp]]:
    """Return where the console stands, by the beginnings of paths and by whole paths, for the one door."""
    whole = {path for _, path in sign_in.DOORS} | {page.path for page in console.pages if "{" not in page.path}
    beginnings = {f"{page.path.partition('{')[0]}" for page in console.pages if "{" in page.path} | {"/console/"}
    return dict.fromkeys(sorted(beginnings), console), dict.fromkeys(sorted(whole), console)
