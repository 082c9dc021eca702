# SPDX-License-Identifier: Apache-2.0
"""One HTTP POST to an address of the operator's: verified TLS, no redirect, no proxy, bounded in time and answer. I/O.

The answer's status is all that is read of it. Errors say what happened in our words: a library's quote the address,
which may itself be a secret.
"""

import re
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from customhouse import __version__
from customhouse.notify.notice import Undelivered
from customhouse.settings import LOOPBACK_HOSTS

_TAKEN: Final = range(200, 300)
_ELSEWHERE: Final = range(300, 400)
_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,2000}")


async def post(url: str, headers: Mapping[str, str], body: bytes, tls: ssl.SSLContext | None, timeout_s: float) -> None:
    """Send a JSON body; return when it was taken (2xx). Raises Undelivered."""
    import aiohttp  # noqa: PLC0415 - only who sets a channel pays for it

    told = {"content-type": "application/json", "user-agent": f"customhouse/{__version__}", **headers}
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=tls or True, force_close=True, limit=1),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=timeout_s),
                auto_decompress=False,
                trust_env=False,
            ) as session,
            session.post(url, data=body, headers=told, allow_redirects=False) as answer,
        ):
            status = answer.status
    except TimeoutError:
        raise Undelivered("late", f"no answer within {timeout_s:g} s") from None
    except aiohttp.ClientSSLError:
        raise Undelivered("unreachable", "its certificate is not trusted, or it does not speak TLS") from None
    except aiohttp.ClientConnectorError:
        raise Undelivered("unreachable", "no connection could be made") from None
    except (aiohttp.ClientError, OSError, ValueError):
        raise Undelivered("unreachable", "the connection broke, or no HTTP came back") from None
    if status in _ELSEWHERE:
        raise Undelivered("refused", f"it answered {status}, and redirects are not followed")
    if status not in _TAKEN:
        raise Undelivered("refused", f"it answered {status}")


def sendable(url: str) -> bool:
    """Return whether we send to an address: https, or this machine; without user, password and fragment."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if _VISIBLE.fullmatch(url) is None or not host or parts.username is not None or "#" in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and own(host))


def own(host: str) -> bool:
    """Return whether a host of an address is this machine, by its name alone."""
    return host in LOOPBACK_HOSTS or host == "::1"
