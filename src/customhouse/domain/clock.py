# SPDX-License-Identifier: Apache-2.0
"""Time, ids and randomness, passed in so that the core never reads them by itself.

Ids are UUIDv7 (RFC 9562, 5.7): their first 48 bits are milliseconds, so ids sort by time and storage prunes by id.
"""

import os
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of time, ids and random bytes."""

    def now_us(self) -> int:
        """Return microseconds since the Unix epoch, UTC."""
        ...

    def uuid7(self) -> str:
        """Return a new UUIDv7, 36 characters, lower case."""
        ...

    def random(self, size_bytes: int) -> bytes:
        """Return bytes fit for keys and nonces."""
        ...


class SystemClock:
    """The machine's clock and the kernel's random source."""

    def now_us(self) -> int:
        """Return microseconds since the Unix epoch, UTC."""
        return time.time_ns() // 1000

    def uuid7(self) -> str:
        """Return a new UUIDv7; cost about 1 µs, one read of the kernel's random source."""
        stamp = (time.time_ns() // 1_000_000).to_bytes(6, "big")
        noise = bytearray(os.urandom(10))
        noise[0] = 0x70 | (noise[0] & 0x0F)
        noise[2] = 0x80 | (noise[2] & 0x3F)
        text = (stamp + noise).hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def random(self, size_bytes: int) -> bytes:
        """Return bytes fit for keys and nonces."""
        return os.urandom(size_bytes)


def rfc3339(at_us: int) -> str:
    """Return `at_us` as RFC 3339 UTC with microseconds, for example 2026-11-23T14:00:00.000000Z."""
    seconds, micros = divmod(at_us, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"
