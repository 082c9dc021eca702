# SPDX-License-Identifier: Apache-2.0
"""The control API over a whole request: who gets in, what is refused, and what a refusal tells."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tests.api.house import LOCAL, House, Reply, open_house, send

from customhouse.access import people
from customhouse.api.people import ROUTES as PEOPLE
from customhouse.api.route import MAX_BODY_BYTES, Call, Parameter, Route
from customhouse.domain.errors import Conflict
from customhouse.ledger.append import Ledger
from customhouse.store.sqlite import open_sqlite

PEOPLE_PATH = "/api/v1/people"
NEW: dict[str, object] = {"email": "sam@acme.test", "roles": ["auditor"]}


class Echo(msgspec.Struct):
    """An answer for routes of these tests."""

    said: str


def in_house(home: Path, work: Callable[[House], Awaitable[None]]) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            await work(house)

    asyncio.run(main())


def expect(reply: Reply, status: int, code: str) -> None:
    """Check a refusal: status, code, problem+json, the trace id in both places."""
    assert (reply.status, reply.code) == (status, code), reply.body
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["trace_id"] == reply.headers["customhouse-trace-id"]
    assert reply.json["type"] == f"/api/v1/#{code}"
    assert reply.json["status"] == status


def test_without_a_good_key_nothing_is_told(home: Path) -> None:
    async def work(house: House) -> None:
        key = await house.person("ada@acme.test", "admin")
        await house.charter("dana@acme.test")
        data_key = (await house.key()).token
        app = house.app()
        good = await send(app, "GET", PEOPLE_PATH, key=key)
        assert good.status == 200
        assert good.headers["cache-control"] == "no-store"
        assert len(good.headers["customhouse-trace-id"]) == 36
        wrong: list[tuple[tuple[str, str], ...]] = [
            (),
            (("authorization", ""),),
            (("authorization", "Bearer"),),
            (("authorization", "Bearer "),),
            (("authorization", key),),
            (("authorization", f"Basic {key}"),),
            (("authorization", f"Bearer  {key}"),),
            (("authorization", f"Bearer {key}x"),),
            (("authorization", f"Bearer {key}\x00"),),
            (("authorization", f"Bearer {key}, Bearer {key}"),),
            (("authorization", f"Bearer {key[:-1]}"),),
            (("authorization", f"Bearer {key.lower()}"),),
            (("authorization", f"Bearer {data_key}"),),
            (("authorization", f"Bearer {key.replace('cho_', 'chk_')}"),),
            (("authorization", f"Bearer {key}"), ("authorization", f"Bearer {key}")),
            (("x-api-key", key),),
            (("cookie", f"key={key}"),),
            (("authorization", f"Bearer cho_{'A' * 43}"),),
            (("authorization", "Bearer cho_' OR 1=1 --"),),
        ]
        for headers in wrong:
            reply = await send(app, "GET", PEOPLE_PATH, headers=headers)
            expect(reply, 401, "identity.unauthenticated")
            assert reply.headers["www-authenticate"].startswith("Bearer")
            assert key.encode() not in reply.body
        assert (await send(app, "GET", PEOPLE_PATH, headers=(("authorization", f"bearer {key}"),))).status == 200

    in_house(home, work)


def test_a_revoked_person_is_refused_at_once(home: Path) -> None:
    async def work(house: House) -> None:
        await house.person("ada@acme.test", "admin")
        key = await house.person("sam@acme.test", "auditor")
        app = house.app()
        assert (await send(app, "GET", PEOPLE_PATH, key=key)).status == 200
        await people.revoke(house.control, LOCAL, "sam@acme.test", trace_id="t")
        expect(await send(app, "GET", PEOPLE_PATH, key=key), 401, "identity.unauthenticated")

    in_house(home, work)


def test_a_key_in_the_url_is_refused_with_any_header(home: Path) -> None:
    async def work(house: House) -> None:
        key = await house.person("ada@acme.test", "admin")
        for path in (f"{PEOPLE_PATH}?key={key}", f"{PEOPLE_PATH}?{key}", f"/api/v1/people/{key}/revoke", f"/{key}"):
            for header in (None, key):
                reply = await send(house.app(), "GET", path, key=header)
                expect(reply, 400, "request.invalid")
                assert "revoke it" in str(reply.json["detail"])
                assert key not in str(reply.json)

    in_house(home, work)


def test_the_host_header_and_its_friends_decide_nothing(home: Path) -> None:
    async def work(house: House) -> None:
        await house.person("ada@acme.test", "admin")
        for name in (
            "host",
            "x-forwarded-host",
            "x-original-url",
            "x-rewrite-url",
            "x-http-method-override",
            "forwarded",
        ):
            for value in ("127.0.0.1/api/v1/openapi.json?", "/api/v1/openapi.json", "evil.test", "GET"):
                reply = await send(house.app(), "POST", PEOPLE_PATH, body=NEW, headers=((name, value),))
                expect(reply, 401, "identity.unauthenticated")

    in_house(home, work)


def test_other_methods_are_refused_before_anything_else(home: Path) -> None:
    async def work(house: House) -> None:
        key = await house.person("ada@acme.test", "admin")
        for method in ("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND"):
            for header in (None, key):
                reply = await send(house.app(), method, PEOPLE_PATH, key=header)
                expect(reply, 405, "request.method_refused")
                assert reply.headers["allow"] == "GET, POST"
                assert not [name for name in reply.headers if name.startswith("access-control-")]

    in_house(home, work)


def test_roles_are_not_for_the_taking(home: Path) -> None:
    async def work(house: House) -> None:
        admin = await house.person("ada@acme.test", "admin")
        captain = await house.person("dana@acme.test", "captain", "approver", "oncall", "auditor")
        app = house.app()
        refused = await send(app, "POST", PEOPLE_PATH, key=captain, body={"email": "eve@acme.test", "roles": ["admin"]})
        expect(refused, 403, "access.verb_refused")
        assert "needs the role admin" in str(refused.json["detail"])
        expect(await send(app, "POST", f"{PEOPLE_PATH}/ada@acme.test/revoke", key=captain), 403, "access.verb_refused")
        for email in ("ada@acme.test", "ADA@acme.test"):
            own = await send(app, "POST", PEOPLE_PATH, key=admin, body={"email": email, "roles": ["captain"]})
            expect(own, 403, "access.forbidden")

    in_house(home, work)


@pytest.mark.parametrize(
    ("content", "code", "because"),
    [
        (b'{"email":"sam@acme.test","roles":["auditor"],"roles":["admin"]}', "request.duplicate_key", "which roles?"),
        (
            b'{"email":"sam@acme.test","roles":["auditor"],"created_by":"x"}',
            "request.field_not_allowed",
            "mass assignment",
        ),
        (
            b'{"email":"sam@acme.test","roles":["auditor"],"revoked_at_us":null}',
            "request.field_not_allowed",
            "likewise",
        ),
        (b'{"email":"sam@acme.test","roles":["root"]}', "request.invalid", "no such role"),
        (b'{"email":"sam@acme.test","roles":"admin"}', "request.invalid", "a string is no list"),
        (b'{"email":["sam@acme.test"],"roles":["auditor"]}', "request.invalid", "a list is no string"),
        (b'{"email":"sam@acme.test"}', "request.invalid", "a field is missing"),
        (b'[{"email":"sam@acme.test","roles":["auditor"]}]', "request.invalid", "no object"),
        (b'{"email":"sam@acme.test","roles":["auditor"]} {}', "request.invalid", "two values"),
        (b"", "request.invalid", "nothing"),
        (b"null", "request.invalid", "null"),
        (b"\xff\xfe{\x00", "request.invalid", "no UTF-8"),
        (b'{"a":' * 100_000, "request.invalid", "nested deeply"),
        (b'{"email":NaN,"roles":[]}', "request.invalid", "not JSON"),
    ],
)
def test_bodies_that_are_refused(home: Path, content: bytes, code: str, because: str) -> None:
    async def work(house: House) -> None:
        key = await house.person("ada@acme.test", "admin")
        reply = await send(house.app(), "POST", PEOPLE_PATH, key=key, content=content)
        assert reply.code == code, because
        expect(reply, 400, code)
        assert len((await people.listing(house.control)).people) == 1, "nothing was changed"

    in_house(home, work)


def test_bodies_are_bounded_and_json(home: Path) -> None:
    async def work(house: House) -> None:
        key = await house.person("ada@acme.test", "admin")
        app = house.app()

        async def post(content: bytes, *headers: tuple[str, str]) -> Reply:
            return await send(app, "POST", PEOPLE_PATH, key=key, content=content, headers=headers)

        expect(await post(b" " * (MAX_BODY_BYTES + 1)), 413, "request.body_too_large")
        for length in (str(MAX_BODY_BYTES + 1), "-1", "1e3", "9" * 40):
            expect(await post(b"{}", ("content-length", length)), 413, "request.body_too_large")
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/jsonx"):
            expect(await post(msgspec.json.encode(NEW), ("content-type", kind)), 415, "request.media_type_refused")
        expect(await send(app, "GET", PEOPLE_PATH, key=key, content=b"{}"), 400, "request.invalid")
        kept = await post(msgspec.json.encode(NEW), ("content-type", "Application/JSON; charset=utf-8"))
        assert kept.status == 201

    in_house(home, work)


def test_query_parameters_are_an_allow_list(home: Path) -> None:
    async def echo(call: Call[None]) -> Echo:  # noqa: RUF029 - a route's handler
        return Echo(said=call.query.get("assistant", "nothing"))

    route = Route(
        "GET",
        "/api/v1/echo",
        "status.read",
        "Say it.",
        None,
        Echo,
        echo,
        (Parameter("assistant", "Whose.", required=True),),
    )

    async def work(house: House) -> None:
        key = await house.person("ada@acme.test", "admin")
        app = house.app([route])

        async def get(query: str) -> Reply:
            return await send(app, "GET", f"/api/v1/echo{query}", key=key)

        assert (await get("?assistant=a%20b")).json == {"said": "a b"}
        assert (await get("?assistant=")).json == {"said": ""}
        expect(await get(""), 400, "request.invalid")
        expect(await get("?assistant=a&assistant=b"), 400, "request.invalid")
        expect(await get("?assistant=a&debug=1"), 400, "request.field_not_allowed")
        expect(await get("?assistant=a&&"), 400, "request.invalid")
        expect(await get("?" + "&".join(f"a{number}=1" for number in range(100))), 400, "request.invalid")

    in_house(home, work)


def test_an_unexpected_error_tells_its_trace_and_nothing_else(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(call: Call[None]) -> Echo:  # noqa: RUF029 - a route's handler
        del call
        raise RuntimeError("secret-of-the-house")

    async def refusing(call: Call[None]) -> Echo:  # noqa: RUF029 - a route's handler
        del call
        raise Conflict("Not now.") from RuntimeError("secret-of-the-house")

    routes = [
        Route("GET", "/api/v1/broken", "status.read", "Break.", None, Echo, broken),
        Route("GET", "/api/v1/refusing", "status.read", "Refuse.", None, Echo, refusing),
    ]

    async def work(house: House) -> None:
        key = await house.person("ada@acme.test", "admin")
        with caplog.at_level(logging.WARNING):
            reply = await send(house.app(routes), "GET", "/api/v1/broken", key=key)
            expect(reply, 500, "internal.error")
            assert b"secret" not in reply.body
            assert vars(caplog.records[-1])["fields"] == {"trace_id": reply.headers["customhouse-trace-id"]}
            assert "secret-of-the-house" in caplog.text
            refused = await send(house.app(routes), "GET", "/api/v1/refusing", key=key)
            expect(refused, 409, "state.conflict")
            assert b"secret" not in refused.body
        assert key not in caplog.text

    in_house(home, work)


def test_a_database_that_is_gone_refuses_everybody(home: Path) -> None:
    async def work(house: House) -> None:
        key = await house.person("ada@acme.test", "admin")
        await house.control.database.close()
        expect(await send(house.app(), "GET", PEOPLE_PATH, key=key), 503, "store.unavailable")

    in_house(home, work)


def test_a_local_actor_needs_no_key_and_never_reviews(home: Path) -> None:
    async def review(call: Call[None]) -> Echo:  # noqa: RUF029 - a route's handler
        return Echo(said=call.actor.name)

    route = Route("POST", "/api/v1/review", "change.review", "Review.", None, Echo, review)

    async def work(house: House) -> None:
        app = house.app([*PEOPLE, route], local_actor=LOCAL)
        added = await send(app, "POST", PEOPLE_PATH, body={"email": "ada@acme.test", "roles": ["admin"]})
        assert added.status == 201, "the first admin comes from here"
        expect(await send(app, "POST", "/api/v1/review"), 403, "access.verb_refused")
        found = [(entry.kind, entry.principal and entry.principal.actor) for entry in await house.evidence()]
        assert found == [("person.added", "local:1000"), ("request.refused", "local:1000")]

    in_house(home, work)


def test_what_somebody_may_not_do_is_evidence(home: Path) -> None:
    async def work(house: House) -> None:
        key = await house.person("sam@acme.test", "auditor")
        expect(await send(house.app(), "POST", PEOPLE_PATH), 401, "identity.unauthenticated")
        reply = await send(house.app(), "POST", PEOPLE_PATH, key=key, body=NEW)
        expect(reply, 403, "access.verb_refused")
        assert (await send(house.app(), "POST", f"{PEOPLE_PATH}/{'a' * 300}/revoke", key=key)).status in {403, 404}
        refused = [entry for entry in await house.evidence() if entry.kind == "request.refused"]
        assert refused[0].trace_id == reply.json["trace_id"]
        assert refused[0].principal is not None
        assert refused[0].principal.actor == "sam@acme.test"
        assert refused[0].detail == {"verb": "people.manage", "code": "access.verb_refused", "path": PEOPLE_PATH}

    in_house(home, work)


def test_a_refusal_stands_when_it_cannot_be_recorded(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work(house: House) -> None:
        key = await house.person("sam@acme.test", "auditor")
        gone = await open_sqlite(home / "gone.db")
        await gone.close()
        ledger = Ledger(gone, bytes(32), house.control.clock)
        broken = replace(house, control=replace(house.control, ledger=ledger))
        with caplog.at_level(logging.WARNING):
            reply = await send(broken.app(), "POST", PEOPLE_PATH, key=key, body=NEW)
        expect(reply, 403, "access.verb_refused")
        assert caplog.messages[-1] == "the refusal could not be recorded"
        assert vars(caplog.records[-1])["fields"] == {"trace_id": reply.json["trace_id"]}

    in_house(home, work)


def test_unknown_endpoints_say_where_the_known_ones_are(home: Path) -> None:
    async def work(house: House) -> None:
        for path in ("/api/v1/peopl", "/", "/api/v2/people", "/api/v1/people/"):
            expect(await send(house.app(), "GET", path), 404, "request.not_found")

    in_house(home, work)
