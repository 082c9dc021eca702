# SPDX-License-Identifier: Apache-2.0
"""What doctor says of the channels, and that it sends only when it is told to."""

import asyncio
import json

from tests.notify.receiver import DOWN, receiver

from customhouse.cli.checkup_notify import told
from customhouse.domain.clock import SystemClock
from customhouse.settings import Settings, load

CLOCK = SystemClock()
SECRET = "whsec_" + "QUFB" * 8


def settings(hook: str, slack: str = "") -> Settings:
    return Settings(public_url="https://ch.acme.test", webhook_url=hook, webhook_secret=SECRET, slack_url=slack)


def test_it_sends_when_it_is_told_to_and_says_what_became_of_it() -> None:
    async def story() -> None:
        async with receiver() as hook, receiver(DOWN) as slack:
            found = await told(settings(hook.url, slack.url), CLOCK, send=False)
            assert [each.state for each in found] == ["ok"]
            assert not hook.came
            assert not slack.came
            found = await told(settings(hook.url, slack.url), CLOCK, send=True)
            assert [(each.state, each.found) for each in found] == [
                ("fail", "slack: it answered 503"),
                ("ok", "webhook took a test message; look whether it arrived"),
            ]
            ((_, body),) = hook.came
            assert json.loads(body)["type"] == "test"
            assert "Nothing waits" in json.loads(body)["data"]["text"]

    asyncio.run(story())


def test_what_is_half_set_fails_and_what_is_not_set_is_no_finding() -> None:
    async def story() -> None:
        assert await told(load({}), CLOCK, send=False) == []
        (none,) = await told(load({}), CLOCK, send=True)
        (half,) = await told(load({"CUSTOMHOUSE_WEBHOOK_URL": "https://hooks.acme.test"}), CLOCK, send=False)
        assert (none.state, half.state) == ("warn", "fail")
        assert "webhook_secret is not set" in half.found

    asyncio.run(story())
