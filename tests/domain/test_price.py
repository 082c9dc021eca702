# SPDX-License-Identifier: Apache-2.0
"""A call's cost is exact, rounded up once, and never less than its parts cost at the lowest stated price."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.domain.price import LongPrompt, Price, cheaper, cost_microusd

MINI = Price(input="0.15", cached_input="0.075", output="0.60")
CACHING = Price(input="3", cached_input="0.3", cache_write="3.75", output="15")
LONG = Price(input="1", cached_input="0.1", output="2", long_prompt=LongPrompt(over=200_000, input="2", output="3"))
TOKENS = st.integers(0, 10**9)
DOLLARS = st.decimals(0, 999999, places=9).map(lambda value: f"{value.normalize():f}")
PRICES = st.builds(
    Price, input=DOLLARS, output=DOLLARS, cached_input=st.none() | DOLLARS, cache_write=st.none() | DOLLARS
)


@pytest.mark.parametrize(
    ("price", "prompt", "cached", "written", "completion", "expected"),
    [
        (MINI, 0, 0, 0, 0, 0),  # nothing was used
        (MINI, 1, 0, 0, 0, 1),  # rounded up: a token is never free
        (MINI, 1000, 400, 0, 10, 126),  # the story of the file's header
        (MINI, 1_000_000, 0, 0, 1_000_000, 750_000),  # a million of each: 15 + 60 cents
        (MINI, 100, 100, 0, 0, 8),  # all of it from the cache: 7.5
        (MINI, 100, 0, 100, 0, 15),  # no price for cache writes: that of input
        (CACHING, 1000, 100, 800, 1, 3345),  # 100 fresh at 3, 100 read at 0.3, 800 written at 3.75, 1 out at 15
        (Price(input="1", output="2"), 10, 10, 0, 0, 10),  # no price for cached input: that of input
        (MINI, 10, 400, 0, 0, 30),  # parts that exceed the whole are paid for
        (MINI, -5, -5, -5, -5, 0),  # a count below zero is zero
        (Price(input="0", output="0"), 10**9, 0, 0, 10**9, 0),  # free
        (Price(input="0.000000001", output="0"), 1, 0, 0, 0, 1),  # the smallest price
        (LONG, 200_000, 0, 0, 10, 200_020),  # not longer than what is long
        (LONG, 200_001, 0, 0, 10, 400_032),  # one token more: all of them are dearer
        (LONG, 200_001, 200_001, 0, 0, 400_002),  # no price for cached input of long prompts: that of their input
    ],
)
def test_what_a_call_costs(
    price: Price, prompt: int, cached: int, written: int, completion: int, expected: int
) -> None:
    cost = cost_microusd(
        price, prompt_tokens=prompt, cached_tokens=cached, cache_write_tokens=written, completion_tokens=completion
    )
    assert cost == expected


@given(PRICES, TOKENS, TOKENS, TOKENS, TOKENS)
def test_the_sum_is_exact_and_rounded_up_once(
    price: Price, fresh: int, cached: int, written: int, completion: int
) -> None:
    cost = cost_microusd(
        price,
        prompt_tokens=fresh + cached + written,
        cached_tokens=cached,
        cache_write_tokens=written,
        completion_tokens=completion,
    )
    nano = 10**9
    exact = (
        fresh * int(Decimal(price.input).scaleb(9))
        + cached * int(Decimal(price.cached_input or price.input).scaleb(9))
        + written * int(Decimal(price.cache_write or price.input).scaleb(9))
        + completion * int(Decimal(price.output).scaleb(9))
    )
    assert exact <= cost * nano < exact + nano


@given(PRICES, TOKENS, TOKENS, TOKENS)
def test_more_tokens_never_cost_less(price: Price, prompt: int, completion: int, more: int) -> None:
    before = cost_microusd(price, prompt_tokens=prompt, completion_tokens=completion)
    assert cost_microusd(price, prompt_tokens=prompt + more, completion_tokens=completion) >= before
    assert cost_microusd(price, prompt_tokens=prompt, completion_tokens=completion + more) >= before


@pytest.mark.parametrize(
    "written", ["", "-1", "1e3", "1/3", ".5", "1.", "01", "0.0000000001", "1000000", "NaN", "1 ", "1\n"]
)
def test_what_is_no_price(written: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="input"):
        msgspec.convert({"input": written, "output": "1"}, Price)


def test_a_price_is_written_without_what_it_does_not_state() -> None:
    assert msgspec.json.encode(MINI) == b'{"input":"0.15","output":"0.60","cached_input":"0.075"}'
    assert msgspec.json.decode(msgspec.json.encode(CACHING), type=Price) == CACHING


DEARER = LongPrompt(over=1000, input="2", output="4")


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        (None, None, False),
        (None, Price(input="9", output="9"), True),  # without a price nobody was asked
        (Price(input="1", output="2"), None, False),
        (Price(input="1", output="2"), Price(input="1", output="2"), False),
        (Price(input="1", output="2"), Price(input="2", output="2"), False),
        (Price(input="1", output="2"), Price(input="5", output="1.999999999"), True),
        (Price(input="1", output="2"), Price(input="1", output="2", cached_input="0.5"), True),
        (Price(input="1", output="2", cached_input="0.5"), Price(input="1", output="2"), False),
        (Price(input="1", output="2", cache_write="1.25"), Price(input="1", output="2"), True),
        (Price(input="1", output="2", long_prompt=DEARER), Price(input="1", output="2"), True),
        (Price(input="1", output="2"), Price(input="1", output="2", long_prompt=DEARER), False),
        (
            Price(input="1", output="2", long_prompt=DEARER),
            Price(input="1", output="2", long_prompt=msgspec.structs.replace(DEARER, over=1001)),
            True,
        ),
    ],
)
def test_what_is_cheaper(was: Price | None, now: Price | None, *, expected: bool) -> None:
    assert cheaper(was, now) is expected
