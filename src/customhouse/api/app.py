# SPDX-License-Identifier: Apache-2.0
"""The control API as an ASGI application. Every request goes through the numbered steps of `_answer`, in this order.

Rules:
- Deny by default: no route, no verb, no key or no role is a refusal, and nothing of the body is read before.
- Every answer carries `customhouse-trace-id`. An error tells the client its own sentence; its cause goes to the log.
- What somebody known may not do (403) is evidence in the organisation's log; where that fails, the refusal stands.
- A key in a URL is refused whoever sends it, because URLs are written into logs on their way.
- There is no CORS and there are no cookies: a page in somebody's browser cannot use this API.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, quote

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from customhouse.access import token
from customhouse.access.credentials import Credentials
from customhouse.access.roles import allowed, roles_with
from customhouse.api import openapi, problem
from customhouse.api.match import Match, OtherMethods, match
from customhouse.api.route import Call, Content, Route
from customhouse.dialects.strict_json import refuse_duplicates
from customhouse.domain.errors import (
    BodyTooLarge,
    CustomhouseError,
    FieldNotAllowed,
    Forbidden,
    Internal,
    InvalidRequest,
    LedgerUnavailable,
    MediaTypeRefused,
    MethodRefused,
    NotFound,
    Unauthenticated,
    VerbRefused,
)
from customhouse.domain.principal import Actor
from customhouse.gateway.body import ClientLeft, read_body
from customhouse.registry.control import Control
from customhouse.registry.current import Current
from customhouse.tickets.redeem import Redemptions

MAX_PARAMETERS: Final = 20
MAX_RECORDED_PATH: Final = 256
"""Characters of a path that a record of a refusal keeps."""
ANYBODY: Final = Actor("anybody", "person", frozenset())
"""Who calls a route that needs no key."""

_log = logging.getLogger(__name__)


def build_api(
    control: Control,
    credentials: Credentials,
    current: Current,
    redemptions: Redemptions,
    routes: Sequence[Route],
    *,
    local_actor: Actor | None,
) -> ASGIApp:
    """Return the application over `routes` and their documentation.

    With a `local_actor` every request is his and no key is asked for: only for an application inside this process.
    """
    table = (*routes, *openapi.routes(routes))
    return _Api(control, credentials, current, redemptions, table, local_actor)


@dataclass(frozen=True, slots=True)
class _Api:
    control: Control
    credentials: Credentials
    current: Current
    redemptions: Redemptions
    routes: tuple[Route, ...]
    local_actor: Actor | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # there is no websocket here; the lifespan is the composition root's
        trace_id = self.control.clock.uuid7()
        try:
            response = await self._answer(scope, receive, trace_id)
        except ClientLeft:
            return
        except CustomhouseError as error:
            response = _refusal(error, trace_id)
            if error.status_hint >= HTTPStatus.INTERNAL_SERVER_ERROR:
                _log.warning("%s", error.code, exc_info=error, extra={"fields": {"trace_id": trace_id}})
        except Exception:  # noqa: BLE001 - the ASGI edge: the client learns the trace id, the log learns the rest
            _log.exception("unexpected error", extra={"fields": {"trace_id": trace_id}})
            response = _refusal(Internal(), trace_id)
        response.headers["customhouse-trace-id"] = trace_id
        response.headers["cache-control"] = "no-store"
        response.headers["x-content-type-options"] = "nosniff"
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, trace_id: str) -> Response:
        # (1) the route, from the path as it was sent
        raw_path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        if token.mentions(raw_path) or token.mentions(query):
            raise InvalidRequest("a key stands in the URL, where logs keep it: revoke it, and send keys in the header.")
        found = match(self.routes, scope["method"], raw_path)
        if found is None:
            raise NotFound("there is no such endpoint; GET /api/v1/ lists every one.")
        if isinstance(found, OtherMethods):
            return _refusal(MethodRefused(), trace_id, allow=", ".join(found.allow))
        # (2) who asks, (3) whether the matched route is for him
        actor = await self._actor(scope, found.route)
        try:
            _authorise(actor, found.route)
            # (4) what he asks for, decoded strictly
            parameters = _parameters(found.route, query)
            body = await _body(found.route, scope, receive)
            # (5) the verb
            return _success(found.route, await found.route.handle(self._call(actor, trace_id, found, parameters, body)))
        except Forbidden as error:
            await self._record(error, actor, found, raw_path, trace_id)
            raise

    async def _actor(self, scope: Scope, route: Route) -> Actor:
        if route.verb is None:
            return ANYBODY
        if self.local_actor is not None:
            return self.local_actor
        presented = _bearer(scope)
        # The database is asked at every request, so that a revoked person's next request is refused.
        await self.credentials.refresh()
        actor = self.credentials.person(presented)
        if actor is None:
            raise Unauthenticated("the key is unknown or revoked; ask an admin for `customhouse people add`.")
        return actor

    async def _record(self, error: Forbidden, actor: Actor, found: Match, path: str, trace_id: str) -> None:
        """Record that an actor may not do what he asked for; a ledger that cannot write must not hide the refusal."""
        entry = self.control.ledger.event(
            "request.refused",
            actor=actor.name,
            trace_id=trace_id,
            detail={"verb": found.route.verb or "", "code": error.code, "path": path[:MAX_RECORDED_PATH]},
        )
        try:
            await self.control.ledger.append([entry])
        except LedgerUnavailable:
            of = {"fields": {"trace_id": trace_id}}
            _log.warning("the refusal could not be recorded", exc_info=True, extra=of)

    def _call(
        self, actor: Actor, trace_id: str, found: Match, parameters: dict[str, str], body: object
    ) -> Call[object]:
        return Call(
            control=self.control,
            credentials=self.credentials,
            current=self.current,
            redemptions=self.redemptions,
            actor=actor,
            trace_id=trace_id,
            path=found.path,
            query=parameters,
            body=body,
        )


def _bearer(scope: Scope) -> str:
    """Return the operator key that was sent, by its shape at least; raises Unauthenticated."""
    sent = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
    if len(sent) != 1:
        raise Unauthenticated("send one header `Authorization: Bearer cho_…` with your operator key.")
    scheme, _, presented = sent[0].partition(" ")
    if scheme.lower() != "bearer" or not token.shaped(presented, "cho_"):
        if token.shaped(presented, "chk_"):
            raise Unauthenticated("this is a data-plane key; the control API takes a person's operator key, cho_….")
        raise Unauthenticated("send `Authorization: Bearer cho_…` with your operator key, 47 characters.")
    return presented


def _authorise(actor: Actor, route: Route) -> None:
    if route.verb is None or allowed(actor, route.verb):
        return
    if actor.kind == "local":
        raise VerbRefused(f"{route.verb} needs a person with a key: a local actor never counts as a second person.")
    needed = " or ".join(roles_with(route.verb))
    has = ", ".join(sorted(actor.roles)) or "no role"
    raise VerbRefused(f"{route.verb} needs the role {needed}; {actor.name} has {has}.")


def _parameters(route: Route, query: str) -> dict[str, str]:
    known = {parameter.name for parameter in route.query}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=MAX_PARAMETERS)
    except ValueError as error:
        raise InvalidRequest("the query string is not a list of name=value.") from error
    values: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            takes = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
            raise FieldNotAllowed(f"{name[:64]!r} is no query parameter of this endpoint; {takes}.", param=name[:64])
        if name in values:
            raise InvalidRequest(f"the query parameter {name} stands twice.", param=name)
        values[name] = value
    for parameter in route.query:
        if parameter.required and parameter.name not in values:
            raise InvalidRequest(f"the query parameter {parameter.name} is missing.", param=parameter.name)
    return values


async def _body(route: Route, scope: Scope, receive: Receive) -> object:
    headers = dict(scope["headers"])
    declared = headers.get(b"content-length")
    limit = route.max_body_bytes
    if declared is not None and (not declared.isdigit() or int(declared) > limit):
        raise BodyTooLarge(f"a body is at most {limit} bytes here.")
    content = await read_body(receive, limit)
    if route.body is None:
        if content:
            raise InvalidRequest("this endpoint takes no body.")
        return None
    media_type = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise MediaTypeRefused
    refuse_duplicates(content)
    try:
        decoded: object = msgspec.json.decode(content, type=route.body)
    except msgspec.ValidationError as error:
        refused = FieldNotAllowed if "unknown field" in str(error) else InvalidRequest
        raise refused(f"the body is not what this endpoint takes: {error}.") from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}.") from None
    return decoded


def _success(route: Route, answer: object) -> Response:
    if isinstance(answer, Content):
        return Response(answer.content, route.status, {"content-security-policy": openapi.POLICY}, answer.media_type)
    return Response(msgspec.json.encode(answer), route.status, media_type="application/json")


def _refusal(error: CustomhouseError, trace_id: str, **headers: str) -> Response:
    content = msgspec.json.encode(problem.problem(error, trace_id))
    return Response(content, error.status_hint, {**problem.headers(error), **headers}, problem.MEDIA_TYPE)
