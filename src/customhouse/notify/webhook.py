# SPDX-License-Identifier: Apache-2.0
"""The signed webhook: JSON with the headers of Standard Webhooks, so that receivers verify it with a library they have.

Source: standardwebhooks.com, the specification: HMAC-SHA256 over `id.timestamp.body` in base64 after `v1,`; a secret is
`whsec_` and base64 of 24 to 64 bytes. The id is the same for every copy of one message; the timestamp is that of the
copy, so that a receiver may refuse old ones.
"""

import base64
import binascii
import hashlib
import hmac
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from customhouse.domain.clock import Clock, rfc3339
from customhouse.notify import secret
from customhouse.notify.notice import TIMEOUT_S, Notice, Undelivered, sentence, word
from customhouse.notify.post import post

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the prefix, not a secret
SECRET_BYTES: Final = range(24, 65)
_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver, and where the secret is that it shares with us."""

    url: str
    secret: str
    clock: Clock
    tls: ssl.SSLContext | None = None
    timeout_s: float = TIMEOUT_S
    name: str = "webhook"

    async def send(self, notice: Notice) -> None:
        """Send one message. Raises Undelivered."""
        try:
            key = signing_key(secret.read(self.secret))
        except ValueError as error:
            raise Undelivered("unready", f"webhook_secret: {error}") from None
        body = content(notice, self.clock.now_us())
        await post(
            self.url, signed(key, notice.message_id, self.clock.now_us() // _US, body), body, self.tls, self.timeout_s
        )


def signing_key(text: str) -> bytes:
    """Return the bytes of a `whsec_…` secret. Raises ValueError, which does not quote it."""
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(SECRET_PREFIX) or len(key) not in SECRET_BYTES:
        raise ValueError(
            "it is not `whsec_` and base64 of 24 to 64 random bytes; make one: "
            "python3 -c \"import base64,secrets; print('whsec_' + base64.b64encode(secrets.token_bytes(32)).decode())\""
        )
    return key


def signed(key: bytes, message_id: str, at_s: int, body: bytes) -> Mapping[str, str]:
    """Return the headers that prove who sent a body, and when."""
    mac = hmac.new(key, f"{message_id}.{at_s}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def content(notice: Notice, now_us: int) -> bytes:
    """Return the body."""
    return msgspec.json.encode(
        {
            "type": "test" if notice.occasion == "test" else f"approval.{notice.occasion}",
            "timestamp": rfc3339(now_us),
            "data": {
                "id": notice.id,
                "tool": word(notice.tool),
                "assistant": word(notice.assistant),
                "environment": word(notice.environment),
                "expires_at": rfc3339(notice.expires_at_us),
                "url": notice.link,
                "text": sentence(notice),
            },
        }
    )
