# SPDX-License-Identifier: Apache-2.0
"""Incoming webhooks as Slack has them, and Mattermost, Rocket.Chat and others after it: `text` with a link.

Source: Slack's "Formatting text for app surfaces": `&`, `<` and `>` are escaped, a link is `<address|words>`. Names are
words here already (notice.py). The address is the secret of such a webhook.
"""

import ssl
from dataclasses import dataclass

import msgspec

from customhouse.notify import secret
from customhouse.notify.notice import TIMEOUT_S, Notice, Undelivered, sentence, subject
from customhouse.notify.post import post, sendable


@dataclass(frozen=True, slots=True)
class Slack:
    """Where the address of an incoming webhook is."""

    url: str
    tls: ssl.SSLContext | None = None
    timeout_s: float = TIMEOUT_S
    name: str = "slack"

    async def send(self, notice: Notice) -> None:
        """Send one message. Raises Undelivered."""
        try:
            url = secret.read(self.url)
        except ValueError as error:
            raise Undelivered("unready", f"slack_url: {error}") from None
        if not sendable(url):
            raise Undelivered("unready", "slack_url is no https:// address")
        await post(url, {}, content(notice), self.tls, self.timeout_s)


def content(notice: Notice) -> bytes:
    """Return the body."""
    said = _escaped(f"{subject(notice)}\n{sentence(notice)}")
    opened = "" if notice.occasion == "test" else f"\n<{notice.link}|Read what it would do, and decide>"
    return msgspec.json.encode({"text": said + opened})


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
