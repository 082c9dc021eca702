# SPDX-License-Identifier: Apache-2.0
"""Mail: one plain text message to the addresses of a setting, over TLS that is verified.

`smtp://` is STARTTLS, and a server that does not offer it gets nothing (RFC 3207); `smtps://` speaks TLS from the first
byte (RFC 8314); `smtp+plain://` says aloud that there is none, and carries a password to this machine alone.
A copy has the same Message-ID, by which mail programs drop it.
"""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from customhouse.domain.clock import Clock
from customhouse.notify import secret
from customhouse.notify.notice import TIMEOUT_S, Notice, Undelivered, sentence, subject

Tls = Literal["starttls", "tls", "plain"]
SCHEMES: Final[dict[str, tuple[Tls, int]]] = {
    "smtp": ("starttls", 587),
    "smtps": ("tls", 465),
    "smtp+plain": ("plain", 25),
}
_US: Final = 1_000_000
_log = logging.getLogger(__name__)


class Server(NamedTuple):
    """Where mail is handed in, and as whom."""

    host: str
    port: int
    tls: Tls
    user: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail server, and whom it brings messages to."""

    server: Server
    password: str
    sender: str
    recipients: Sequence[str]
    clock: Clock
    tls: ssl.SSLContext | None = None
    timeout_s: float = TIMEOUT_S
    name: str = "smtp"

    async def send(self, notice: Notice) -> None:
        """Send one message; an address that the server refuses beside others is logged. Raises Undelivered."""
        import aiosmtplib  # noqa: PLC0415 - only who sets this channel pays for it

        try:
            password = secret.read(self.password) if self.server.user else None
        except ValueError as error:
            raise Undelivered("unready", f"smtp_password: {error}") from None
        encrypted = self.server.tls != "plain"
        try:
            async with asyncio.timeout(self.timeout_s):
                refused, _ = await aiosmtplib.send(
                    message(notice, self.sender, self.recipients, self.clock.now_us() // _US),
                    hostname=self.server.host,
                    port=self.server.port,
                    username=self.server.user or None,
                    password=password,
                    local_hostname=_domain(self.sender),  # its default asks the name service, and blocks
                    timeout=self.timeout_s,
                    use_tls=self.server.tls == "tls",
                    start_tls=self.server.tls == "starttls",
                    tls_context=(self.tls or ssl.create_default_context()) if encrypted else None,
                )
        except aiosmtplib.SMTPAuthenticationError:
            raise Undelivered("refused", "it does not accept our user and password") from None
        except (aiosmtplib.SMTPResponseException, aiosmtplib.SMTPRecipientsRefused) as error:
            code = error.code if isinstance(error, aiosmtplib.SMTPResponseException) else "no"
            raise Undelivered("refused", f"it answered {code}") from None
        except TimeoutError:  # aiosmtplib's are such
            raise Undelivered("late", f"no answer within {self.timeout_s:g} s") from None
        except ssl.SSLError:
            raise Undelivered("unreachable", "its certificate is not trusted, or it does not speak TLS") from None
        except (OSError, ValueError):  # aiosmtplib's errors of a connection are such
            raise Undelivered("unreachable", "no connection could be made, or it broke") from None
        except aiosmtplib.SMTPException:
            raise Undelivered("refused", "it does not offer what is needed: STARTTLS, or a way to log in") from None
        if refused:
            _log.warning("mail: %d of %d addresses were refused", len(refused), len(self.recipients))


def server(url: str) -> Server:
    """Read the setting `smtp_url`. Raises ValueError, which does not quote it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("it is no address of a mail server") from None
    if parts.scheme not in SCHEMES or not host or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("smtp://, smtps:// or smtp+plain://, then USER@ where one logs in, HOST and :PORT expected")
    if parts.password is not None:
        raise ValueError("it holds a password, which goes into smtp_password")
    tls, usual = SCHEMES[parts.scheme]
    return Server(host, port or usual, tls, unquote(parts.username or ""))


def message(notice: Notice, sender: str, recipients: Sequence[str], now_s: int) -> EmailMessage:
    """Return the message. Nothing in it is longer than a line of mail may be, or outside ASCII."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = subject(notice)
    mail["Date"] = formatdate(now_s)
    mail["Message-ID"] = f"<{notice.message_id}@{_domain(sender)}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence notes in answer
    opened = "" if notice.occasion == "test" else f"\n\nRead what it would do, and decide:\n{notice.link}"
    mail.set_content(sentence(notice) + opened + "\n")
    return mail


def _domain(address: str) -> str:
    return address.rpartition("@")[2]
