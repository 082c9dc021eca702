# SPDX-License-Identifier: Apache-2.0
"""What a model's tokens cost: list prices as decimal strings, and the cost of one call in whole micro-dollars.

A US dollar per million tokens is a micro-dollar per token: the arithmetic is exact, and only its sum is rounded, up.
Story: a model costs "0.15" for input, "0.075" for cached input and "0.60" for output. A call with 1,000 prompt tokens,
400 of them read from the provider's cache, and 10 completion tokens costs 600 * 0.15 + 400 * 0.075 + 10 * 0.60 = 126
micro-dollars. One prompt token alone costs 0.15, which is 1: many small calls are never free. Where a longer prompt is
dearer, a call of one token more than the limit costs the dearer price for all its tokens, as providers count it.
"""

from typing import Annotated, Final

import msgspec

PLACES: Final = 9
DOLLARS_FORM: Final = r"^(0|[1-9][0-9]{0,5})(\.[0-9]{1,9})?(?![\s\S])"
"""At most 999999 dollars and nine places: below that, a single token costs what no ledger counts."""
Dollars = Annotated[str, msgspec.Meta(pattern=DOLLARS_FORM)]
"""US dollars per million tokens. A string, for a document has one canonical form (`domain/digest.py`)."""


class LongPrompt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a million tokens cost in a call whose prompt has more than `over` tokens: all of them, not those above."""

    over: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None
    cache_write: Dollars | None = None


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a million tokens cost, in US dollars.

    A price for cached input (read from the provider's prompt cache) or for cache writes that is not stated is that of
    other input.
    """

    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None
    cache_write: Dollars | None = None
    long_prompt: LongPrompt | None = None


def cost_microusd(
    price: Price, *, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0, cache_write_tokens: int = 0
) -> int:
    """Return what a call costs in micro-dollars (10^-6 USD), rounded up.

    `prompt_tokens` counts the whole prompt; `cached_tokens` of them were read from the provider's cache, and
    `cache_write_tokens` written to it. Total: a count below zero is zero, and parts that exceed the whole are paid for.
    """
    long = price.long_prompt
    rate = price if long is None or prompt_tokens <= long.over else long
    cached, written = max(cached_tokens, 0), max(cache_write_tokens, 0)
    fresh = max(prompt_tokens - cached - written, 0)
    billionths = (
        fresh * _billionths(rate.input)
        + cached * _billionths(rate.cached_input or rate.input)
        + written * _billionths(rate.cache_write or rate.input)
        + max(completion_tokens, 0) * _billionths(rate.output)
    )
    return -(-billionths // 10**PLACES)


def cheaper(was: Price | None, now: Price | None) -> bool:
    """Whether some call may cost less than it did. No price is dearer than any: where money counts, nobody is asked."""
    if was is None or now is None:
        return now is not None
    later = was.long_prompt is not None and now.long_prompt is not None and now.long_prompt.over > was.long_prompt.over
    pairs = ((was, now), (was.long_prompt or was, now.long_prompt or now))
    return later or any(new < old for one, other in pairs for old, new in zip(_rates(one), _rates(other), strict=True))


def _rates(rate: Price | LongPrompt) -> tuple[int, ...]:
    texts = (rate.input, rate.output, rate.cached_input or rate.input, rate.cache_write or rate.input)
    return tuple(_billionths(text) for text in texts)


def _billionths(dollars: str) -> int:
    """Return a price as a whole number: fractions would be as exact and slower, and every call is waiting."""
    whole, _, rest = dollars.partition(".")
    return int(whole + rest.ljust(PLACES, "0"))
