# SPDX-License-Identifier: Apache-2.0
"""The most that one call will use, known before it leaves. Pure.

Rules kept:
- Input: no tokenizer makes more tokens of a text than it has bytes, so the bytes of what is sent bound them; so does
  the context that the deployment is declared with. English has some four bytes a token: this is too much on purpose,
  and stands only until the provider has counted.
- An image, and a file that is only referred to, counts as `REFERENCE_TOKENS`, which no provider promises; what it
  really cost is put down when it is known.
- Output: `max_tokens` of the call. An assistant whose tokens or money are limited always has one.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from customhouse.budget.limit import UNLIMITED, Amounts
from customhouse.domain.message import File, Image, Inline, Link, Message, Part, ToolResult
from customhouse.domain.price import Price, cost_microusd

DEFAULT_OUTPUT_TOKENS: Final = 4096
"""Tokens of an answer where neither the release nor the client bounds them, and a limit needs a bound."""
REFERENCE_TOKENS: Final = 5000
"""Tokens of an image, or of a file that the body only refers to: more than providers publish for a large image."""


class Estimate(NamedTuple):
    """Tokens of one call at most."""

    input: int
    output: int


def weighed(size_bytes: int, messages: Iterable[Message]) -> tuple[int, int]:
    """Return the bytes of a body without those of its images, and how many images and files are counted by number."""
    references = 0
    for part in _parts(messages):
        match part:
            case Image(source=Inline(data=data)):
                size_bytes -= len(data)
                references += 1
            case Image() | File(source=Link()):
                references += 1
            case _:
                pass
    return max(size_bytes, 0), references


def at_most(size_bytes: int, references: int, output: int, context: int | None) -> Estimate:
    """Return the most that a call will use: `size_bytes` is what is sent, `context` what the deployment holds."""
    sent = size_bytes + references * REFERENCE_TOKENS
    return Estimate(
        sent if context is None else min(sent, context), output if context is None else min(output, context)
    )


def asked(estimate: Estimate, price: Price | None, *, first: bool) -> Amounts:
    """Return what a call reserves; only the `first` of a turn counts as a request.

    Without a price no money is counted: a deployment that has none is not asked where money is limited.
    """
    cost = 0 if price is None else _dearest(estimate, price)
    return Amounts(int(first), estimate.input + estimate.output, min(cost, UNLIMITED))


def _dearest(estimate: Estimate, price: Price) -> int:
    """Return the most that a call within the estimate costs.

    Writing to a cache may cost more than reading the prompt, and a prompt above a bound may cost less than one below.
    """
    long = price.long_prompt
    prompts = {estimate.input} if long is None else {estimate.input, min(estimate.input, long.over)}
    return max(
        cost_microusd(
            price,
            prompt_tokens=prompt,
            completion_tokens=estimate.output,
            cached_tokens=prompt if place == "cached" else 0,
            cache_write_tokens=prompt if place == "written" else 0,
        )
        for prompt in prompts
        for place in ("fresh", "cached", "written")
    )


def _parts(messages: Iterable[Message]) -> Iterator[Part]:
    for message in messages:
        for part in message.content:
            yield part
            if isinstance(part, ToolResult):
                yield from part.content
