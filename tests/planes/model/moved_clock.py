# SPDX-License-Identifier: Apache-2.0
"""A clock that a test moves by hand."""

from customhouse.domain.clock import SystemClock


class MovedClock(SystemClock):
    """Both of its times go on only when they are told to."""

    def __init__(self) -> None:
        super().__init__()
        self.at_s = 1_793_577_600.0
        self.began_s = self.at_s

    def now_us(self) -> int:
        return int(self.at_s * 1_000_000)

    def elapsed_us(self) -> int:
        return int((self.at_s - self.began_s) * 1_000_000)

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.at_s += seconds
