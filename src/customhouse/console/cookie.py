# SPDX-License-Identifier: Apache-2.0
"""The one cookie: the session's token, for this host alone. Pure.

Over TLS its name begins with `__Host-` (RFC 6265bis 4.1.3.2): no other host of the domain, and no page in the clear,
can set one of that name, so nobody's session is slipped to somebody else.
"""

from typing import Final

from customhouse.access.sessions import SESSION_S

_CLEAR: Final = "customhouse-session"
_SECURE: Final = f"__Host-{_CLEAR}"


def presented(header: str, *, https: bool) -> str | None:
    """Return the token that a browser sent, or None; two of one name are none."""
    name = _SECURE if https else _CLEAR
    pairs = [pair.strip().partition("=") for pair in header.split(";")]
    found = [value for key, _, value in pairs if key == name]
    return found[0] if len(found) == 1 else None


def given(token: str, *, https: bool) -> str:
    """Return the `set-cookie` that gives a browser its token."""
    return _cookie(token, SESSION_S, https=https)


def taken(*, https: bool) -> str:
    """Return the `set-cookie` that takes it away."""
    return _cookie("", 0, https=https)


def _cookie(value: str, age_s: int, *, https: bool) -> str:
    name, secure = (_SECURE, "; Secure") if https else (_CLEAR, "")
    return f"{name}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}"
