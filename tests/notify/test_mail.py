# SPDX-License-Identifier: Apache-2.0
"""Mail over real sockets: TLS that is verified or nothing, one message, the same id for every copy."""

import asyncio
import email
import email.policy
import logging
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from tests.notify.authority import sides
from tests.notify.mailbox import Mailbox, mailbox
from tests.notify.waiting import ID, WAITING

from customhouse.domain.clock import SystemClock
from customhouse.notify.mail import Mail, Server, Tls, message, server
from customhouse.notify.notice import Undelivered

TO: Final = ("dana@acme.test", "ola@acme.test")


def channel(
    box: Mailbox,
    how: Tls,
    *,
    user: str = "",
    password: str = "",
    tls: ssl.SSLContext | None = None,
    timeout_s: float = 5,
) -> Mail:
    place = Server("127.0.0.1", box.port, how, user)
    return Mail(place, password, "customhouse@acme.test", TO, SystemClock(), tls, timeout_s)


def test_starttls_then_a_login_then_one_message(tmp_path: Path) -> None:
    async def story() -> None:
        made = sides(tmp_path)
        async with mailbox(Mailbox(starttls=made.server, password="s3cret-word")) as box:
            await channel(box, "starttls", user="bot", password="s3cret-word", tls=made.client).send(WAITING)
        (came,) = box.messages
        read = email.message_from_bytes(came, policy=email.policy.default)
        assert read["subject"] == "Approval needed: issue_refund (customer_support_bot, production)"
        assert read["message-id"] == f"<{ID}@acme.test>"
        assert f"https://customhouse.acme.test/approvals/{ID}" in read.get_content()
        assert box.recipients == list(TO)
        assert box.clear.split() == [b"EHLO", b"acme.test", b"STARTTLS"], "before TLS nothing is said"

    asyncio.run(story())


def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    async def story() -> None:
        made = sides(tmp_path)
        async with mailbox(Mailbox(), tls=made.server) as box:
            await channel(box, "tls", tls=made.client).send(WAITING)
        assert (len(box.messages), box.clear) == (1, b"")

    asyncio.run(story())


def test_a_certificate_that_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        made = sides(tmp_path)
        for how, first in (("starttls", None), ("tls", made.server)):
            async with mailbox(Mailbox(starttls=made.server), tls=first) as box:
                with pytest.raises(Undelivered) as refused:
                    await channel(box, "starttls" if how == "starttls" else "tls").send(WAITING)
                assert refused.value.outcome == "unreachable"
                assert not box.messages

    asyncio.run(story())


def test_a_server_without_starttls_gets_nothing() -> None:
    async def story() -> None:
        async with mailbox(Mailbox(password="x")) as box:
            with pytest.raises(Undelivered, match="does not offer what is needed"):
                await channel(box, "starttls", user="bot", password="s3cret-word").send(WAITING)
        assert not box.messages
        assert b"AUTH" not in box.clear

    asyncio.run(story())


def test_what_is_slipped_in_before_tls_counts_for_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        made = sides(tmp_path)
        # Without the defence, the injected answer would be taken for the one to the second EHLO.
        box = Mailbox(starttls=made.server, injected=b"250 evil.test\r\n", password="s3cret-word")
        async with mailbox(box):
            try:
                await channel(box, "starttls", user="bot", password="s3cret-word", tls=made.client).send(WAITING)
            except Undelivered:
                assert not box.messages
            else:
                assert box.messages, "the second EHLO was asked, and answered, under TLS"
        assert b"s3cret" not in box.clear

    asyncio.run(story())


def test_plain_to_this_machine_and_no_login_without_a_user() -> None:
    async def story() -> None:
        async with mailbox(Mailbox()) as box:
            await channel(box, "plain").send(WAITING)
        assert len(box.messages) == 1
        assert b"AUTH" not in box.clear

    asyncio.run(story())


def test_one_address_that_is_refused_does_not_keep_the_other_waiting(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with mailbox(Mailbox(refused=frozenset(TO[:1]))) as box:
            await channel(box, "plain").send(WAITING)
        assert len(box.messages) == 1
        async with mailbox(Mailbox(refused=frozenset(TO))) as box:
            with pytest.raises(Undelivered, match="it answered"):
                await channel(box, "plain").send(WAITING)

    with caplog.at_level(logging.WARNING):
        asyncio.run(story())
    assert "1 of 2 addresses were refused" in caplog.text
    assert TO[0] not in caplog.text


def test_a_wrong_password_is_said_without_it(tmp_path: Path) -> None:
    async def story() -> None:
        made = sides(tmp_path)
        async with mailbox(Mailbox(starttls=made.server, password="right")) as box:
            with pytest.raises(Undelivered, match="does not accept our user") as refused:
                await channel(box, "starttls", user="bot", password="s3cret-word", tls=made.client).send(WAITING)
        assert "s3cret" not in str(refused.value)

    asyncio.run(story())


def test_a_server_that_says_nothing_and_one_that_is_not_there() -> None:
    async def story() -> None:
        async with mailbox(Mailbox(silent=True)) as box:
            with pytest.raises(Undelivered) as late:
                await channel(box, "plain", timeout_s=0.2).send(WAITING)
            assert late.value.outcome == "late"
        with pytest.raises(Undelivered) as gone:
            await channel(box, "plain").send(WAITING)
        assert gone.value.outcome == "unreachable"

    asyncio.run(story())


def test_no_name_adds_a_header() -> None:
    made = message(replace(WAITING, tool="x\r\nBcc: eve@evil.test\r\n\r\nhello"), "a@acme.test", TO, 0)
    assert made["bcc"] is None
    assert made["subject"].count("\n") == 0
    made.as_bytes().decode("ascii")


URLS = [
    # a setting, what is read of it
    ("smtp://mail.test", Server("mail.test", 587, "starttls", "")),
    ("smtps://bot%40acme.test@mail.test", Server("mail.test", 465, "tls", "bot@acme.test")),
    ("smtp+plain://127.0.0.1:2525", Server("127.0.0.1", 2525, "plain", "")),
]


@pytest.mark.parametrize(("url", "expected"), URLS)
def test_an_address_is_read(url: str, expected: Server) -> None:
    assert server(url) == expected


@pytest.mark.parametrize(
    "url", ["http://mail.test", "smtp://", "smtp://bot:pw@mail.test", "smtp://m:x", "smtp://m/?tls=0"]
)
def test_what_is_no_mail_server_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r"expected|password|no address") as refused:
        server(url)
    assert "pw" not in str(refused.value)
