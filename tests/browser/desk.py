# SPDX-License-Identifier: Apache-2.0
"""People in front of real browsers at one console: Ola and Ben may approve refunds, Sam reads, Dana asked."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page
from tests.browser.served import Served, served
from tests.console.holding import charter, hold

from customhouse.access.roles import Role
from customhouse.approvals import tables
from customhouse.approvals.approval import Approval
from customhouse.ledger.record import Record

PEOPLE: Final[dict[str, tuple[Role, ...]]] = {
    "ola": ("approver",),
    "ben": ("approver",),
    "sam": ("auditor",),
    "dana": ("captain", "approver"),
}
PATIENCE_MS: Final = 20_000
"""How long an expectation waits; the machine may be busy."""


@dataclass(frozen=True, slots=True)
class Desk:
    """A console, its people's keys, and a way to get a browser."""

    served: Served
    keys: dict[str, str]
    open_browser: Callable[[], Page]

    @property
    def url(self) -> str:
        """Return where the console is."""
        return self.served.url

    def hold(self, *arguments: str, **fields: Any) -> Approval:  # noqa: ANN401 - the approval's own fields
        """Hold a call."""
        return self.served.run(hold(self.served.house.control, *arguments, **fields))

    def at(self, approval: Approval) -> str:
        """Return the address of a held call's page."""
        return f"{self.url}/approvals/{approval.id}"

    def state(self, approval: Approval) -> str:
        """Return the stored state."""
        found = self.served.run(self.served.house.control.database.read(lambda tx: tables.get(tx, approval.id)))
        assert found is not None
        return found.state

    def evidence(self) -> list[Record]:
        """Return the organisation's log."""
        return self.served.run(self.served.house.evidence())

    def sign_in(self, name: str, address: str = "/") -> Page:
        """Open a browser, go to an address as somebody who is not known, and sign in on the page that comes."""
        page = self.open_browser()
        page.goto(address if address.startswith("http") else self.url + address)
        page.get_by_label("Operator key").fill(self.keys[name])
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Sign out").wait_for()
        return page


@contextmanager
def desk(home: Path, chromium: Browser, *, javascript: bool) -> Generator[Desk]:
    """Open a console with everybody's keys; the browsers close with it."""
    with served(home) as running:
        keys = {name: running.run(running.house.person(f"{name}@acme.test", *has)) for name, has in PEOPLE.items()}
        running.run(charter(running.house.control))
        opened = list[Page]()

        def open_browser() -> Page:
            context = chromium.new_context(java_script_enabled=javascript)
            context.set_default_timeout(PATIENCE_MS)
            opened.append(context.new_page())
            return opened[-1]

        try:
            yield Desk(running, keys, open_browser)
        finally:
            for page in opened:
                page.context.close()
