# SPDX-License-Identifier: Apache-2.0
"""Held calls in a real browser, with JavaScript and without: sign in, read, approve, deny, take back."""

from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.desk import PATIENCE_MS, Desk, desk
from tests.console.holding import MINUTE_US

from customhouse.access import people
from customhouse.console.layout import PART_CHARACTERS
from customhouse.console.visible import plain

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LARGE: Final = '{"note":"' + "All work and no play. " * (PART_CHARACTERS * 2 // 22) + '"}'
SNEAKY: Final = (
    '{"account":"acme\u202etset.","body":"<img src=x onerror=alert(1)> M\u00fcller \u200b","note":"a\\nb\\u001b[2J"}'
)

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(params=[True, False], ids=["javascript", "no-javascript"])
def open_desk(request: pytest.FixtureRequest, home: Path, chromium: Browser) -> Generator[Desk]:
    """Open a desk; its browsers run scripts, or not."""
    with desk(home, chromium, javascript=request.param) as opened:
        yield opened


def answer(page: Page, button: str, why: str) -> None:
    """Give a reason and press a button."""
    page.get_by_label("Why?").fill(why)
    page.get_by_role("button", name=button).click()


def shown_arguments(page: Page) -> str:
    """Return the arguments as somebody would copy them from the page, read back."""
    text = page.get_by_role("region", name="Arguments").inner_text()
    return plain("".join(line.strip(" ") for line in text.split("\n")))


def test_sign_in_read_approve_and_take_it_back(open_desk: Desk) -> None:
    held = open_desk.hold()
    page = open_desk.sign_in("ola", open_desk.at(held))
    expect(page).to_have_url(open_desk.at(held))
    expect(page.get_by_role("heading", level=1)).to_have_text("issue_refund")
    main = page.get_by_role("main")
    for said in (
        "It cannot be undone.",
        "support@41+prompt@38, in production",
        "acme",
        "user:42 (asserted)",
        "key_7, created by dana@acme.test",
        "The policy asks for a person's approval of this tool before it runs.",
        "63 bytes, 63 characters",
        "the same call goes out once",
        "It needs 1 approval, from ben@acme.test or ola@acme.test",
        "Nobody has answered yet.",
        "The model proposed the call: issue_refund",
    ):
        expect(main).to_contain_text(said)
    assert shown_arguments(page) == '{"amount":"5.00","order_id":"A-1007","reason":"arrived broken"}'
    answer(page, "Approve this call", "Looked at the order.")
    expect(page.get_by_text("approved, not used yet")).to_be_visible()
    expect(page.get_by_role("list", name="Answers")).to_contain_text("ola@acme.test approved")
    assert open_desk.state(held) == "approved"
    answer(page, "Revoke my approval", "The customer called: it is another order.")
    expect(page.get_by_text("taken back", exact=True)).to_be_visible()
    assert open_desk.state(held) == "revoked"


def test_deny_from_the_list(open_desk: Desk) -> None:
    held = open_desk.hold(tool="change_shipping_address", effect="write")
    page = open_desk.sign_in("ben")
    page.get_by_role("list", name="Waiting").get_by_role("link", name="change_shipping_address").click()
    answer(page, "Deny it", "Not this customer's.")
    expect(page.get_by_text("The call never goes out.")).to_be_visible()
    assert open_desk.state(held) == "denied"
    page.get_by_role("navigation", name="Console").get_by_role("link", name="Approvals").click()
    expect(page.get_by_text("Nothing waits for an answer.")).to_be_visible()
    expect(page.get_by_role("list", name="Lately decided")).to_contain_text("denied")


def test_by_keyboard_alone(open_desk: Desk) -> None:
    held = open_desk.hold()
    page = open_desk.open_browser()
    page.goto(open_desk.at(held))
    page.keyboard.insert_text(open_desk.keys["ola"])  # the field has the focus
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Sign out").wait_for()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.get_by_label("Why?").evaluate("field => field === document.activeElement"):
            break
    page.keyboard.insert_text("By keyboard.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("approved, not used yet")).to_be_visible()
    assert open_desk.state(held) == "approved"


def test_two_people_where_two_are_needed(open_desk: Desk) -> None:
    held = open_desk.hold(quorum=2)
    ola = open_desk.sign_in("ola", open_desk.at(held))
    answer(ola, "Approve this call", "Fine.")
    expect(ola.get_by_role("button", name="Revoke my approval")).to_be_visible()
    ben = open_desk.sign_in("ben", open_desk.at(held))
    expect(ben.get_by_role("main")).to_contain_text("1 so far")
    answer(ben, "Approve this call", "Fine too.")
    expect(ben.get_by_text("approved, not used yet")).to_be_visible()


def test_whoever_asked_and_whoever_only_reads_gets_no_form(open_desk: Desk) -> None:
    held = open_desk.hold(approvers=())
    for name, why in (("dana", "does not answer"), ("sam", "None of the person's roles may answer")):
        page = open_desk.sign_in(name, open_desk.at(held))
        expect(page.get_by_role("region", name="Arguments")).to_contain_text("A-1007")
        expect(page.get_by_role("main")).to_contain_text(why)
        expect(page.get_by_role("button", name="Approve this call")).to_have_count(0)


def test_what_hides_is_seen_and_what_is_markup_is_text(open_desk: Desk) -> None:
    held = open_desk.hold(SNEAKY, tool="issue_r\u0435fund")
    page = open_desk.sign_in("ola", open_desk.at(held))
    assert shown_arguments(page) == SNEAKY
    region = page.get_by_role("region", name="Arguments")
    for said in ("acme«U+202E»tset.", "M«ü U+00FC»ller", "«U+200B»", "<img src=x onerror=alert(1)>", "\\u001b[2J"):
        expect(region).to_contain_text(said)
    expect(page.get_by_role("img")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_have_text("issue_r«\u0435 U+0435»fund")
    expect(page.get_by_role("note")).to_contain_text("may look like another tool's")


def test_large_arguments_are_approved_after_their_last_part(open_desk: Desk) -> None:
    held = open_desk.hold(LARGE)
    page = open_desk.sign_in("ola", open_desk.at(held))
    read = ""
    for part in (1, 2, 3):
        region = page.get_by_role("region", name=f"Arguments, part {part} of 3")
        read += plain("".join(line.strip(" ") for line in region.inner_text().split("\n")))
        approve = page.get_by_role("button", name="Approve this call")
        if part < 3:
            expect(approve).to_be_disabled()
            expect(page.get_by_role("main")).to_contain_text(f"{part} of 3 shown to you, in order.")
            page.get_by_role("link", name=f"Show part {part + 1} of 3").click()
    assert read == LARGE
    expect(approve).to_be_enabled()
    answer(page, "Approve this call", "Read it all.")
    expect(page.get_by_text("approved, not used yet")).to_be_visible()


def test_what_is_too_late(open_desk: Desk) -> None:
    now_us = open_desk.served.house.control.clock.now_us()
    over = open_desk.hold(expires_at_us=now_us - MINUTE_US)
    page = open_desk.sign_in("ola", open_desk.at(over))
    expect(page.get_by_text("expired", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Approve this call")).to_have_count(0)
    gone = open_desk.hold()
    page.goto(open_desk.at(gone))
    other = open_desk.sign_in("ben", open_desk.at(gone))
    answer(other, "Deny it", "No.")
    expect(other.get_by_text("denied", exact=True)).to_be_visible()
    answer(page, "Approve this call", "Yes.")
    expect(page.get_by_role("alert")).to_contain_text("is denied already")
    page.get_by_role("link", name="Back to the approval").click()
    expect(page).to_have_url(open_desk.at(gone))


def test_signed_out_and_revoked(open_desk: Desk) -> None:
    held = open_desk.hold()
    page = open_desk.sign_in("ola", open_desk.at(held))
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    page.go_back()
    page.reload()
    expect(page.get_by_label("Operator key")).to_be_visible()
    ben = open_desk.sign_in("ben", open_desk.at(held))
    house = open_desk.served.house
    actor = house.credentials.person(open_desk.keys["ola"])
    assert actor is not None
    open_desk.served.run(people.revoke(house.control, actor, "ben@acme.test", trace_id="t"))
    answer(ben, "Approve this call", "Still here?")
    expect(ben.get_by_role("alert")).to_contain_text("You are signed out")
    assert open_desk.state(held) == "requested"


def test_a_link_from_elsewhere_opens_the_page_and_does_nothing(open_desk: Desk) -> None:
    held = open_desk.hold()
    page = open_desk.sign_in("ola")
    before = len(open_desk.evidence())
    page.route("http://chat.test/", lambda route: route.fulfill(
        content_type="text/html", body=f'<a href="{open_desk.at(held)}">a call waits</a>'
    ))  # fmt: skip
    page.goto("http://chat.test/")
    page.get_by_role("link", name="a call waits").click()
    expect(page.get_by_role("heading", name="issue_refund")).to_be_visible()
    expect(page).to_have_url(open_desk.at(held))
    assert (open_desk.state(held), len(open_desk.evidence())) == ("requested", before)


def test_a_form_on_another_site_does_nothing(open_desk: Desk) -> None:
    held = open_desk.hold()
    page = open_desk.sign_in("ola")
    page.route("http://evil.test/", lambda route: route.fulfill(content_type="text/html", body=f"""
        <form method="post" action="{open_desk.at(held)}/answer">
          <input name="proof" value="{"0" * 64}"><input name="whole" value="{"0" * 64}">
          <input name="reason" value="x"><button name="verdict" value="approve">Win</button>
        </form>"""))  # fmt: skip
    page.goto("http://evil.test/")
    page.get_by_role("button", name="Win").click()
    expect(page.get_by_role("alert")).to_contain_text("did not come from a page of this console")
    assert open_desk.state(held) == "requested"


def test_a_frame_on_another_site_stays_empty(open_desk: Desk) -> None:
    held = open_desk.hold()
    page = open_desk.sign_in("ola")
    body = f'<iframe title="trap" src="{open_desk.at(held)}"></iframe>'
    page.route("http://evil.test/", lambda route: route.fulfill(content_type="text/html", body=body))
    page.goto("http://evil.test/")
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="issue_refund")).to_have_count(0)
    expect(frame.get_by_role("button", name="Approve this call")).to_have_count(0)
