# SPDX-License-Identifier: Apache-2.0
"""Days of traces, pure: a trace's id is a UUIDv7, whose first 48 bits are milliseconds (RFC 9562, 5.7).

PostgreSQL keeps evidence and payloads in partitions by these days (store/migrations/postgres: ensure_day, first_id).
"""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

DAY_US: Final = 86_400_000_000
DAYS_BEHIND: Final = 1
DAYS_AHEAD: Final = 7
"""Partitions stand ready from yesterday to a week ahead: a week without any server is survived."""
OLDEST_DAYS: Final = 400
"""A record of a day further back than this gets no partition of its own: ids from outside make no tables."""
_EPOCH: Final = date(1970, 1, 1)
_UUID7: Final = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def day_of_us(at_us: int) -> int:
    """Return the day of a time, in days since 1970 (UTC)."""
    return at_us // DAY_US


def time_of_id_us(uuid7: str) -> int | None:
    """Return when an id was made (a trace began), to the millisecond, or None when it does not tell."""
    found = _UUID7.fullmatch(uuid7)
    return None if found is None else int(found[1] + found[2], 16) * 1000


def day_of_trace(trace_id: str) -> int | None:
    """Return the day of a trace, or None when its id tells none."""
    began_us = time_of_id_us(trace_id)
    return None if began_us is None else began_us // DAY_US


def days_of(trace_ids: Iterable[str], today: int) -> frozenset[int]:
    """Return the days of traces that have, or may get, partitions of their own."""
    # Many records share a millisecond: each beginning of an id is looked at once.
    kept = {trace_id[:13]: trace_id for trace_id in trace_ids}
    days = {day_of_trace(trace_id) for trace_id in kept.values()}
    return frozenset(day for day in days if day is not None and today - OLDEST_DAYS <= day <= today + DAYS_AHEAD)


def first_id(day: int) -> str:
    """Return the smallest text that a trace id of a day can be."""
    digits = f"{day * DAY_US // 1000:012x}"
    return f"{digits[:8]}-{digits[8:]}"


def iso(day: int) -> str:
    """Return a day as YYYY-MM-DD."""
    return (_EPOCH + timedelta(days=day)).isoformat()
