# SPDX-License-Identifier: Apache-2.0
"""A credential's value, and how a command prints one. Pure.

Rule: a token shows itself nowhere by itself: not in a repr, not in a format, not in a traceback. Who needs the value
asks for it by name.

Forms of a command's output: the token alone, or JSON as cloud command lines print it: `az account get-access-token`
(`accessToken`, `expires_on` in seconds since 1970; its `expiresOn` is local time without a zone, and is not read),
OAuth token endpoints (RFC 6749 5.1: `access_token`, `expires_in`), or our own `token` and `expires_at`.
"""

import re
from datetime import datetime
from typing import Annotated, Final, NamedTuple

import msgspec

MAX_BYTES: Final = 16 * 1024
"""An Entra token has 2 to 4 KB; HTTP servers refuse header lines of more than 8 to 16 KB."""
LAST_S: Final = 253_402_300_799.0
"""The end of the year 9999: what names a later time, or no number at all, names none."""
_VISIBLE: Final = re.compile(rb"[\x21-\x7e]+")
"""RFC 9110 5.5 lets a field hold more; a key that does is one with a line break or a byte order mark left in it."""
_Number = Annotated[int, msgspec.Meta(ge=0)] | Annotated[float, msgspec.Meta(ge=0)]


class Token:
    """One secret value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Hold a value."""
        self._value = value

    def reveal(self) -> str:
        """Return the value, for the one header that it goes into."""
        return self._value

    def __eq__(self, other: object) -> bool:
        """Compare by value."""
        return isinstance(other, Token) and self._value == other._value

    def __hash__(self) -> int:
        """Hash by value."""
        return hash(self._value)

    def __repr__(self) -> str:
        """Return what may be shown: nothing of the value."""
        return "Token(…)"


class Printed(NamedTuple):
    """What a command printed: a token, and when it ends (`at_s` since the epoch) or how long it lasts."""

    token: Token
    at_s: float | None = None
    in_s: float | None = None


class _Json(msgspec.Struct, frozen=True):
    token: str | None = None
    access_token: str | None = None
    access_token_azure: str | None = msgspec.field(default=None, name="accessToken")
    expires_at: _Number | str | None = None
    expires_on: _Number | str | None = None
    expires_in: _Number | str | None = None


_decode = msgspec.json.Decoder(_Json).decode


def token(content: bytes) -> Token:
    """Read a file's or a variable's content. Raises ValueError, which says what is wrong and not what was found."""
    stripped = content.strip()
    if not stripped:
        raise ValueError("it is empty")
    if len(stripped) > MAX_BYTES:
        raise ValueError(f"it is longer than {MAX_BYTES} bytes")
    if _VISIBLE.fullmatch(stripped) is None:
        raise ValueError("it holds more than one line, a blank or a character that no key has")
    return Token(stripped.decode("ascii"))


def printed(content: bytes) -> Printed:
    """Read a command's output. Raises ValueError as `token`."""
    stripped = content.strip()
    if not stripped.startswith(b"{"):
        return Printed(token(stripped))
    try:
        found = _decode(stripped)
        at_s = _seconds(found.expires_at if found.expires_at is not None else found.expires_on)
        in_s = _seconds(found.expires_in)
    except (OverflowError, ValueError):
        # What msgspec says quotes what it found.
        raise ValueError("its JSON is not {token, expires_at}") from None
    value = found.token or found.access_token or found.access_token_azure
    return Printed(token((value or "").encode()), at_s, in_s)


def _seconds(value: float | str | None) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        at = datetime.fromisoformat(str(value))
        if at.tzinfo is None:
            raise ValueError("a time without a zone") from None
        seconds = at.timestamp()
    if not abs(seconds) <= LAST_S:  # nor is NaN
        raise ValueError("a time that no calendar has")
    return seconds
