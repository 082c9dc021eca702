# SPDX-License-Identifier: Apache-2.0
"""Moments as people read them."""

import pytest

from customhouse.console.moment import from_now, micros, spoken_time

AT_US = 1_795_617_307_000_000


def test_a_moment_is_utc_and_says_so() -> None:
    assert spoken_time(AT_US) == "25 Nov 2026, 14:35:07 UTC"
    assert micros("2026-11-25T14:35:07.000001Z") == AT_US + 1


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "now"),
        (1, "in 1 second"),
        (59, "in 59 seconds"),
        (60, "in 1 minute"),
        (3599, "in 59 minutes"),
        (7200, "in 2 hours"),
        (86_400, "in 1 day"),
        (-1, "1 second ago"),
        (-190_000, "2 days ago"),
    ],
)
def test_how_far_away(seconds: int, said: str) -> None:
    assert from_now(AT_US + seconds * 1_000_000, AT_US) == said
