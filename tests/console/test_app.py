# SPDX-License-Identifier: Apache-2.0
"""The console over whole requests: who gets in, what every answer carries, what is refused and what that leaves."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from starlette.responses import PlainTextResponse, Response
from tests.api.house import LOCAL, House, open_house, send
from tests.console.house import HOST, Browser, console, signed_in

from customhouse.access import people
from customhouse.access.roles import Role
from customhouse.access.sessions import SESSION_S
from customhouse.console.failures import MAX_FAILURES
from customhouse.console.page import Page, Visit
from customhouse.domain.errors import Conflict

ID: Final = "0193f2a4-0000-7000-8000-000000000007"
ANSWER: Final = f"/approvals/{ID}/answer"


async def _list(visit: Visit) -> Response:  # noqa: RUF029 - a page's handler
    return visit.renderer.page("signed-out.html", visit.session)


async def _one(visit: Visit) -> Response:  # noqa: RUF029 - a page's handler
    if visit.query.get("part") == "9":
        raise RuntimeError("boom TRIPWIRE")
    return PlainTextResponse(f"{visit.path['id']} {dict(visit.query)}")


async def _answer(visit: Visit) -> Response:  # noqa: RUF029 - a page's handler
    if visit.form["reason"] == "<late>":
        raise Conflict("it is <late>")
    return PlainTextResponse(f"{visit.session.actor.name} {visit.form['reason']}")


PAGES: Final = (
    Page("GET", "/approvals", "status.read", _list),
    Page("GET", "/approvals/{id}", "trace.read", _one, query=("part",)),
    Page("POST", "/approvals/{id}/answer", "change.review", _answer, fields=("reason",)),
)


def signed(home: Path, work: Callable[[House, Browser], Awaitable[None]], *roles: Role) -> None:
    async def main() -> None:
        async with signed_in(home, PAGES, *(roles or ("approver",))) as (house, browser):
            await work(house, browser)

    asyncio.run(main())


def stranger(home: Path, work: Callable[[House, Browser, str], Awaitable[None]], *, https: bool = False) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            key = await house.person("dana@acme.test", "approver")
            await work(house, Browser(console(house, PAGES, https=https)), key)

    asyncio.run(main())


def test_the_way_in_and_out(home: Path) -> None:
    async def work(house: House, browser: Browser, key: str) -> None:
        first = await browser.get("/")
        assert (first.status, first.headers["location"]) == (303, "/approvals")
        turned_away = await browser.get(f"/approvals/{ID}?part=2")
        assert (turned_away.status, turned_away.headers["location"]) == (303, f"/sign-in?to=/approvals/{ID}")
        page = await browser.get(turned_away.headers["location"])
        assert page.status == 200
        assert f'name="to" value="/approvals/{ID}"'.encode() in page.body
        entered = await browser.sign_in(f" {key}\n", f"/approvals/{ID}")
        assert (entered.status, entered.headers["location"]) == (303, f"/approvals/{ID}")
        assert (await browser.get(f"/approvals/{ID}?part=2")).body == f"{ID} {{'part': '2'}}".encode()
        assert (await browser.get("/sign-in")).status == 303, "who is signed in need not sign in"
        copy, proof = browser.cookie, await browser.proof()
        gone = await browser.post("/sign-out", {"proof": proof})
        assert gone.status == 200
        assert browser.cookie is None
        browser.cookie = copy
        assert (await browser.get("/approvals")).status == 303, "a copy of the cookie opens nothing"
        assert [one.kind for one in await house.evidence()][1:] == ["session.began", "session.ended"]

    stranger(home, work)


@pytest.mark.parametrize("https", [False, True])
def test_the_cookie(home: Path, https: bool) -> None:  # noqa: FBT001 - a column
    async def work(_house: House, browser: Browser, key: str) -> None:
        given = (await browser.sign_in(key)).headers["set-cookie"].split("; ")
        name = given[0].partition("=")[0]
        assert name == ("__Host-customhouse-session" if https else "customhouse-session")
        assert given[1:] == [
            "Path=/", f"Max-Age={SESSION_S}", "HttpOnly", "SameSite=Strict", *(["Secure"] if https else [])
        ]  # fmt: skip
        assert (await browser.get("/approvals")).status == 200

    stranger(home, work, https=https)


def test_every_answer_is_guarded_against_what_others_do_with_pages(home: Path) -> None:
    async def work(_house: House, browser: Browser) -> None:
        form = {"proof": await browser.proof(), "reason": "ok"}
        answers = [
            await browser.get("/approvals"),
            await browser.get("/sign-in"),
            await browser.get("/nothing"),
            await browser.get("/console/style.css"),
            await browser.get("/console/page.js"),
            await browser.get(f"/approvals/{ID}?part=9"),
            await browser.post(ANSWER, form),
            await browser.post(ANSWER, form, site="cross-site"),
            await browser.post("/sign-in", {"key": "x", "to": "/"}),
        ]
        assert [one.status for one in answers] == [200, 303, 404, 200, 200, 500, 200, 403, 403]
        for one in answers:
            if one.headers.get("content-type", "").startswith("application/problem"):
                continue  # the one door's own answer, which is no page
            assert one.headers["content-security-policy"] == (
                "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; "
                "frame-ancestors 'none'; base-uri 'none'"
            )
            assert one.headers["x-frame-options"] == "DENY"
            assert one.headers["x-content-type-options"] == "nosniff"
            assert one.headers["referrer-policy"] == "no-referrer"
            assert one.headers["cache-control"] == "no-store"
            assert len(one.headers["customhouse-trace-id"]) == 36

    signed(home, work)


def test_an_unexpected_error_tells_its_trace_alone(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work(_house: House, browser: Browser) -> None:
        with caplog.at_level(logging.ERROR):
            reply = await browser.get(f"/approvals/{ID}?part=9")
        assert reply.headers["customhouse-trace-id"].encode() in reply.body
        assert b"TRIPWIRE" not in reply.body
        assert "unexpected error" in caplog.text
        caplog.clear()

    signed(home, work)


def test_a_refusal_is_a_page_and_what_it_says_is_text(home: Path) -> None:
    async def work(_house: House, browser: Browser) -> None:
        reply = await browser.post(ANSWER, {"proof": await browser.proof(), "reason": "<late>"})
        assert reply.status == 409
        assert b"it is &lt;late&gt;" in reply.body
        assert f'href="/approvals/{ID}"'.encode() in reply.body, "and the way back"

    signed(home, work)


def test_a_page_is_for_roles_and_a_refusal_is_evidence(home: Path) -> None:
    async def work(house: House, browser: Browser) -> None:
        reply = await browser.post(ANSWER, {"proof": await browser.proof(), "reason": "ok"})
        assert reply.status == 403
        assert b"change.review needs the role approver" in reply.body
        refused = (await house.evidence())[-1]
        assert (refused.kind, refused.detail) == (
            "request.refused",
            {"verb": "change.review", "code": "access.verb_refused", "path": ANSWER},
        )

    signed(home, work, "auditor")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/approvals", 405),
        ("DELETE", f"/approvals/{ID}", 405),
        ("PUT", "/sign-in", 405),
        ("OPTIONS", "/sign-out", 405),
        ("GET", "/sign-out", 405),
        ("GET", ANSWER, 405),
        ("POST", "/approvals", 405),
        ("POST", "/console/style.css", 405),
        ("GET", "/approvals/", 404),
        ("GET", f"/approvals/{ID}/", 404),
        ("GET", f"/approvals/{ID.upper()}", 404),
        ("GET", "/approvals/../approvals", 404),
        ("GET", f"/approvals/{ID}%2Fanswer", 404),
        ("GET", "/approvals/0193f2a4-0000-4000-8000-000000000007", 404),
        ("GET", "/console/../app.py", 404),
        ("GET", f"/approvals/{ID}?part=1&part=2", 400),
        ("GET", f"/approvals/{ID}?approver=ola", 400),
        ("GET", f"/approvals/{ID}?part", 400),
        ("GET", "/approvals?x=cho_" + "A" * 43, 400),
        ("GET", "/approvals/chs_" + "A" * 43, 400),
    ],
)
def test_addresses_that_are_none(home: Path, method: str, path: str, status: int) -> None:
    async def work(_house: House, browser: Browser) -> None:
        assert browser.cookie is not None
        cookie = ("cookie", browser.cookie)
        own = (("host", HOST), cookie, ("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "document"))
        assert (await send(browser.app, method, path, headers=own)).status == status

    signed(home, work)


@pytest.mark.parametrize("path", ["/approvals", "/sign-in", "/console/style.css", "/"])
def test_another_host_is_another_house(home: Path, path: str) -> None:
    async def work(_house: House, browser: Browser, _key: str) -> None:
        for host in ("evil.test", f"{HOST}.evil.test", ""):
            assert (await send(browser.app, "GET", path, headers=(("host", host),))).status == 421

    stranger(home, work)


def test_wrong_keys_are_bounded_in_what_they_log_and_lock_nobody_out(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(house: House, browser: Browser, key: str) -> None:
        await people.revoke(house.control, LOCAL, "dana@acme.test", trace_id="t")
        good = await house.person("ola@acme.test", "approver")
        with caplog.at_level(logging.WARNING):
            statuses = [(await browser.sign_in(key)).status for _ in range(MAX_FAILURES + 3)]
        assert statuses == [403] * MAX_FAILURES + [429] * 3
        assert caplog.text.count("a sign-in was refused") == MAX_FAILURES
        assert key not in caplog.text
        assert (await browser.sign_in(good)).status == 303

    stranger(home, work)


def test_over_tls_the_cookie_is_one_that_nobody_else_can_set(home: Path) -> None:
    """`https` is what people reach, or what the server itself speaks."""

    async def work(house: House, browser: Browser, key: str) -> None:
        await browser.sign_in(key)
        assert browser.cookie is not None
        planted = browser.cookie.removeprefix("__Host-")
        assert planted != browser.cookie
        other = Browser(console(house, PAGES, https=True), planted)
        assert (await other.get("/approvals")).status == 303

    stranger(home, work, https=True)


def test_a_database_that_does_not_answer_shows_nothing(home: Path) -> None:
    async def work(house: House, browser: Browser) -> None:
        stale = replace(house, credentials=type(house.credentials)(
            house.control.database, house.control.clock, stale_after_s=-1
        ))  # fmt: skip
        reply = await Browser(console(stale, PAGES), browser.cookie).get("/approvals")
        assert reply.status == 503
        assert b"replica.stale" in reply.body

    signed(home, work)
