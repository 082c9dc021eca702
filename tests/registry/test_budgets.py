# SPDX-License-Identifier: Apache-2.0
"""What people are shown of limits: those in force, each holder's use of the window that runs now, when it ends."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tests.rollout.yard import LOCAL, Yard, documents, in_yard

from customhouse.access import keys
from customhouse.access.credentials import Credentials
from customhouse.access.keys import NewKey
from customhouse.budget.level import Caller, Reservation, bounds
from customhouse.budget.limit import Amounts, Limit, window
from customhouse.budget.reserve import Budgets
from customhouse.domain.clock import rfc3339
from customhouse.domain.errors import NotInForce
from customhouse.domain.principal import Principal
from customhouse.gateway.claims import Claims
from customhouse.planes.model.document import Document as ModelDocument
from customhouse.planes.tools.claim import share, writes
from customhouse.planes.tools.document import Budget
from customhouse.registry.budgets import BudgetsInForce, budgets, dollars
from customhouse.registry.current import Current
from customhouse.registry.documents import Documents

LIMITS = (
    Limit(of="key", per="month", requests=60),
    Limit(of="assistant", per="month", tokens=1000, money="12.50"),
    Limit(of="tenant", per="month", tokens=500),
)


def limited() -> Documents:
    found = documents()
    model: ModelDocument = msgspec.structs.replace(found.model, limits=LIMITS)
    return replace(found, model=model)


async def shown(yard: Yard) -> BudgetsInForce:
    control = yard.control
    credentials = Credentials(control.database, control.clock, stale_after_s=30)
    return await budgets(control, Current(control), credentials, "dev", "support")


def test_each_limit_shows_who_used_how_much(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        control = yard.control
        await yard.publish(limited())
        new = NewKey(assistant="support", environment="dev", tenants=("acme", "bolt"))
        await keys.create(control, LOCAL, new, lambda _tx, _name: frozenset[str](), trace_id="t")
        room, now_us = Budgets(control.database, timeout_s=30), control.clock.now_us()
        for tenant, tokens in (("acme", 100), ("bolt", 300), ("elsewhere", 7)):
            bound = bounds(LIMITS, Caller(tenant, "dev", "support", "key-1"), now_us)
            reservation = await room.reserve(bound, Amounts(1, tokens, 0))
            assert isinstance(reservation, Reservation)
            if tenant == "acme":
                await room.settle(reservation, Amounts(1, 40, 1_250_000))
        found = await shown(yard)
        assert (found.assistant, found.environment, found.stamp) == ("support", "dev", "support@1")
        key, assistant, tenants = found.limits
        assert [(each.holder, each.requests) for each in key.used] == [("key-1", 3)]
        assert [each.holder for each in assistant.used] == ["support"]
        assert (assistant.used[0].tokens_spent, assistant.used[0].tokens_reserved) == (40, 307)
        assert (assistant.used[0].money_spent, assistant.money) == ("1.25", "12.50")
        assert [(each.holder, each.tokens_spent, each.tokens_reserved) for each in tenants.used] == [
            ("bolt", 0, 300),
            ("acme", 40, 0),
        ]
        assert key.resets == rfc3339(window("month", now_us).ends_us)

    in_yard(tmp_path, story)


def test_the_budgets_of_tools_show_what_the_gateway_counts(tmp_path: Path) -> None:
    sums = (
        Budget(of="args.amount", tool="issue_refund", max="500", per="day"),
        Budget(of="args.amount", tool="issue_refund", max="450.5", per="day"),
        Budget(of="args.amount", tool="issue_refund", max="100", per="hour"),
        Budget(of="args.amount", tool="issue_refund", max="30", per="turn"),
    )
    found = documents()
    policy = msgspec.structs.replace(found.tools, writes_per_hour=20, sums=sums)
    caller = Principal("key_1", "acme", "support", "dev", None, "none")

    async def story(yard: Yard) -> None:
        control = yard.control
        await yard.publish(replace(found, tools=policy))
        now_us = control.clock.now_us()
        nobody = [(each.tool, each.per, each.used, each.allowed) for each in (await shown(yard)).tools]
        assert nobody == [
            (None, "hour", "0", "20"),
            ("issue_refund", "day", "0", "450.5"),
            ("issue_refund", "hour", "0", "100"),
        ]
        claims = Claims(Budgets(control.database, timeout_s=30), control.clock, caller)
        call = (writes(20), *(share(each, {"amount": "12.25"}) for each in sums[1:]))
        assert await claims.take("one", call) is None
        assert await claims.take("two", call) is None
        tools = (await shown(yard)).tools
        assert [(each.argument, each.used) for each in tools] == [
            (None, "2"),
            ("args.amount", "24.5"),
            ("args.amount", "24.5"),
        ]
        assert tools[1].resets == rfc3339(window("day", now_us).ends_us)
        assert (await shown(yard)).limits == ()

    in_yard(tmp_path, story)


def test_without_limits_there_is_nothing_to_show_and_without_a_release_an_error(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        with pytest.raises(NotInForce):
            await shown(yard)
        await yard.publish(documents())
        assert (await shown(yard)).limits == ()

    in_yard(tmp_path, story)


@pytest.mark.parametrize(
    ("microusd", "text"),
    [
        (0, "0.00"),
        (1, "0.000001"),
        (1_250_000, "1.25"),
        (12_500_000, "12.50"),
        (100_000_000, "100.00"),
        (123, "0.000123"),
    ],
)
def test_money_is_written_exactly(microusd: int, text: str) -> None:
    assert dollars(microusd) == text
