# SPDX-License-Identifier: Apache-2.0
"""Moments as people read them, always UTC and saying so. Pure: whoever calls says what the time is."""

from datetime import UTC, datetime
from typing import Final

_UNITS: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def micros(at: str) -> int:
    """Return an RFC 3339 moment as microseconds since 1970."""
    return round(datetime.fromisoformat(at).timestamp() * 1_000_000)


def spoken_time(at_us: int) -> str:
    """Return a moment as `25 Nov 2026, 14:35:07 UTC`."""
    return f"{_at(at_us):%-d %b %Y, %H:%M:%S} UTC"


def from_now(at_us: int, now_us: int) -> str:
    """Return how far away a moment is: `in 14 minutes`, `2 hours ago`, `now`. Rounded down, to the largest unit."""
    seconds = abs(at_us - now_us) // 1_000_000
    for size, name in _UNITS:
        if seconds >= size:
            count = seconds // size
            said = f"{count} {name}{'s' if count > 1 else ''}"
            return f"in {said}" if at_us > now_us else f"{said} ago"
    return "now"


def _at(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC)
