# SPDX-License-Identifier: Apache-2.0
"""How many sign-ins failed lately, on this replica: what is said and logged of them is bounded.

A key is 256 random bits, so no number of tries finds one; what has to be bounded is the noise in the log. A right key
signs in whatever others try, so nobody locks anybody out.
"""

from typing import Final

from customhouse.domain.clock import Clock

WINDOW_S: Final = 60
MAX_FAILURES: Final = 30
"""In one window; people mistype less."""


class Failures:
    """Invariant: counts one window of `WINDOW_S` and forgets the one before."""

    def __init__(self, clock: Clock) -> None:
        """Start with none."""
        self._clock = clock
        self._began_us = clock.elapsed_us()
        self._count = 0

    def failed(self) -> bool:
        """Count one more; return whether there are too many in this window."""
        now_us = self._clock.elapsed_us()
        if now_us - self._began_us >= WINDOW_S * 1_000_000:
            self._began_us, self._count = now_us, 0
        self._count = min(self._count + 1, MAX_FAILURES + 1)
        return self._count > MAX_FAILURES
