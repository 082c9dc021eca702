# SPDX-License-Identifier: Apache-2.0
"""The signed webhook over real sockets: what a receiver verifies, and what it cannot do to us."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.notify.authority import sides
from tests.notify.receiver import DOWN, MOVED, OK, receiver
from tests.notify.waiting import ID, WAITING

from customhouse.domain.clock import SystemClock
from customhouse.notify.notice import Undelivered
from customhouse.notify.webhook import Webhook, signed, signing_key

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
CLOCK = SystemClock()


def test_the_signature_is_that_of_standard_webhooks() -> None:
    # The example of the specification and of its libraries' tests.
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_can_verify_who_sent_it_and_when() -> None:
    async def story() -> None:
        async with receiver() as running:
            await Webhook(running.url, SECRET, CLOCK).send(WAITING)
        ((headers, body),) = running.came
        mac = hmac.new(KEY, f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body, hashlib.sha256)
        assert headers["webhook-signature"] == "v1," + base64.b64encode(mac.digest()).decode()
        assert abs(int(headers["webhook-timestamp"]) - CLOCK.now_us() // 1_000_000) < 60
        assert headers["webhook-id"] == ID
        said = json.loads(body)
        assert said["type"] == "approval.requested"
        assert said["data"]["url"] == f"https://customhouse.acme.test/approvals/{ID}"
        assert (said["data"]["tool"], said["data"]["assistant"]) == ("issue_refund", "customer_support_bot")
        assert said["data"]["expires_at"] == "2026-11-18T11:06:40.000000Z"

    asyncio.run(story())


def test_what_the_page_says_verifies_it() -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "tell-people-of-approvals.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102 - the page's own words

    async def story() -> None:
        async with receiver() as running:
            await Webhook(running.url, SECRET, CLOCK).send(WAITING)
        ((headers, body),) = running.came
        assert names["verified"](SECRET, headers, body)
        assert not names["verified"](SECRET, headers, body + b" ")
        old = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 301)}
        assert not names["verified"](SECRET, old, body)

    asyncio.run(story())


def test_a_redirect_is_not_followed() -> None:
    async def story() -> None:
        async with receiver() as other, receiver(MOVED % other.url.encode()) as running:
            with pytest.raises(Undelivered, match="redirects are not followed") as refused:
                await Webhook(running.url, SECRET, CLOCK).send(WAITING)
            assert refused.value.outcome == "refused"
            assert not other.came

    asyncio.run(story())


ANSWERS = [
    # what comes back, the outcome, why
    (DOWN, "refused", "an error of the receiver"),
    (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "refused", "nobody there"),
    (b"SSH-2.0-OpenSSH\r\n", "unreachable", "another protocol"),
    (b"", "unreachable", "a connection that closes"),
    (b"HTTP/1.1 200 OK\r\nx-flood: " + b"a" * 1_000_000 + b"\r\n\r\n", "unreachable", "a head without end"),
]


@pytest.mark.parametrize(("answer", "outcome", "why"), ANSWERS)
def test_what_is_no_yes_is_told_in_words(answer: bytes, outcome: str, why: str) -> None:
    async def story() -> None:
        async with receiver(answer) as running:
            with pytest.raises(Undelivered) as refused:
                await Webhook(running.url, SECRET, CLOCK).send(WAITING)
            assert refused.value.outcome == outcome, why
            assert str(running.port) not in str(refused.value), "no address in what is logged"

    asyncio.run(story())


def test_a_body_without_end_is_not_read() -> None:
    async def story() -> None:
        async with receiver(OK[:15] + b"\r\n\r\n" + b"x" * 5_000_000) as running:
            await Webhook(running.url, SECRET, CLOCK, timeout_s=5).send(WAITING)

    asyncio.run(story())


def test_a_receiver_that_says_nothing_costs_its_time_and_no_more() -> None:
    async def story() -> None:
        async with receiver(silent=True) as running:
            with pytest.raises(Undelivered, match=r"no answer within 0\.2 s") as late:
                await Webhook(running.url, SECRET, CLOCK, timeout_s=0.2).send(WAITING)
            assert late.value.outcome == "late"

    asyncio.run(story())


def test_tls_is_verified(tmp_path: Path) -> None:
    async def story() -> None:
        made = sides(tmp_path)
        async with receiver(tls=made.server) as running:
            with pytest.raises(Undelivered, match="certificate"):
                await Webhook(running.url, SECRET, CLOCK).send(WAITING)
            assert not running.came
            await Webhook(running.url, SECRET, CLOCK, tls=made.client).send(WAITING)
            assert len(running.came) == 1

    asyncio.run(story())


def test_a_secret_in_a_file_rotates_without_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        file = tmp_path / "secret"
        async with receiver() as running:
            hook = Webhook(running.url, f"file:{file}", CLOCK)
            with pytest.raises(Undelivered, match="No such file") as unready:
                await hook.send(WAITING)
            assert unready.value.outcome == "unready"
            for key in (KEY, KEY[::-1]):
                file.write_text("whsec_" + base64.b64encode(key).decode() + "\n")
                file.chmod(0o600)
                await hook.send(WAITING)
                headers, body = running.came[-1]
                again = signed(key, headers["webhook-id"], int(headers["webhook-timestamp"]), body)
                assert headers["webhook-signature"] == again["webhook-signature"]

    asyncio.run(story())


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_!!", SECRET[6:], "whsec_" + base64.b64encode(b"x" * 23).decode()]
)
def test_what_is_no_secret_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="it is not `whsec_`") as refused:
        signing_key(text)
    assert len(text) < 10 or text not in str(refused.value)
