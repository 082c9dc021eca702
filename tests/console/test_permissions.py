# SPDX-License-Identifier: Apache-2.0
"""Every role at every page: refused exactly where the table says so; and nobody at all, who gets no page."""

import asyncio
from pathlib import Path

import pytest
from tests.api.house import Reply, open_house
from tests.console.house import Browser, console, proof_in

from customhouse.access.roles import ROLES, TABLE
from customhouse.console.page import Page
from customhouse.console.pages import PAGES

NOWHERE = "0193f2a4-0000-7000-8000-000000000007"


async def knock(browser: Browser, page: Page, proof: str) -> Reply:
    """Ask for a page with an id that is nobody's; send a form that is complete and means nothing."""
    path = page.path.replace("{id}", NOWHERE)
    if page.method == "GET":
        return await browser.get(path)
    return await browser.post(path, {"proof": proof, **dict.fromkeys(page.fields, "x")})


def test_every_role_at_every_page(home: Path) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            for role in ROLES:
                browser = Browser(console(house, PAGES))
                await browser.sign_in(await house.person(f"{role}@acme.test", role))
                proof = proof_in((await browser.get("/approvals/nothing")).body)
                for page in PAGES:
                    reply = await knock(browser, page, proof)
                    refused = reply.status == 403 and b"access.verb_refused" in reply.body
                    assert refused is (page.verb not in TABLE[role]), (role, page.path, reply)

    asyncio.run(main())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.method} {page.path}")
def test_nobody_gets_no_page(home: Path, page: Page) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            cookies = (None, "customhouse-session=", "customhouse-session=chs_" + "A" * 43, "session=x")
            for cookie in cookies:
                reply = await knock(Browser(console(house, PAGES), cookie), page, "0" * 64)
                assert reply.status == (303 if page.method == "GET" else 401)

    asyncio.run(main())
