# SPDX-License-Identifier: Apache-2.0
"""Who a running server recognises, and how soon it stops."""

import asyncio
from pathlib import Path

import pytest
from tests.api.house import LOCAL, open_house

from customhouse.access import keys, people
from customhouse.access.credentials import ApiKey, Credentials
from customhouse.api.keys import captains
from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import StoreUnavailable

STALE_AFTER_S = 30


class _MovedClock(SystemClock):
    """The machine's clock, moved forward by hand; its wall clock stands an hour back, which must not matter."""

    ahead_us = 0

    def now_us(self) -> int:
        return super().now_us() - 3_600_000_000

    def elapsed_us(self) -> int:
        return super().elapsed_us() + self.ahead_us


def test_a_key_is_its_whole_text(home: Path) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            await house.charter("dana@acme.test")
            created = await house.key(tenants=["a", "b"], delegate=["user:*"], environment="staging")
            operator = await house.person("dana@acme.test", "captain")
            assert await house.credentials.refresh() is False, "person() has refreshed"
            found = house.credentials.key(created.token)
            assert found is not None
            assert (found.id, found.assistant, found.environment) == (created.key.id, "support", "staging")
            assert (found.tenants, found.delegate, found.created_by) == (("a", "b"), ("user:*",), "local:1000")
            actor = house.credentials.person(operator)
            assert actor is not None
            assert (actor.name, actor.kind, actor.roles) == ("dana@acme.test", "person", {"captain"})
            for text in (
                "",
                created.token + "A",
                created.token[:-1],
                created.token + "\n",
                operator,
                "chk_" + "A" * 43,
            ):
                assert house.credentials.key(text) is None
            for text in ("", operator + "A", operator[:-1], created.token, operator.replace("cho_", "chk_")):
                assert house.credentials.person(text) is None

    asyncio.run(main())


def test_a_revocation_is_seen_at_the_next_refresh_of_every_server(home: Path) -> None:
    async def main() -> None:
        async with open_house(home) as house, open_house(home) as other:
            await house.charter("dana@acme.test")
            created = await house.key()
            operator = await house.person("dana@acme.test", "captain")
            assert await other.credentials.refresh() is True
            assert other.credentials.key(created.token) is not None
            await keys.revoke(house.control, LOCAL, created.key.id, captains, trace_id="t")
            await people.revoke(house.control, LOCAL, "dana@acme.test", trace_id="t")
            assert other.credentials.key(created.token) is not None, "not refreshed yet"
            assert await other.credentials.refresh() is True
            assert other.credentials.key(created.token) is None
            assert other.credentials.person(operator) is None

    asyncio.run(main())


def test_a_table_that_the_database_does_not_confirm_recognises_nobody(home: Path) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            await house.charter("dana@acme.test")
            created = await house.key()
            clock = _MovedClock()
            credentials = Credentials(house.control.database, clock, stale_after_s=STALE_AFTER_S)
            with pytest.raises(StoreUnavailable):
                credentials.key(created.token)
            await credentials.refresh()
            clock.ahead_us = (STALE_AFTER_S - 1) * 1_000_000
            assert credentials.key(created.token) is not None
            clock.ahead_us = (STALE_AFTER_S + 1) * 1_000_000
            with pytest.raises(StoreUnavailable):
                credentials.key(created.token)
            assert await credentials.refresh() is False
            assert credentials.key(created.token) is not None
            await house.control.database.close()
            with pytest.raises(StoreUnavailable):
                await credentials.refresh()
            assert credentials.key(created.token) is not None, "a moment's trouble locks nobody out"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("grants", "subject", "expected", "because"),
    [
        ((), "user:42", False, "no grant, no delegation"),
        (("user:42",), "user:42", True, "exact"),
        (("user:42",), "user:421", False, "exact means whole"),
        (("user:4",), "user:42", False, "a grant without star is no prefix"),
        (("user:*",), "user:42", True, "prefix"),
        (("user:*",), "user:", False, "a prefix and nothing is no subject"),
        (("user:*",), "admin:42", False, "another kind"),
        (("user:a*", "user:b*"), "user:bob", True, "any of the grants"),
    ],
)
def test_delegation(grants: tuple[str, ...], subject: str, expected: bool, because: str) -> None:  # noqa: FBT001 - a row
    assert ApiKey("key_1", "support", "dev", ("default",), grants, "x").may_act_for(subject) is expected, because
