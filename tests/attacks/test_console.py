# SPDX-License-Identifier: Apache-2.0
"""Making somebody approve what he has not seen, or without his doing: by links, forms, frames, text and stolen cookies.

Story: Mallory has written what the model read, so the arguments of the held refund are his. He knows the address of its
page, he can send Ola mail and lure her to his site, and he has an operator key of his own with which he may read.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import pytest
from tests.api.house import LOCAL, House, Reply, open_house, send
from tests.console.holding import ARGUMENTS, charter, hold
from tests.console.house import HOST, Browser, console, proof_in, whole_in

from customhouse.access import people
from customhouse.access.roles import Role
from customhouse.approvals import tables as approvals
from customhouse.approvals.approval import Approval
from customhouse.console.layout import PART_CHARACTERS
from customhouse.console.pages import PAGES
from customhouse.console.visible import plain
from customhouse.ledger import record, tables
from customhouse.store.database import Transaction

OURS: Final = {("span", (("class", "mark"),)), ("bdi", ())}
"""The elements that we put into the arguments."""
NEXT: Final = re.compile(r'href="([^"]*)#arguments" rel="next"')


class Desk(NamedTuple):
    """Ola, who may approve, at her browser; the house; and the call that waits for her."""

    house: House
    ola: Browser
    key: str
    held: Approval

    @property
    def at(self) -> str:
        """Return the address of the held call."""
        return f"/approvals/{self.held.id}"

    async def browser(self, name: str, *roles: Role) -> Browser:
        """Sign somebody else in."""
        key = await self.house.person(f"{name}@acme.test", *roles)
        other = Browser(console(self.house, PAGES))
        assert (await other.sign_in(key)).status == 303
        return other

    async def state(self) -> str:
        """Return the stored state of the held call."""
        found = await self.house.control.database.read(lambda tx: approvals.get(tx, self.held.id))
        assert found is not None
        return found.state

    async def read_all(self) -> list[Reply]:
        """Open every part of the arguments in order, by the links of the pages."""
        pages, address = list[Reply](), self.at
        while address:
            pages.append(await self.ola.get(address))
            following = NEXT.search(pages[-1].body.decode())
            address = following[1].replace("&amp;", "&") if following else ""
        return pages

    async def reads(self) -> list[str]:
        """Return who opened arguments of acme's, each time."""

        def work(tx: Transaction) -> list[record.Record]:
            tx.act_for("acme")
            return [record.decode(link.canonical) for link in tables.links(tx, "acme")]

        found = await self.house.control.database.read(work)
        return [str(one.principal and one.principal.actor) for one in found if one.kind == "access.read"]


def at_desk(
    home: Path,
    work: Callable[[Desk], Awaitable[None]],
    arguments: str = ARGUMENTS,
    **fields: Any,  # noqa: ANN401 - the approval's own fields
) -> None:
    """Let `work` happen in a house where this call waits and Ola is signed in."""

    async def main() -> None:
        async with open_house(home) as house:
            key = await house.person("ola@acme.test", "approver")
            await charter(house.control)
            ola = Browser(console(house, PAGES))
            assert (await ola.sign_in(key)).status == 303
            await work(Desk(house, ola, key, await hold(house.control, arguments, **fields)))

    asyncio.run(main())


def yes(page: Reply, **changed: str) -> dict[str, str]:
    """Return the form of a page, filled in with a yes."""
    return {"proof": proof_in(page.body), "whole": whole_in(page.body), "reason": "ok", "verdict": "approve", **changed}


class Region(HTMLParser):
    """The arguments on a page as a browser sees them: the text, and every element in it."""

    def __init__(self, page: Reply) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.elements, self._inside = "", list[tuple[str, dict[str, str | None]]](), False
        self.feed(page.body.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "pre":
            self._inside = True
        elif self._inside:
            self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "pre"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.text += data

    @property
    def arguments(self) -> str:
        """Return what the lines say, without our line ends and indentation, read back."""
        return plain("".join(line.lstrip(" ") for line in self.text.split("\n")))


def test_a_form_of_her_own_is_what_it_takes(home: Path) -> None:
    """The other tests fail for their reason alone: this one succeeds."""

    async def work(desk: Desk) -> None:
        sent = await desk.ola.post(f"{desk.at}/answer", yes(await desk.ola.get(desk.at)))
        assert (sent.status, sent.headers["location"]) == (303, desk.at)
        assert await desk.state() == "approved"
        assert await desk.reads() == ["ola@acme.test"]

    at_desk(home, work)


@pytest.mark.parametrize(
    "path",
    [
        "{at}?verdict=approve&reason=ok",
        "{at}/answer?verdict=approve&reason=ok",
        "{at}/approve",
        "{at}/revoke",
        "/approvals?approve={id}",
        "{at}?approver=ola%40acme.test",
    ],
)
def test_a_forged_link_does_nothing(home: Path, path: str) -> None:
    async def work(desk: Desk) -> None:
        for site in ("cross-site", "none", "same-origin"):
            reply = await desk.ola.get(path.format(at=desk.at, id=desk.held.id), site=site)
            assert reply.status in {400, 404, 405}
        assert (await desk.state(), await desk.reads()) == ("requested", [])

    at_desk(home, work)


def test_a_link_says_which_call_and_not_who_answers(home: Path) -> None:
    async def work(desk: Desk) -> None:
        stranger = Browser(console(desk.house, PAGES))
        came = await stranger.get(desk.at, site="cross-site")
        assert came.status == 200
        assert b"issue_refund" not in came.body
        assert f'content="0;url={desk.at}"'.encode() in came.body
        assert (await stranger.get(desk.at, site="same-origin")).headers["location"] == f"/sign-in?to={desk.at}"
        assert await desk.reads() == []

    at_desk(home, work)


@pytest.mark.parametrize(
    "header",
    [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
        ("x-moz", "prefetch"),
        ("x-purpose", "preview"),
    ],
)
def test_a_page_that_is_fetched_ahead_is_not_read(home: Path, header: tuple[str, str]) -> None:
    async def work(desk: Desk) -> None:
        reply = await desk.ola.get(desk.at, headers=(header,))
        assert reply.status == 403
        assert b"A-1007" not in reply.body
        assert await desk.reads() == []

    at_desk(home, work)


@pytest.mark.parametrize("destination", ["iframe", "frame", "embed", "object", "image", "script", "empty", "style"])
def test_a_page_in_a_page_is_not_shown(home: Path, destination: str) -> None:
    async def work(desk: Desk) -> None:
        cookie = ("cookie", str(desk.ola.cookie))
        own = (("host", HOST), cookie, ("sec-fetch-site", "same-origin"), ("sec-fetch-dest", destination))
        reply = await send(desk.ola.app, "GET", desk.at, headers=own)
        assert reply.status == 403
        assert b"A-1007" not in reply.body
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
        assert reply.headers["x-frame-options"] == "DENY"
        assert await desk.reads() == []

    at_desk(home, work)


@pytest.mark.parametrize(
    ("site", "origin"),
    [
        ("cross-site", "https://evil.test"),
        ("cross-site", "null"),
        ("same-site", "https://evil.acme.test"),
        ("none", "null"),
        ("", f"https://{HOST}"),
        ("same-origin", "https://evil.test"),
    ],
)
@pytest.mark.parametrize("path", ["{at}/answer", "{at}/revoke", "/sign-out", "/sign-in"])
def test_a_form_from_elsewhere_is_not_even_read(home: Path, path: str, site: str, origin: str) -> None:
    async def work(desk: Desk) -> None:
        form, cookie = yes(await desk.ola.get(desk.at)), desk.ola.cookie
        reply = await desk.ola.post(path.format(at=desk.at), form, site=site, origin=origin)
        assert reply.status == 403
        assert (await desk.state(), desk.ola.cookie) == ("requested", cookie)
        assert (await desk.ola.get("/approvals")).status == 200, "and Ola is still signed in"

    at_desk(home, work)


@pytest.mark.parametrize("proof", ["", "0" * 64, "another session's", "shown"])
def test_a_form_without_this_sessions_proof_does_nothing(home: Path, proof: str) -> None:
    async def work(desk: Desk) -> None:
        page = await desk.ola.get(desk.at)
        again = Browser(console(desk.house, PAGES))
        await again.sign_in(desk.key)
        others = {"another session's": await again.proof(), "shown": yes(page)["whole"]}
        form = yes(page, proof=others.get(proof, proof))
        for last in ("answer", "revoke"):
            sent = form if last == "answer" else {"proof": form["proof"], "reason": "ok"}
            assert (await desk.ola.post(f"{desk.at}/{last}", sent)).status == 403
        del form["proof"]
        assert (await desk.ola.post(f"{desk.at}/answer", form)).status == 400
        assert await desk.state() == "requested"

    at_desk(home, work)


@pytest.mark.parametrize(
    ("whole", "because"),
    [
        ("", "nothing was shown"),
        ("0" * 64, "made up"),
        ("form", "the other proof of this session"),
        ("other call", "another call's"),
        ("other session", "another session's of the same person"),
    ],
)
def test_a_yes_takes_that_the_arguments_were_shown(home: Path, whole: str, because: str) -> None:
    async def work(desk: Desk) -> None:
        page = await desk.ola.get("/approvals")
        other = await hold(desk.house.control, binding="9" * 64)
        again = Browser(console(desk.house, PAGES))
        await again.sign_in(desk.key)
        brought = {
            "form": proof_in(page.body),
            "other call": yes(await desk.ola.get(f"/approvals/{other.id}"))["whole"],
            "other session": yes(await again.get(desk.at))["whole"],
        }.get(whole, whole)
        form = {"proof": proof_in(page.body), "whole": brought, "reason": "ok", "verdict": "approve"}
        refused = await desk.ola.post(f"{desk.at}/answer", form)
        assert refused.status == 409, because
        assert b"approval.arguments_not_shown" in refused.body
        assert await desk.state() == "requested"
        assert (await desk.ola.post(f"{desk.at}/answer", form | {"verdict": "deny"})).status == 303
        assert await desk.state() == "denied", "a no takes nothing"

    at_desk(home, work)


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        ('{"a":"</pre><script>alert(1)</script><img src=x onerror=alert(1)>"}', "</pre><script>alert(1)</script>"),
        ('{"a":"&lt;b&gt; \'\\" ` ${x} {{ x }} {% x %}"}', "&lt;b&gt;"),
        ('{"a":"acme\u202etset.\u2066x\u2069"}', "acme«U+202E»tset.«U+2066»x«U+2069»"),
        ('{"pay\u200bpal":"\ufeff\u00ad\u2060"}', '"pay«U+200B»pal":"«U+FEFF»«U+00AD»«U+2060»"'),
        ('{"a":"\\u001b[2J\\u001b]8;;https://evil.test\\u0007\x7f\x9b2J"}', "«U+007F»«U+009B»2J"),
        ('{"a":"' + "\\n" * 10_000 + '","b":1}', '"b":1'),
        ('{"a":"' + " " * 3_000 + 'pay","b":1}', "«U+0020»«U+0020»pay"),
        ('{"a":"«U+202E»"}', "«« U+00AB»U+202E«» U+00BB»"),
        ('{"\u0430mount":1,"amount":2}', "«\u0430 U+0430»mount"),
        ('{"a":"\u3164\u2800\U000e0041\u0301"}', "«U+3164»«U+2800»«U+E0041»«U+0301»"),
        ("no JSON <at> all\u2028", "no JSON <at> all«U+2028»"),
    ],
    ids=["markup", "escapes", "bidi", "zero-width", "terminal", "line ends", "spaces", "a mark", "homoglyph", "blank",
         "no JSON"],
)  # fmt: skip
def test_arguments_are_text_and_nothing_in_them_hides(home: Path, arguments: str, seen: str) -> None:
    async def work(desk: Desk) -> None:
        pages = await desk.read_all()
        regions = [Region(page) for page in pages]
        assert {(tag, tuple(has.items())) for region in regions for tag, has in region.elements} <= OURS
        assert "".join(region.arguments for region in regions) == arguments
        assert seen in "".join(region.text for region in regions).replace("\n", "")
        said = f"{len(arguments.encode()):,} bytes, {len(arguments):,} characters".encode()
        assert all(said in page.body for page in pages)

    at_desk(home, work, arguments)


def test_a_megabyte_is_shown_whole_before_a_yes(home: Path) -> None:
    arguments = '{"note":"' + "All is well. " * 80_000 + '","to":"mallory"}'
    count = -(-len(arguments) // PART_CHARACTERS)

    async def work(desk: Desk) -> None:
        last = await desk.ola.get(f"{desk.at}?{urlencode({'part': count})}")
        assert b'"to":"mallory"' in last.body.replace(b"&#34;", b'"')
        assert yes(last)["whole"] == "", "who jumps to the end has not been shown the rest"
        assert b"disabled" in last.body
        pages = await desk.read_all()
        assert [yes(page)["whole"] == "" for page in pages] == [True] * (count - 1) + [False]
        assert count > 60
        assert await desk.reads() == ["ola@acme.test"] * (count + 1)
        assert (await desk.ola.post(f"{desk.at}/answer", yes(pages[-1]))).status == 303
        assert await desk.state() == "approved"

    at_desk(home, work, arguments)


@pytest.mark.parametrize("part", ["0", "2", "-1", "01", "x", "", "1.0", "%D9%A1", "9" * 60])
def test_a_part_that_is_none(home: Path, part: str) -> None:
    async def work(desk: Desk) -> None:
        assert (await desk.ola.get(f"{desk.at}?part={part}")).status == 404

    at_desk(home, work)


@pytest.mark.parametrize(
    ("field", "text", "seen"),
    [
        ("tool", "issue_r\u0435fund", "issue_r«<bdi>\u0435</bdi> U+0435»fund"),
        ("tool", "get_status\u200b", "get_status«U+200B»"),
        ("on_behalf_of", "user:<b>root</b>\u202e", "user:&lt;b&gt;root&lt;/b&gt;«U+202E»"),
        ("key_created_by", "d\u0430na@acme.test", "d«<bdi>\u0430</bdi> U+0430»na@acme.test"),
    ],
)
def test_a_name_that_looks_like_another_is_told_apart(home: Path, field: str, text: str, seen: str) -> None:
    async def work(desk: Desk) -> None:
        for address in ("/approvals", desk.at) if field != "key_created_by" else (desk.at,):
            page = (await desk.ola.get(address)).body.decode()
            assert seen in page.replace('<span class="mark">', "").replace("</span>", "")
            assert text not in page
        title = re.search(r"<title>(.*?)</title>", (await desk.ola.get(desk.at)).body.decode())
        assert title is not None
        assert re.sub("[«»·]", "", title[1]).isascii()

    at_desk(home, work, **{field: text})


def test_whoever_is_revoked_is_out_at_the_next_click(home: Path) -> None:
    async def work(desk: Desk) -> None:
        form = yes(await desk.ola.get(desk.at))
        await people.revoke(desk.house.control, LOCAL, "ola@acme.test", trace_id="t")
        elsewhere = Browser(console(desk.house, PAGES), desk.ola.cookie)
        for browser in (desk.ola, elsewhere):
            assert (await browser.post(f"{desk.at}/answer", form)).status == 401
            assert (await browser.get(desk.at)).status == 303
        assert await desk.state() == "requested"

    at_desk(home, work)


def test_a_session_that_somebody_planted_becomes_nobodys(home: Path) -> None:
    """Mallory puts a cookie of his choice, or of his own session, into Ola's browser before she signs in."""

    async def work(desk: Desk) -> None:
        mallory = await desk.browser("mallory", "auditor")
        for planted in ("customhouse-session=chs_" + "A" * 43, mallory.cookie):
            browser = Browser(console(desk.house, PAGES), planted)
            assert (await browser.sign_in(desk.key)).status == 303
            assert browser.cookie != planted
            assert b"ola@acme.test" in (await browser.get("/approvals")).body
            other = Browser(console(desk.house, PAGES), planted)
            assert b"ola@acme.test" not in (await other.get("/approvals")).body
        assert (await mallory.get("/approvals")).status == 303, "his own session ended with it"
        two = f"{desk.ola.cookie}; customhouse-session=chs_{'A' * 43}"
        assert (await Browser(console(desk.house, PAGES), two).get("/approvals")).status == 303, "two are none"

    at_desk(home, work)


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.test/",
        "//evil.test/",
        "/\\evil.test",
        "\\\\evil.test",
        "/approvals@evil.test",
        "/approvals.evil.test",
        "/approvals\r\nlocation: https://evil.test",
        "javascript:alert(1)",
        "data:text/html,x",
        "/%2Fevil.test",
        "/approvals/../../evil",
        "/approvals?next=https://evil.test",
        "/sign-out",
        "",
        " /approvals",
        "/api/v1/",
    ],
)
def test_signing_in_leads_to_no_other_place(home: Path, to: str) -> None:
    async def work(desk: Desk) -> None:
        assert (await desk.ola.sign_in(desk.key, to)).headers["location"] == "/approvals"
        page = await Browser(console(desk.house, PAGES)).get(f"/sign-in?{urlencode({'to': to})}")
        assert b'name="to" value="/approvals"' in page.body

    at_desk(home, work)


@pytest.mark.parametrize(
    ("name", "roles", "opens"),
    [
        ("ben", ("approver",), True),
        ("dana", ("captain",), True),
        ("sam", ("auditor",), True),
        ("pat", ("approver",), False),
        ("kim", ("captain", "approver"), False),
        ("otto", ("oncall",), False),
    ],
)
def test_arguments_are_for_those_who_may_answer_or_read_them_anyway(
    home: Path, name: str, roles: tuple[Role, ...], opens: bool  # noqa: FBT001 - a column
) -> None:  # fmt: skip
    async def work(desk: Desk) -> None:
        browser = await desk.browser(name, *roles)
        page = await browser.get(desk.at)
        assert page.status == 200
        assert (b"A-1007" in page.body) is opens
        assert await desk.reads() == ([f"{name}@acme.test"] if opens else [])

    at_desk(home, work)


@pytest.mark.parametrize(
    ("name", "roles"),
    [("dana", ("captain", "approver")), ("pat", ("approver",)), ("sam", ("auditor",))],
)
def test_who_may_not_answer_has_no_form_and_no_way_around_it(home: Path, name: str, roles: tuple[Role, ...]) -> None:
    """The creator of the key, somebody whom the rule does not name, and somebody without the role."""

    async def work(desk: Desk) -> None:
        browser = await desk.browser(name, *roles)
        page = await browser.get(desk.at)
        assert b'name="whole"' not in page.body
        form = yes(await desk.ola.get(desk.at)) | {"proof": proof_in(page.body)}
        for verdict in ("approve", "deny"):
            reply = await browser.post(f"{desk.at}/answer", form | {"verdict": verdict})
            assert reply.status in {403, 409}
        assert await desk.state() == "requested"

    at_desk(home, work)
