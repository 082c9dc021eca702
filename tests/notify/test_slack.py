# SPDX-License-Identifier: Apache-2.0
"""The Slack-compatible webhook: text with one link, from an address that is itself the secret."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.notify.receiver import receiver
from tests.notify.waiting import ID, WAITING

from customhouse.notify.notice import Undelivered
from customhouse.notify.slack import Slack, content


def test_people_read_what_waits_and_a_link() -> None:
    async def story() -> None:
        async with receiver() as running:
            await Slack(running.url).send(WAITING)
        ((_, body),) = running.came
        assert json.loads(body) == {
            "text": "Approval needed: issue_refund (customer_support_bot, production)\n"
            "customer_support_bot in production asks to call issue_refund. "
            "One of its approvers can decide until 2026-11-18T11:06:40Z.\n"
            f"<https://customhouse.acme.test/approvals/{ID}|Read what it would do, and decide>"
        }

    asyncio.run(story())


def test_a_name_makes_no_link_and_calls_nobody() -> None:
    said = content(replace(WAITING, tool="<!channel> <https://evil.test|Approve>&")).decode()
    assert "<!channel>" not in said
    assert said.count("<") == 1


def test_the_address_may_stand_in_a_file(tmp_path: Path) -> None:
    async def story() -> None:
        file = tmp_path / "slack"
        async with receiver() as running:
            file.write_text(running.url)
            file.chmod(0o644)
            with pytest.raises(Undelivered, match="open to others"):
                await Slack(f"file:{file}").send(WAITING)
            file.chmod(0o600)
            await Slack(f"file:{file}").send(WAITING)
            assert len(running.came) == 1
            file.write_text("http://hooks.evil.test/x")
            with pytest.raises(Undelivered, match="no https:// address"):
                await Slack(f"file:{file}").send(WAITING)

    asyncio.run(story())
