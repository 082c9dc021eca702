# SPDX-License-Identifier: Apache-2.0
"""The console over a real house, and a browser in a few lines: it keeps its cookie and says where it comes from."""

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from starlette.types import ASGIApp
from tests.api.house import House, Reply, open_house, send

from customhouse.access.roles import Role
from customhouse.api.front import Front
from customhouse.console.app import build_console, places
from customhouse.console.page import Page

HOST: Final = "127.0.0.1"
_PROOF: Final = re.compile(r'name="proof" value="([0-9a-f]{64})"')
_WHOLE: Final = re.compile(r'name="whole" value="([0-9a-f]*)"')


def console(house: House, pages: tuple[Page, ...], *, https: bool = False) -> ASGIApp:
    """Return the console behind the one door, as a server has it."""
    app = build_console(house.control, house.credentials, house.current, https=https, pages=pages)
    return Front(frozenset({HOST}), *places(app))


@dataclass
class Browser:
    """Somebody's browser at the console."""

    app: ASGIApp
    cookie: str | None = None
    said: dict[str, str] = field(default_factory=dict[str, str])

    async def get(self, path: str, *, site: str = "none", headers: Sequence[tuple[str, str]] = ()) -> Reply:
        """Open a page, as by typing its address unless `site` says otherwise."""
        return await self._ask("GET", path, (("sec-fetch-site", site), ("sec-fetch-dest", "document"), *headers), None)

    async def post(
        self,
        path: str,
        form: Mapping[str, str],
        *,
        site: str = "same-origin",
        origin: str = "null",
        headers: Sequence[tuple[str, str]] = (),
    ) -> Reply:
        """Send a form, as from a page of the console unless `site` and `origin` say otherwise."""
        sent = (("sec-fetch-site", site), ("origin", origin), ("content-type", "application/x-www-form-urlencoded"))
        return await self._ask("POST", path, (*sent, *headers), urlencode(form).encode())

    async def sign_in(self, key: str, to: str = "/approvals") -> Reply:
        """Sign in with a key."""
        return await self.post("/sign-in", {"key": key, "to": to})

    async def proof(self) -> str:
        """Return what forms of this session carry, read from a page."""
        return proof_in((await self.get("/approvals")).body)

    async def _ask(self, method: str, path: str, headers: Sequence[tuple[str, str]], content: bytes | None) -> Reply:
        cookies = () if self.cookie is None else (("cookie", self.cookie),)
        reply = await send(self.app, method, path, content=content, headers=(("host", HOST), *cookies, *headers))
        given = reply.headers.get("set-cookie")
        if given is not None:
            pair = given.partition(";")[0]
            self.cookie = None if pair.endswith("=") else pair
        return reply


def proof_in(page: bytes) -> str:
    """Return the proof that stands in a page's forms."""
    found = _PROOF.search(page.decode())
    assert found is not None, page.decode()
    return found[1]


def whole_in(page: bytes) -> str:
    """Return the proof in a held call's form that all was shown; empty where it was not."""
    found = _WHOLE.search(page.decode())
    assert found is not None, "the page has no form to answer with"
    return found[1]


@asynccontextmanager
async def signed_in(home: Path, pages: tuple[Page, ...], *roles: Role) -> AsyncGenerator[tuple[House, Browser]]:
    """Open a house in which Dana, with these roles, is signed in."""
    async with open_house(home) as house:
        key = await house.person("dana@acme.test", *roles)
        browser = Browser(console(house, pages))
        assert (await browser.sign_in(key)).status == 303
        yield house, browser
