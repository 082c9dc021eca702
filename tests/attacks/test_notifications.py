# SPDX-License-Identifier: Apache-2.0
"""Nothing of a held call but its names leaves the house: every byte that three channels send is looked at.

Mallory can make the model propose what he likes: arguments, call ids, reasons that quote him. Dana's mail provider, her
chat provider and whoever reads there see none of it, nor whose call it is.
"""

import asyncio
import urllib.request
from pathlib import Path

import pytest
from tests.approvals.desk import Desk, in_desk
from tests.approvals.holding import held, hold
from tests.attacks.test_row_security import APPROVAL
from tests.gateway.running import documents, running
from tests.notify.mailbox import Mailbox, mailbox
from tests.notify.receiver import Receiver, receiver
from tests.upstream.server import Upstream

from customhouse.approvals.outbox import Outbox
from customhouse.domain.clock import SystemClock
from customhouse.notify.mail import Mail, Server
from customhouse.notify.slack import Slack
from customhouse.notify.webhook import Webhook

CLOCK = SystemClock()
SECRET = "whsec_" + "QUFB" * 8
PLANTED = "tripwire-5f1c"


def test_no_byte_of_a_held_call_leaves_but_its_names(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        arguments = f'{{"note":"{PLANTED}"}}'.encode()
        approval = held(
            f"{PLANTED}-tenant",
            desk.clock.now_us(),
            arguments,
            call_id=f"{PLANTED}-call",
            key_id=f"{PLANTED}-key",
            key_created_by=f"{PLANTED}@acme.test",
            on_behalf_of=f"user:{PLANTED}",
            reasons=(f"tool.{PLANTED}",),
            approvers=(f"{PLANTED}@acme.test", f"group:{PLANTED}"),
            tool_digest=f"sha256:{PLANTED}",
            binding=PLANTED,
            body_digest=PLANTED,
        )
        await hold(desk.book.ledger, desk.gateway, approval, arguments)
        async with mailbox(Mailbox()) as box, receiver() as hook, receiver() as slack:
            place = Server("127.0.0.1", box.port, "plain", "")
            channels = (
                Mail(place, "", "customhouse@acme.test", ("dana@acme.test",), CLOCK),
                Webhook(hook.url, SECRET, CLOCK),
                Slack(slack.url),
            )
            boxes = [
                Outbox(
                    each,
                    desk.control.database,
                    desk.clock,
                    public_url="https://ch.test",
                    observe=lambda _name, _outcome: None,
                )
                for each in channels
            ]
            for each in boxes:
                await each.tell()
            desk.pass_s(500)
            for each in boxes:
                await each.tell()
            sent = (box.clear, hook.raw, slack.raw)
        for raw in sent:
            assert raw.count(approval.id.encode()) >= 2, "the message and its reminder were sent"
            assert PLANTED.encode() not in raw
            assert approval.trace_id.encode() not in raw
            assert SECRET.encode() not in raw

    in_desk(tmp_path, story)


def test_a_server_tells_of_what_waits_and_says_when_it_cannot(
    home: Path, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with receiver() as hook:
            settings = {
                "public_url": "https://ch.acme.test",
                "webhook_url": hook.url,
                "webhook_secret": SECRET,
                "slack_url": f"file:{home}/nothing-here",
            }
            with running(home, documents(upstream.base_url), **settings) as gateway:
                gateway.alter(APPROVAL.format(tenant="acme", expires=CLOCK.now_us() + 900_000_000, state="requested"))
                await asyncio.wait_for(hook.until(1), 30)
                assert hook.came[0][0]["webhook-id"] == "approval-of-acme"
                metrics = ""
                while 'channel="slack",outcome="unready"' not in metrics:  # each channel goes at its own pace
                    metrics = await asyncio.to_thread(scraped, gateway.port)
                assert 'customhouse_notifications_total{channel="webhook",outcome="sent"} 1.0' in metrics

    def scraped(port: int) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:  # noqa: S310 - loopback
            return answer.read().decode()

    asyncio.run(story())
    assert "slack was not told of approval approval-of-acme (1)" in caplog.text


def test_a_lost_provider_delays_no_turn(home: Path, upstream: Upstream) -> None:
    async def story() -> None:
        async with receiver(silent=True) as hook:
            settings = {"public_url": "https://ch.acme.test", "webhook_url": hook.url, "webhook_secret": SECRET}
            with running(home, documents(upstream.base_url), **settings) as gateway:
                gateway.alter(APPROVAL.format(tenant="acme", expires=CLOCK.now_us() + 900_000_000, state="requested"))
                await asyncio.wait_for(hook.until(1), 30)
                assert not_answered(hook)
                answer = await asyncio.to_thread(gateway.chat)
                assert answer.status == 200
                assert not_answered(hook), "the turn was answered while the message hung"

    def not_answered(hook: Receiver) -> bool:
        return any(not task.done() for task in hook.serving)

    asyncio.run(story())
