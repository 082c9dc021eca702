# SPDX-License-Identifier: Apache-2.0
"""Time, ids and randomness, passed in so that the core never reads them by itself.

Ids are UUIDv7 (RFC 9562, 5.7): their first 48 bits are milliseconds, so ids sort by time and storage prunes by id.
"""

import os
import threading
import time
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final, Protocol

_POOL_BYTES: Final = 4096
"""Random bytes fetched at once: one system call for some 300 ids and nonces instead of one for each."""


_SINCE_BOOT: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux stops CLOCK_MONOTONIC while the machine sleeps: what was read before would look fresh after it."""
_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class Clock(Protocol):
    """A source of time, ids and random bytes."""

    def now_us(self) -> int:
        """Return microseconds since the Unix epoch, UTC."""
        ...

    def elapsed_us(self) -> int:
        """Return microseconds since some moment: only differences mean anything, and no step of a clock shows.

        Ages are measured with it. Time that the machine slept through counts where the system can tell.
        """
        ...

    def uuid7(self) -> str:
        """Return a new UUIDv7, 36 characters, lower case."""
        ...

    def random(self, size_bytes: int) -> bytes:
        """Return bytes fit for keys and nonces."""
        ...


class SystemClock:
    """The machine's clock and the kernel's random source.

    Not to be shared across a fork: both sides would hand out the same pooled bytes. This house forks nothing.
    """

    __slots__ = ("_lock", "_pool", "_used")

    def __init__(self) -> None:
        """Begin with an empty pool."""
        self._pool = b""
        self._used = 0
        # Protects the pool: the event loop takes ids while the store's writing thread takes keys.
        self._lock = threading.Lock()

    def now_us(self) -> int:
        """Return microseconds since the Unix epoch, UTC."""
        return time.time_ns() // 1000

    def elapsed_us(self) -> int:
        """Return microseconds since the machine started, sleep included on Linux."""
        return time.clock_gettime_ns(_SINCE_BOOT) // 1000

    def uuid7(self) -> str:
        """Return a new UUIDv7; cost about 1 µs."""
        stamp = f"{time.time_ns() // 1_000_000:012x}"
        noise = self.random(10).hex()
        # Version 7 in the high four bits of the seventh byte, variant 10 in the high two of the ninth.
        return f"{stamp[:8]}-{stamp[8:]}-7{noise[:3]}-{_VARIANT[noise[3]]}{noise[4:7]}-{noise[7:19]}"

    def random(self, size_bytes: int) -> bytes:
        """Return bytes fit for keys and nonces; each byte is given out once."""
        with self._lock:
            if self._used + size_bytes > len(self._pool):
                self._pool = os.urandom(max(_POOL_BYTES, size_bytes))
                self._used = 0
            start, self._used = self._used, self._used + size_bytes
            return self._pool[start : self._used]


def rfc3339(at_us: int) -> str:
    """Return `at_us` as RFC 3339 UTC with microseconds, for example 2026-11-23T14:00:00.000000Z."""
    seconds, micros = divmod(at_us, 1_000_000)
    return f"{_second(seconds)}.{micros:06d}Z"


def utc_day(at_us: int) -> date:
    """Return the day of `at_us` in UTC, on which retirements and other ends are measured."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).date()


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    """Return the date and time of a second; records of one second share it (formatting was 4 % of a turn)."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
