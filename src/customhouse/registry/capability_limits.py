# SPDX-License-Identifier: Apache-2.0
"""What changes in how much an assistant may use. Pure; see `capability.py` for the rules.

Limits are compared where they count the same: of the same holder in the same window. Whatever else replaces a limit
is not proved to be tighter, so the limit is gone, and that loosens: 60 a minute became 1000 an hour.
"""

from typing import Final

from customhouse.budget.limit import AMOUNTS, UNLIMITED, Amount, Limit, Of, Per, article, told
from customhouse.domain.capability import Capability
from customhouse.domain.plane import Plane

_UNITS: Final[dict[Amount, str]] = {"requests": "requests", "tokens": "tokens", "money": "USD"}


def limit_changes(before: tuple[Limit, ...], after: tuple[Limit, ...]) -> list[Capability]:
    """Return the limits that are new, gone, raised and lowered."""
    old = {(limit.of, limit.per): limit for limit in before}
    new = {(limit.of, limit.per): limit for limit in after}
    found = [
        _say(limit, f"+ may now use any amount: no longer at most {told(limit)}", more=True)
        for kind, limit in old.items()
        if kind not in new
    ]
    found += [
        _say(limit, f"- may now use at most {told(limit)}", more=False)
        for kind, limit in new.items()
        if kind not in old
    ]
    for kind in old.keys() & new.keys():
        found += _amounts(old[kind], new[kind])
    return found


def _amounts(before: Limit, after: Limit) -> list[Capability]:
    found: list[Capability] = []
    for amount, was, now in zip(AMOUNTS, before.amounts, after.amounts, strict=True):
        if was != now:
            more = now > was
            place = f"{article(after.per)} {_holder(after.of)}"
            text = f"may now use {_told(after, amount, now)} {place} (was {_told(before, amount, was)})"
            found.append(_say(after, f"{'+' if more else '-'} {text}", more=more))
    return found


def _told(limit: Limit, amount: Amount, value: int) -> str:
    return f"any {_UNITS[amount]}" if value == UNLIMITED else f"{getattr(limit, amount)} {_UNITS[amount]}"


def _holder(of: Of) -> str:
    return "altogether" if of == "assistant" else f"for each {of}"


def _say(limit: Limit, text: str, *, more: bool) -> Capability:
    return Capability(
        kind="limit_raised" if more else "limit_lowered",
        plane=Plane.MODEL,
        subject=_subject(limit.of, limit.per),
        text=text,
        loosens=more,
    )


def _subject(of: Of, per: Per) -> str:
    return f"{of} per {per}"
