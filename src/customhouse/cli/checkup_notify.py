# SPDX-License-Identifier: Apache-2.0
"""What `customhouse doctor` says of the channels over which people are told of approvals.

Rule: nothing is sent unless the person asks for it; then one message for each channel, which says that it is none.
"""

from typing import Final

from customhouse.cli.finding import Finding, fail, ok, warn
from customhouse.domain.clock import Clock
from customhouse.domain.errors import InvalidRequest
from customhouse.notify.channels import channels
from customhouse.notify.notice import Channel, Notice, Undelivered, link
from customhouse.settings import Settings

CHECK: Final = "notify"


async def told(chosen: Settings, clock: Clock, *, send: bool) -> list[Finding]:
    """Check the channels that the settings of this shell name; with `send`, send a test message over each."""
    try:
        found = channels(chosen, clock)
    except InvalidRequest as error:
        return [fail(CHECK, error.detail, "a server with these settings does not start: docs/reference/settings.md")]
    if not found:
        advice = "set public_url and slack_url, smtp_url or webhook_url: docs/howto/tell-people-of-approvals.md"
        return [warn(CHECK, "nobody is told of approvals that wait", advice)] if send else []
    if not send:
        names = ", ".join(each.name for each in found)
        return [ok(CHECK, f"{names} are set; `customhouse doctor --notify` sends a test message")]
    return [await _sent(each, chosen, clock) for each in found]


async def _sent(channel: Channel, chosen: Settings, clock: Clock) -> Finding:
    test = Notice(clock.uuid7(), "test", "none", "none", "none", clock.now_us(), link(chosen.public_url, "test"))
    try:
        await channel.send(test)
    except Undelivered as failed:
        return fail(
            CHECK, f"{channel.name}: {failed}", "its settings and its server: docs/howto/tell-people-of-approvals.md"
        )
    return ok(CHECK, f"{channel.name} took a test message; look whether it arrived")
