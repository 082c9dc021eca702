# SPDX-License-Identifier: Apache-2.0
"""How much an assistant has used of its limits and of its policy's budgets in the windows that run now."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, Literal

import msgspec

from customhouse.access.credentials import Credentials
from customhouse.budget import tables
from customhouse.budget.level import Counter, Level
from customhouse.budget.limit import MICRO, Limit, Of, Per, window
from customhouse.budget.tables import Counted, Place
from customhouse.domain.clock import rfc3339
from customhouse.domain.errors import NotInForce
from customhouse.ledger.record import ORGANIZATION
from customhouse.planes.tools.claim import WRITES, Claim, lasting
from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.registry.control import Control
from customhouse.registry.current import Current
from customhouse.store.database import Transaction

MAX_TENANTS: Final = 1000
"""Tenants that are looked at, in the order of their names; the most used come first in the answer."""
MAX_HOLDERS: Final = 100
"""Holders of one limit that are listed."""


class Used(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one holder used: spent is counted, reserved is what calls that run now may use. Money is in US dollars.

    `holder` is a key's id, a tenant, or the assistant.
    """

    holder: str
    requests: int
    tokens_spent: int
    tokens_reserved: int
    money_spent: str
    money_reserved: str


class LimitInForce(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A limit, the window that runs now, and who has used anything in it, most first."""

    of: Of
    per: Per
    requests: int | None
    tokens: int | None
    money: str | None
    began: str
    resets: str
    used: tuple[Used, ...]


class ToolsUsed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A budget of the tools policy, and what is gone of it: the calls that change something, or a sum of one argument.

    `tool` and `argument` are those of a sum; amounts are decimal text. `used` is what calls were passed with, or are
    being passed with now: whether the application ran them is not known here.
    """

    tool: str | None
    argument: str | None
    per: Literal["hour", "day"]
    allowed: str
    used: str
    began: str
    resets: str


class BudgetsInForce(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The limits of an assistant in an environment, and the budgets of its tools that outlast a turn."""

    assistant: str
    environment: str
    stamp: str
    limits: tuple[LimitInForce, ...]
    tools: tuple[ToolsUsed, ...] = ()


async def budgets(
    control: Control, current: Current, credentials: Credentials, environment: str, assistant: str
) -> BudgetsInForce:
    """Return the limits in force and what is used of them. Raises NotInForce, StoreUnavailable."""
    await current.refresh()
    await credentials.refresh()
    snapshot = current.view(environment, assistant).snapshot
    if snapshot is None:
        raise NotInForce(f"{assistant} has no release in {environment}")
    limits, now_us = snapshot.documents.model.limits, control.clock.now_us()
    tenants = sorted(credentials.tenants_of(environment, assistant))[:MAX_TENANTS]
    places = [place for limit in limits for place in _places(limit, tenants, now_us)]

    of_tools = _of_tools(snapshot.documents.tools, environment, assistant, now_us)

    def work(tx: Transaction) -> tuple[list[Counted], Mapping[Counter, Level]]:
        return tables.look(tx, environment, assistant, places), tables.look_at(tx, list(of_tools))

    found, levels = await control.database.read(work)
    return BudgetsInForce(
        assistant=assistant,
        environment=environment,
        stamp=snapshot.stamp,
        limits=tuple(_in_force(limit, found, now_us) for limit in limits),
        tools=tuple(_tools_used(claim, each, levels.get(each, Level())) for each, claim in of_tools.items()),
    )


def dollars(microusd: int) -> str:
    """Return micro-dollars as decimal text of dollars, with two places at least."""
    exact = (Decimal(microusd) / MICRO).normalize()
    return f"{exact:.2f}" if exact == exact.quantize(Decimal("0.01")) else f"{exact:f}"


def plain(millionths: int) -> str:
    """Return millionths as decimal text, with as many places as it takes."""
    return f"{(Decimal(millionths) / MICRO).normalize():f}"


def _places(limit: Limit, tenants: list[str], now_us: int) -> list[Place]:
    """Return where the counters of a limit are: of each tenant, or the organisation's."""
    began_us = window(limit.per, now_us).began_us
    return [Place(each, limit.per, began_us) for each in (tenants if limit.of == "tenant" else [ORGANIZATION])]


def _in_force(limit: Limit, found: Iterable[Counted], now_us: int) -> LimitInForce:
    began_us, ends_us = window(limit.per, now_us)
    own = {each.counter: each for each in found if each.counter.per == limit.per and _of(each) == limit.of}
    most = sorted(own.values(), key=lambda each: (-each.level.taken.tokens, -each.level.requests, _name(each)))
    return LimitInForce(
        of=limit.of,
        per=limit.per,
        requests=limit.requests,
        tokens=limit.tokens,
        money=limit.money,
        began=rfc3339(began_us),
        resets=rfc3339(ends_us),
        used=tuple(_used(each) for each in most[:MAX_HOLDERS]),
    )


def _of_tools(document: ToolsDocument, environment: str, assistant: str, now_us: int) -> dict[Counter, Claim]:
    """Return what the gateway counts of a policy's budgets, by its counter now (`gateway/claims.py` puts it there)."""
    found: dict[Counter, Claim] = {}
    for claim in lasting(document):
        per: Per = "hour" if claim.per == "hour" else "day"
        found[Counter(ORGANIZATION, environment, assistant, claim.counter, per, *window(per, now_us))] = claim
    return found


def _tools_used(claim: Claim, counter: Counter, level: Level) -> ToolsUsed:
    calls = claim.holder == WRITES
    _, tool, argument = (None, None, None) if calls else claim.holder.split(":", 2)
    return ToolsUsed(
        tool=tool,
        argument=argument,
        per="hour" if claim.per == "hour" else "day",
        allowed=str(claim.allowed) if calls else plain(claim.allowed),
        used=str(level.requests) if calls else plain(level.taken.microusd),
        began=rfc3339(counter.began_us),
        resets=rfc3339(counter.ends_us),
    )


def _used(counted: Counted) -> Used:
    level = counted.level
    return Used(
        holder=_name(counted),
        requests=level.requests,
        tokens_spent=level.tokens_spent,
        tokens_reserved=level.tokens_reserved,
        money_spent=dollars(level.microusd_spent),
        money_reserved=dollars(level.microusd_reserved),
    )


def _of(counted: Counted) -> str:
    return counted.counter.holder.partition(":")[0]


def _name(counted: Counted) -> str:
    kind, _, key = counted.counter.holder.partition(":")
    return key or (counted.counter.tenant if kind == "tenant" else counted.counter.assistant)
