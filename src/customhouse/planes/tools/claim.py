# SPDX-License-Identifier: Apache-2.0
"""What a call would use up of the policy's budgets: its share of the writes, and of each sum over an argument. Pure.

Rules kept:
- Amounts are counted in millionths, whole numbers; what lies between two is the higher one. A negative amount, none, or
  one that is no number denies: -100 would make room for 100 more.
- Budgets of a turn are kept by whoever runs the turn; those of an hour and a day are claimed from the counters that all
  replicas share, before the call leaves. They count the assistant in one environment, for all of its callers together.

Story: issue_refund may pay out 500 a day. 450 are gone when the model proposes 30 and 40 in one answer. The first fits,
the second does not, whichever replica the next turn runs on.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Final, Literal, NamedTuple

from customhouse.planes.tools.document import Budget, Document
from customhouse.planes.tools.path import walk

WRITES: Final = "writes"
MICRO: Final = 1_000_000
MAX_AMOUNT: Final = 10**12
"""Amounts of one call from a million millions up are refused, far below what a 64-bit counter of millionths holds."""
_DECIMAL: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,18})?", re.ASCII)


class Claim(NamedTuple):
    """A share of a budget: `amount` of `allowed`. Calls are counted in ones, sums in millionths.

    `holder` names the counter: `writes`, or `sum:` with the tool and the argument.
    """

    holder: str
    per: Literal["turn", "hour", "day"]
    amount: int
    allowed: int
    reason: str

    @property
    def counter(self) -> str:
        """Return the name of the counter, among those of the assistant's other limits."""
        return f"tool:{self.holder}"


def writes(per_hour: int) -> Claim:
    """Return the claim of one call that changes something."""
    return Claim(WRITES, "hour", 1, per_hour, "tool.writes_per_hour")


def share(budget: Budget, arguments: Mapping[str, object]) -> Claim:
    """Return what a call claims of a sum. Raises ValueError where its argument is no amount."""
    return _sum(budget, _amount(budget.of, arguments))


def lasting(document: Document) -> tuple[Claim, ...]:
    """Return the budgets that outlast a turn, as claims of nothing: what is kept by counters, each once."""
    of_calls = () if document.writes_per_hour is None else (writes(document.writes_per_hour)._replace(amount=0),)
    return joined((*of_calls, *(_sum(budget, 0) for budget in document.sums if budget.per != "turn")))


def joined(claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """Return each budget once; where two policies name it, what it uses up counts once and the lower limit holds."""
    found: dict[tuple[str, str], Claim] = {}
    for claim in claims:
        place = (claim.holder, claim.per)
        known = found.get(place)
        found[place] = claim if known is None or claim.allowed < known.allowed else known
    return tuple(found.values())


def micro(amount: Decimal) -> int:
    """Return an amount in millionths, rounded up."""
    return int((amount * MICRO).to_integral_value(ROUND_CEILING))


def _sum(budget: Budget, amount: int) -> Claim:
    holder = f"sum:{budget.tool}:{budget.of}"
    return Claim(holder, budget.per, amount, micro(Decimal(budget.max)), "tool.sum_exceeded")


def _amount(path: str, arguments: Mapping[str, object]) -> int:
    names = path.split(".")[1:]
    found, node = walk(arguments, names)
    if found < len(names):
        raise ValueError(f"there is no {path}")
    if isinstance(node, str) and _DECIMAL.fullmatch(node):
        amount = Decimal(node)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        amount = Decimal(repr(node))
    else:
        raise ValueError(f"{path} is no amount")
    if not 0 <= amount < MAX_AMOUNT:
        raise ValueError(f"{path} is below 0 or not below {MAX_AMOUNT}")
    return micro(amount)
