# SPDX-License-Identifier: Apache-2.0
"""Windows are the calendar's, money is exact, and a limit reads as it counts."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.budget.limit import PERS, UNLIMITED, Amounts, Limit, Per, counts, microusd, told, window

MOMENTS = st.integers(0, 4_102_444_800_000_000)  # to the year 2100


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000_000)


@pytest.mark.parametrize(
    ("per", "moment", "began", "ends"),
    [
        ("minute", "2026-11-24T23:59:59.999999", "2026-11-24T23:59:00", "2026-11-25T00:00:00"),
        ("hour", "2026-11-24T23:00:00", "2026-11-24T23:00:00", "2026-11-25T00:00:00"),  # its first microsecond
        ("day", "2026-12-31T12:00:00", "2026-12-31T00:00:00", "2027-01-01T00:00:00"),
        ("month", "2026-12-31T12:00:00", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("month", "2028-02-29T12:00:00", "2028-02-01T00:00:00", "2028-03-01T00:00:00"),  # a leap year
        ("month", "2026-02-28T23:59:59", "2026-02-01T00:00:00", "2026-03-01T00:00:00"),
        ("month", "2026-01-31T00:00:00", "2026-01-01T00:00:00", "2026-02-01T00:00:00"),
    ],
)
def test_windows_are_those_of_the_calendar(per: Per, moment: str, began: str, ends: str) -> None:
    assert window(per, us(moment)) == (us(began), us(ends))


@given(st.sampled_from(PERS), MOMENTS)
def test_every_moment_lies_in_one_window_and_windows_follow_each_other(per: Per, now_us: int) -> None:
    found = window(per, now_us)
    assert found.began_us <= now_us < found.ends_us
    assert window(per, found.began_us) == window(per, found.ends_us - 1) == found
    assert window(per, found.ends_us).began_us == found.ends_us


@pytest.mark.parametrize(
    ("dollars", "expected"), [("0", 0), ("12.50", 12_500_000), ("0.000001", 1), ("999999999.999999", 999999999999999)]
)
def test_money_is_exact(dollars: str, expected: int) -> None:
    assert microusd(dollars) == expected


def test_money_finer_than_a_micro_dollar_is_refused() -> None:
    with pytest.raises(ValueError, match="no whole number of micro-dollars"):
        microusd("0.0000001")


@pytest.mark.parametrize("wrong", ["-1", "1e3", "1,5", ".5", "01", "1.1234567", "NaN", "1\n", "1000000000"])
def test_money_is_plain_decimal_text(wrong: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"of": "key", "per": "day", "money": wrong}, Limit)


@given(st.integers(0, 999_999_999), st.integers(0, 999_999))
def test_any_amount_that_may_be_written_is_read_exactly(dollars: int, micro: int) -> None:
    text = f"{dollars}.{micro:06d}"
    assert msgspec.convert({"of": "key", "per": "day", "money": text}, Limit).amounts.microusd == (
        dollars * 1_000_000 + micro
    )


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (Limit(of="key", per="minute", requests=60), "60 requests a minute for each key"),
        (Limit(of="tenant", per="hour", requests=1, tokens=1), "1 request and 1 token an hour for each tenant"),
        (Limit(of="assistant", per="month", money="12.50"), "12.50 USD a month altogether"),
    ],
)
def test_a_limit_reads_as_a_sentence(limit: Limit, text: str) -> None:
    assert told(limit) == text


def test_what_is_not_named_is_not_limited() -> None:
    limit = Limit(of="key", per="minute", tokens=7)
    assert limit.amounts == Amounts(UNLIMITED, 7, UNLIMITED)
    assert counts((limit,), "tokens")
    assert not counts((limit,), "money")
