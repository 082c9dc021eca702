# SPDX-License-Identifier: Apache-2.0
"""`customhouse budgets`: the limits in force, who used how much of each, and when it begins anew."""

from pathlib import Path

from tests.cli.shop import Shop, shop

from customhouse.budget.level import Caller, bounds
from customhouse.budget.limit import Amounts, Limit
from customhouse.budget.reserve import Budgets

LIMITS = "    limits: [{of: key, per: month, requests: 60}, {of: tenant, per: month, tokens: 5000}]\n"


def limit(opened: Shop) -> None:
    """Write limits into the manifest."""
    file = opened.manifest / "shop.yaml"
    file.write_text(file.read_text() + LIMITS)


def test_limits_are_shown_with_what_is_used(home: Path) -> None:
    async def use() -> None:
        control = opened.server.house.control
        limits = (Limit(of="key", per="month", requests=60),)
        bound = bounds(limits, Caller("default", "dev", "support", "key-1"), control.clock.now_us())
        await Budgets(control.database, timeout_s=30).reserve(bound, Amounts(1, 70, 0))

    with shop(home) as opened:
        opened.release()
        assert "support@1 has no limits in dev." in opened.good("sam", "budgets", "support")
        tools = opened.json("sam", "budgets", "support", "-e", "dev")["tools"]
        assert tools == []
        policy = opened.manifest / "policy.yaml"
        budgets = "budgets: {writes_per_hour: 20}"
        policy.write_text(policy.read_text().replace("[track]", f"[track, refund], {budgets}"))
        opened.release()
        drawn = [" ".join(line.split()) for line in opened.good("sam", "budgets", "support").splitlines()]
        assert drawn[-1].startswith("calls that change something per hour 0 of 20 20")
        limit(opened)
        plan = opened.good("dana", "plan", "support", "-m", str(opened.manifest))
        assert "- may now use at most 60 requests a month for each key" in plan
        opened.release()
        opened.server.run(use())
        told = [" ".join(line.split()) for line in opened.good("sam", "budgets", "support").splitlines()]
        assert told[1].startswith("key per month key-1 1 of 60 0 70 0.00 0.00 20")
        assert told[2].startswith("tenant per month nobody yet 0 0 of 5000 0 20")
        found = opened.json("sam", "budgets", "support", "-e", "dev")
        assert [(each["of"], each["requests"], each["tokens"]) for each in found["limits"]] == [
            ("key", 60, None),
            ("tenant", None, 5000),
        ]
        assert "pins.not_in_force" in opened.refused("sam", "budgets", "support", "-e", "production")
