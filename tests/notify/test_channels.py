# SPDX-License-Identifier: Apache-2.0
"""Settings become channels, whole or not at all, and are printed without what is secret."""

import base64

import pytest

from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import InvalidRequest
from customhouse.notify.channels import channels
from customhouse.settings import load

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
PUBLIC = {"CUSTOMHOUSE_PUBLIC_URL": "https://ch.acme.test"}
HOOK = {"CUSTOMHOUSE_WEBHOOK_URL": "https://hooks.acme.test/x?token=t0ken", "CUSTOMHOUSE_WEBHOOK_SECRET": SECRET}
SLACK = {"CUSTOMHOUSE_SLACK_URL": "https://hooks.slack.test/services/T0/B0/t0ken"}
MAIL = {
    "CUSTOMHOUSE_SMTP_URL": "smtp://bot@mail.acme.test",
    "CUSTOMHOUSE_SMTP_PASSWORD": "t0ken",
    "CUSTOMHOUSE_SMTP_FROM": "customhouse@acme.test",
    "CUSTOMHOUSE_SMTP_TO": "dana@acme.test,ola@acme.test",
}


def names(environ: dict[str, str]) -> list[str]:
    return [each.name for each in channels(load(environ), SystemClock())]


def test_nothing_set_is_nothing_sent() -> None:
    assert names({}) == []
    assert names(PUBLIC) == []


def test_what_is_set_is_told() -> None:
    assert names({**PUBLIC, **HOOK, **SLACK, **MAIL}) == ["slack", "smtp", "webhook"]


HALF = [
    # settings, what the refusal names
    (HOOK, "public_url is not set"),
    ({**PUBLIC, "CUSTOMHOUSE_WEBHOOK_URL": "https://hooks.acme.test"}, "webhook_secret is not set"),
    ({**PUBLIC, **HOOK, "CUSTOMHOUSE_WEBHOOK_SECRET": "t0ken"}, "webhook_secret: it is not"),
    ({**PUBLIC, **HOOK, "CUSTOMHOUSE_WEBHOOK_URL": "http://hooks.acme.test/t0ken"}, "webhook_url is no https"),
    ({**PUBLIC, **HOOK, "CUSTOMHOUSE_WEBHOOK_URL": "https://u:t0ken@hooks.acme.test"}, "webhook_url is no https"),
    ({**PUBLIC, "CUSTOMHOUSE_SLACK_URL": "http://hooks.slack.test/t0ken"}, "slack_url is no https"),
    ({**PUBLIC, "CUSTOMHOUSE_SLACK_URL": "http://localhost.evil.test/t0ken"}, "slack_url is no https"),
    ({**PUBLIC, **MAIL, "CUSTOMHOUSE_SMTP_PASSWORD": ""}, "go together"),
    ({**PUBLIC, **MAIL, "CUSTOMHOUSE_SMTP_URL": "smtp://mail.acme.test"}, "go together"),
    ({**PUBLIC, **MAIL, "CUSTOMHOUSE_SMTP_URL": "smtp+plain://bot@mail.acme.test"}, "in clear"),
    ({**PUBLIC, **MAIL, "CUSTOMHOUSE_SMTP_URL": "smtp://bot:t0ken@mail"}, "holds a password"),
    ({**PUBLIC, **MAIL, "CUSTOMHOUSE_SMTP_TO": "dana@acme.test,ola"}, "smtp_to: 'ola'"),
    ({**PUBLIC, **MAIL, "CUSTOMHOUSE_SMTP_TO": ",".join(["a@b.test"] * 21)}, "1 to 20"),
    ({**PUBLIC, **MAIL, "CUSTOMHOUSE_SMTP_FROM": "x@y.test\r\nBcc: z@y.test"}, "smtp_from"),
]


@pytest.mark.parametrize(("environ", "named"), HALF)
def test_what_is_half_set_stops_the_server_and_is_not_quoted(environ: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidRequest, match=named) as refused:
        names(environ)
    assert "t0ken" not in str(refused.value)


def test_secrets_are_not_printed() -> None:
    shown = str(load({**PUBLIC, **HOOK, **SLACK, **MAIL}).shown)
    assert "t0ken" not in shown
    assert SECRET not in shown
    assert "https://hooks.acme.test/***" in shown
    assert load({"CUSTOMHOUSE_SLACK_URL": "file:/run/secrets/slack"}).shown["slack_url"] == "file:/run/secrets/slack"


def test_the_public_address_is_one_that_requests_may_name() -> None:
    assert "ch.acme.test" in load(PUBLIC).hosts
