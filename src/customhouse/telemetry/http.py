# SPDX-License-Identifier: Apache-2.0
"""`GET /metrics`, for whom it is: peers that a setting names, and people with a key. Everybody else is refused.

Rules kept:
- By default only this machine's own addresses may read without a key; `metrics_allow` names others, or nobody.
- A request that came through a proxy (it carries a header that proxies write) is allowed by its key alone: its address
  is the proxy's, or is what the proxy says it is.

Story: Ola's nginx stands on the gateway's own machine and passes everything on. Mallory, outside, asks for /metrics.
nginx says whom it asks for (X-Forwarded-For), so the loopback address opens nothing. Prometheus on the next machine is
named in `metrics_allow`, or sends the key of a person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from customhouse.access.credentials import Credentials
from customhouse.access.roles import allowed
from customhouse.api import problem as api_problem
from customhouse.domain.clock import Clock
from customhouse.domain.errors import CustomhouseError, Forbidden, MethodRefused, Unauthenticated
from customhouse.registry.look import Looker
from customhouse.telemetry.state import StateMetrics

_PROXIES: Final = frozenset({"forwarded", "x-forwarded-for", "x-forwarded-proto", "x-real-ip", "via"})
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Metrics:
    """The endpoint. Cost of an answer: one look at the database and some milliseconds."""

    registry: CollectorRegistry
    state: StateMetrics
    looker: Looker
    credentials: Credentials
    clock: Clock
    allow: Sequence[Network]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            if scope["method"] != "GET":
                raise MethodRefused("/metrics takes GET")
            self._authorise(scope.get("client"), headers)
            response = await self._answer(headers.get("accept", ""))
        except CustomhouseError as error:
            trace_id = self.clock.uuid7()
            body = msgspec.json.encode(api_problem.problem(error, trace_id))
            also = {**api_problem.headers(error), "customhouse-trace-id": trace_id}
            response = Response(body, error.status_hint, also, api_problem.MEDIA_TYPE)
        response.headers["cache-control"] = "no-store"
        await response(scope, receive, send)

    def _authorise(self, client: tuple[str, int] | None, headers: Mapping[str, str]) -> None:
        """Raises Unauthenticated, Forbidden, ReplicaStale."""
        presented = headers.get("authorization")
        if presented is not None:
            scheme, _, token = presented.partition(" ")
            person = self.credentials.person(token.strip()) if scheme.lower() == "bearer" else None
            if person is None:
                raise Unauthenticated("the key is unknown or revoked; /metrics takes the operator key of a person")
            if not allowed(person, "status.read"):
                raise Forbidden
            return
        if _PROXIES.intersection(headers) or client is None or not _within(client[0], self.allow):
            raise Unauthenticated(
                "this address may not read metrics without a key: name it in metrics_allow, or send the operator key "
                "of a person (Authorization: Bearer cho_…)"
            )

    async def _answer(self, accept: str) -> Response:
        look = await self.looker.look()
        encode, media_type = choose_encoder(accept)
        self.state.look = look  # nothing else runs between this and the end of the encoding
        return Response(encode(self.registry), media_type=media_type)


def _within(address: str, networks: Sequence[Network]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False  # a socket without an address
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in network for network in networks)
