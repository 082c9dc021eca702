# SPDX-License-Identifier: Apache-2.0
"""Every role against every endpoint, through the whole application: 403 exactly where the table says so."""

import asyncio
import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from starlette.types import ASGIApp
from tests.api.house import LOCAL, Reply, open_house, send

from customhouse.access import people
from customhouse.access.roles import ROLES, TABLE, allowed
from customhouse.api.route import Route
from customhouse.api.routes import ROUTES

OPEN = tuple(route for route in ROUTES if route.verb is None)
"""For everybody: tests/golden/endpoints-without-authz.txt names them."""
GUARDED = tuple(route for route in ROUTES if route.verb is not None)


async def knock(app: ASGIApp, route: Route, key: str | None) -> Reply:
    """Call an endpoint with names that exist nowhere and, where it takes a body, an empty object."""
    path = re.sub(r"\{[a-z_]+\}", "nobody-1", route.path)
    return await send(app, route.method, path, key=key, content=None if route.body is None else b"{}")


def test_every_role_at_every_endpoint(home: Path) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            await house.person("root@acme.test", "admin")
            app = house.app(ROUTES)
            for role in ROLES:
                key = await house.person(f"{role}@acme.test", role)
                for route in GUARDED:
                    reply = await knock(app, route, key)
                    refused = reply.status == 403 and reply.code == "access.verb_refused"
                    assert refused is (route.verb not in TABLE[role]), (role, route.path, reply)
                    assert reply.status != 401

    asyncio.run(main())


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: f"{route.method} {route.path}")
def test_no_endpoint_answers_without_a_key_or_a_role(home: Path, route: Route) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            app = house.app(ROUTES)
            await house.person("root@acme.test", "admin")
            revoked = await house.person("eve@acme.test", *ROLES)
            await people.revoke(house.control, LOCAL, "eve@acme.test", trace_id="t")
            for key in (None, revoked, revoked + "A", "chk_" + revoked[4:], "cho_" + "A" * 43):
                reply = await knock(app, route, key)
                assert (reply.status, reply.code) == (401, "identity.unauthenticated")

    asyncio.run(main())


@pytest.mark.parametrize("route", OPEN, ids=lambda route: f"{route.method} {route.path}")
def test_an_open_endpoint_looks_at_nobodys_key(home: Path, route: Route) -> None:
    """Nothing is done for who sends one, and no bad one is told apart: it is the same answer for all."""

    async def main() -> None:
        async with open_house(home) as house:
            admin = await house.person("root@acme.test", "admin")
            replies = [await knock(house.app(ROUTES), route, key) for key in (None, admin, "cho_" + "A" * 43, "x")]
            assert len({reply.status for reply in replies}) == 1
            assert replies[0].status in {200, 400}

    asyncio.run(main())


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: f"{route.method} {route.path}")
def test_a_local_actor_at_every_endpoint(home: Path, route: Route) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            reply = await knock(house.app(ROUTES, local_actor=LOCAL), route, None)
            assert route.verb is not None
            refused = reply.status == 403 and reply.code == "access.verb_refused"
            assert refused is not allowed(LOCAL, route.verb)

    asyncio.run(main())


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_handler_takes_and_returns_what_its_route_says(route: Route) -> None:
    hints = get_type_hints(route.handle)
    answer = hints.pop("return")
    (call,) = hints.values()
    assert get_args(call) == (type(None) if route.body is None else route.body,)
    assert answer == route.answer
