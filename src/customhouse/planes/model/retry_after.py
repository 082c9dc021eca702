# SPDX-License-Identifier: Apache-2.0
"""How long an upstream asks us to wait, from its headers. Pure; the caller brings the time.

Sources: RFC 9110 10.2.3 (`Retry-After`: seconds or a date); the openai package, _base_client.py (`retry-after-ms`
first, seconds may be a fraction); `x-ratelimit-reset-requests|tokens` as Go durations ("1s", "6m0s", "12ms": go-openai,
ratelimit.go) or plain seconds (Azure: openai-dotnet#838); `anthropic-ratelimit-*-reset` as RFC 3339.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_S: Final = 3600.0
"""An hour: Azure was seen to ask for a day (86400); a limit that is lifted earlier is noticed within this."""
_NUMBER: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|us|µs|ns|h|m|s)")
_UNIT_S: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_LIMITS: Final = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
)


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Return the seconds to wait, at most LONGEST_S, or None where the upstream does not say.

    `headers` is asked with lower-case names; `now_s` is since the epoch. A window that resets counts only where the
    same answer says that nothing of it remains, and the longest of those counts.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    said = headers.get("retry-after")
    if said is not None:
        seconds = _number(said)
        return _bounded(seconds) if seconds is not None else _until(_date(said), now_s)
    waits = [
        wait
        for remaining, reset in _LIMITS
        if _number(headers.get(remaining)) == 0 and (wait := _reset(headers.get(reset, ""), now_s)) is not None
    ]
    return max(waits, default=None)


def _reset(text: str, now_s: float) -> float | None:
    text = text.strip()
    number = _number(text)
    if number is not None:
        return _bounded(number)
    parts = _DURATION.findall(text)
    if parts and "".join(amount + unit for amount, unit in parts) == text:
        return _bounded(math.fsum(float(amount) * _UNIT_S[unit] for amount, unit in parts))
    try:
        return _until(datetime.fromisoformat(text), now_s)
    except ValueError:
        return None


def _number(text: str | None) -> float | None:
    return float(text.strip()) if text is not None and _NUMBER.fullmatch(text.strip()) else None


def _date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (OverflowError, ValueError):
        return None


def _until(at: datetime | None, now_s: float) -> float | None:
    if at is None:
        return None
    try:
        return _bounded((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now_s)
    except (OverflowError, ValueError):
        return None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_S)
