# SPDX-License-Identifier: Apache-2.0
"""An estimate is never below what a call may use, as far as that can be known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customhouse.budget.estimate import REFERENCE_TOKENS, Estimate, asked, at_most
from customhouse.budget.limit import Amounts
from customhouse.domain.price import LongPrompt, Price, cost_microusd


@pytest.mark.parametrize(
    ("size", "references", "output", "context", "expected"),
    [
        (1000, 0, 200, None, Estimate(1000, 200)),  # a byte is a token at most
        (1000, 2, 200, None, Estimate(1000 + 2 * REFERENCE_TOKENS, 200)),
        (100_000, 0, 4096, 8192, Estimate(8192, 4096)),  # the deployment holds no more
        (10, 0, 100_000, 8192, Estimate(10, 8192)),
    ],
)
def test_the_most_that_a_call_uses(
    size: int, references: int, output: int, context: int | None, expected: Estimate
) -> None:
    assert at_most(size, references, output, context) == expected


TOKENS = st.integers(0, 10**6)
DOLLARS = st.sampled_from(["0", "0.15", "3", "75"])
MAYBE = st.none() | DOLLARS
LONG = st.builds(
    LongPrompt, over=st.integers(1, 10**6), input=DOLLARS, output=DOLLARS, cached_input=MAYBE, cache_write=MAYBE
)
PRICES = st.builds(
    Price, input=DOLLARS, output=DOLLARS, cached_input=MAYBE, cache_write=MAYBE, long_prompt=st.none() | LONG
)


@given(PRICES, TOKENS, TOKENS, TOKENS, TOKENS, TOKENS)
def test_no_call_within_the_estimate_costs_more_than_was_reserved(
    price: Price, size: int, used: int, cached: int, written: int, output: int
) -> None:
    prompt = min(used, size)
    cached = min(cached, prompt)
    written = min(written, prompt - cached)
    cost = cost_microusd(
        price, prompt_tokens=prompt, completion_tokens=output, cached_tokens=cached, cache_write_tokens=written
    )
    assert cost <= asked(at_most(size, 0, output, None), price, first=True).microusd


def test_a_second_call_of_a_turn_is_no_second_request() -> None:
    estimate = Estimate(10, 20)
    assert asked(estimate, None, first=True) == Amounts(1, 30, 0)
    assert asked(estimate, None, first=False) == Amounts(0, 30, 0)
