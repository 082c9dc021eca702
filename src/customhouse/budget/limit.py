# SPDX-License-Identifier: Apache-2.0
"""A limit on what an assistant may use: of whom, in which window, how much. Pure.

Rules kept:
- Windows are those of the calendar in UTC: a minute, an hour, a day, a month. Everybody can say when one ends.
- Money is counted in micro-dollars (10^-6 USD), whole numbers; limits are written in dollars, as decimal text.
- A limit counts one assistant in one environment: `key` all turns of one key, `tenant` all turns of one tenant,
  `assistant` all turns of everybody.

Story: the support bot may use 2 USD a day for each tenant. On Tuesday at 22:10 acme has used them up. Lee of acme is
told to come back in 6600 seconds; Kim of bolt notices nothing.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Final, Literal, NamedTuple, assert_never

import msgspec

Of = Literal["key", "assistant", "tenant"]
Per = Literal["minute", "hour", "day", "month"]
Amount = Literal["requests", "tokens", "money"]

OFS: Final[tuple[Of, ...]] = ("key", "assistant", "tenant")
PERS: Final[tuple[Per, ...]] = ("minute", "hour", "day", "month")
AMOUNTS: Final[tuple[Amount, ...]] = ("requests", "tokens", "money")
MAX_LIMITS: Final = 8
"""Limits of one assistant at most: each is a row that every turn locks."""
MAX_COUNT: Final = 10**12
"""Requests or tokens that a limit may name: far below what a 64-bit counter holds."""
MONEY_FORM: Final = r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?(?![\s\S])"
"""Dollars: below a thousand million, to the micro-dollar."""
MICRO: Final = 1_000_000
_LENGTHS: Final[Mapping[Per, timedelta]] = MappingProxyType(
    {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_Count = Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)]


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What one holder may use in each window; an amount that is not named is not limited. `money` is in US dollars."""

    of: Of
    per: Per
    requests: _Count | None = None
    tokens: _Count | None = None
    money: Annotated[str, msgspec.Meta(pattern=MONEY_FORM)] | None = None

    @property
    def amounts(self) -> "Amounts":
        """Return the amounts; what is not limited is `UNLIMITED`."""
        return Amounts(
            UNLIMITED if self.requests is None else self.requests,
            UNLIMITED if self.tokens is None else self.tokens,
            UNLIMITED if self.money is None else microusd(self.money),
        )


class Amounts(NamedTuple):
    """Requests, tokens and micro-dollars: what a turn asks for, or what a limit allows."""

    requests: int
    tokens: int
    microusd: int


UNLIMITED: Final = 2**62
"""Stands for no limit: no sum of what is counted comes near it."""


class Window(NamedTuple):
    """A window of the calendar: from `began_us` to before `ends_us`, in microseconds since 1970, UTC."""

    began_us: int
    ends_us: int


def window(per: Per, now_us: int) -> Window:
    """Return the window that a moment lies in. Cost: about 2 µs."""
    now = _EPOCH + timedelta(microseconds=now_us)
    match per:
        case "minute":
            began = now.replace(second=0, microsecond=0)
        case "hour":
            began = now.replace(minute=0, second=0, microsecond=0)
        case "day":
            began = now.replace(hour=0, minute=0, second=0, microsecond=0)
        case "month":
            began = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
            # Four days after the 28th of any month lies in the next one.
            return Window(_us(began), _us((began.replace(day=28) + timedelta(days=4)).replace(day=1)))
        case _ as unreachable:
            assert_never(unreachable)
    return Window(_us(began), _us(began + _LENGTHS[per]))


@lru_cache(maxsize=256)
def microusd(dollars: str) -> int:
    """Return a decimal text of dollars in micro-dollars. Raises ValueError for more than six places."""
    exact = Decimal(dollars) * MICRO
    if exact != exact.to_integral_value():
        raise ValueError(f"{dollars} dollars are no whole number of micro-dollars")
    return int(exact)


def told(limit: Limit) -> str:
    """Return a limit as it reads: `60 requests and 12.50 USD a minute for each key`."""
    parts = (
        None if limit.requests is None else f"{limit.requests} request{'' if limit.requests == 1 else 's'}",
        None if limit.tokens is None else f"{limit.tokens} token{'' if limit.tokens == 1 else 's'}",
        None if limit.money is None else f"{limit.money} USD",
    )
    holder = "altogether" if limit.of == "assistant" else f"for each {limit.of}"
    return f"{' and '.join(part for part in parts if part)} {article(limit.per)} {holder}"


def article(per: Per) -> str:
    """Return `a minute`, `an hour`, `a day` or `a month`."""
    return f"an {per}" if per == "hour" else f"a {per}"


def counts(limits: tuple[Limit, ...], amount: Amount) -> bool:
    """Whether any of the limits is one of this amount."""
    return any(getattr(limit, amount) is not None for limit in limits)


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
