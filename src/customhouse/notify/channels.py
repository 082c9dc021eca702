# SPDX-License-Identifier: Apache-2.0
"""Which channels the settings ask for. Nothing set: nothing is sent. What is half set stops the server."""

import re
from typing import Final

from customhouse.domain.clock import Clock
from customhouse.domain.errors import InvalidRequest
from customhouse.notify import mail, secret
from customhouse.notify.mail import Mail
from customhouse.notify.notice import Channel
from customhouse.notify.post import own, sendable
from customhouse.notify.slack import Slack
from customhouse.notify.webhook import Webhook, signing_key
from customhouse.settings import Settings

MAX_RECIPIENTS: Final = 20
"""Beyond that a list of the mail server's own is what people want."""
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\-]{1,64}@[A-Za-z0-9\-]{1,63}(\.[A-Za-z0-9\-]{1,63})*")


def channels(settings: Settings, clock: Clock) -> tuple[Channel, ...]:
    """Return what is set, in the order of its names. Raises InvalidRequest, naming the setting that is wrong.

    A file of a secret is not read here: it may come later, and each message reads it.
    """
    found: list[Channel] = []
    if settings.slack_url:
        if not settings.slack_url.startswith(secret.FILE) and not sendable(settings.slack_url):
            raise InvalidRequest("slack_url is no https:// address (or file:PATH of a file that holds it)")
        found.append(Slack(settings.slack_url))
    if settings.smtp_url:
        found.append(_mail(settings, clock))
    if settings.webhook_url:
        found.append(_webhook(settings, clock))
    if found and not settings.public_url:
        raise InvalidRequest("public_url is not set: a notification without a link to its approval helps nobody")
    return tuple(found)


def _mail(settings: Settings, clock: Clock) -> Mail:
    try:
        server = mail.server(settings.smtp_url)
    except ValueError as error:
        raise InvalidRequest(f"smtp_url: {error}") from None
    if bool(server.user) != bool(settings.smtp_password):
        raise InvalidRequest("smtp_password and the USER@ of smtp_url go together: set both or neither")
    if server.tls == "plain" and server.user and not own(server.host):
        raise InvalidRequest("smtp_url is smtp+plain:// and has a user: a password goes in clear to this machine alone")
    if not settings.smtp_to or len(settings.smtp_to) > MAX_RECIPIENTS:
        raise InvalidRequest(f"smtp_to takes 1 to {MAX_RECIPIENTS} mail addresses, separated by commas")
    for name, address in (("smtp_from", settings.smtp_from), *(("smtp_to", each) for each in settings.smtp_to)):
        if _ADDRESS.fullmatch(address) is None:
            raise InvalidRequest(f"{name}: {address[:100]!r} is no mail address")
    return Mail(server, settings.smtp_password, settings.smtp_from, settings.smtp_to, clock)


def _webhook(settings: Settings, clock: Clock) -> Webhook:
    if not sendable(settings.webhook_url):
        raise InvalidRequest("webhook_url is no https:// address without user, password and fragment")
    if not settings.webhook_secret:
        raise InvalidRequest("webhook_secret is not set: what a receiver cannot verify, anybody can send it")
    if not settings.webhook_secret.startswith(secret.FILE):
        try:
            signing_key(settings.webhook_secret)
        except ValueError as error:
            raise InvalidRequest(f"webhook_secret: {error}") from None
    return Webhook(settings.webhook_url, settings.webhook_secret, clock)
