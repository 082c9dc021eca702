# SPDX-License-Identifier: Apache-2.0
"""The whole way of a held call: an application asks, a person approves in a browser, the application goes on."""

from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, expect
from tests.browser.desk import PATIENCE_MS
from tests.gateway.tongues import TONGUES
from tests.gateway.waiting import CAPTAIN, REFUND, TOOLS, waiting

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CHAT: Final = TONGUES["openai_chat"]


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_a_yes_in_the_browser_releases_the_call_and_a_no_does_not(
    home: Path, chromium: Browser, *, javascript: bool
) -> None:
    with waiting(home) as desk:
        body = CHAT.first(tools=TOOLS)
        (asked, other) = (CHAT.hear(desk.ask(CHAT.path, body)).receipt["decisions"][0] for _ in range(2))
        context = chromium.new_context(java_script_enabled=javascript)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{desk.gateway.port}{asked['url']}")
        page.get_by_label("Operator key").fill(desk.keys[CAPTAIN])
        page.get_by_role("button", name="Sign in").click()
        region = page.get_by_role("region", name="Arguments")
        expect(region).to_contain_text('"amount":"25.00"', timeout=PATIENCE_MS)
        expect(region).to_contain_text('"order_id":"A-1001"')
        page.get_by_label("Why?").fill("The order is right.")
        page.get_by_role("button", name="Approve this call").click()
        expect(page.get_by_text("approved, not used yet")).to_be_visible(timeout=PATIENCE_MS)
        released = CHAT.hear(desk.ask(CHAT.path, body, asked["id"]))
        assert [(name, arguments) for _, name, arguments in released.calls] == [REFUND]
        page.reload()
        expect(page.get_by_text("The call went out, once.")).to_be_visible(timeout=PATIENCE_MS)
        page.goto(f"http://127.0.0.1:{desk.gateway.port}{other['url']}")
        page.get_by_label("Why?").fill("Once is enough.")
        page.get_by_role("button", name="Deny it").click()
        expect(page.get_by_text("The call never goes out.")).to_be_visible(timeout=PATIENCE_MS)
        refused = desk.ask(CHAT.path, body, other["id"])
        assert (refused.status, refused.json["error"]["code"]) == (403, "approval.denied")
        context.close()
