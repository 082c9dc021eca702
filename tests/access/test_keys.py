# SPDX-License-Identifier: Apache-2.0
"""Data-plane keys: who creates and revokes which, with what terms, and what stands in the ledger."""

import asyncio
from pathlib import Path

import pytest
from tests.api.house import LOCAL, House, open_house

from customhouse.access import keys
from customhouse.api.keys import captains
from customhouse.domain.errors import Conflict, InvalidRequest, NotFound, NotTheCaptain
from customhouse.domain.principal import Actor

DANA = Actor("dana@acme.test", "person", frozenset({"captain"}))
EVE = Actor("eve@acme.test", "person", frozenset({"captain"}))
ADMIN = Actor("ada@acme.test", "person", frozenset({"admin"}))
ONCALL = Actor("ola@acme.test", "person", frozenset({"oncall"}))


async def revoke(house: House, actor: Actor, key_id: str) -> keys.Key:
    return await keys.revoke(house.control, actor, key_id, captains, trace_id="t")


def test_the_ledger_has_the_terms_and_not_the_token(home: Path) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            await house.charter("dana@acme.test")
            terms = {"tenants": ["b", "a", "b"], "delegate": ["user:*"], "workflow": "returns", "note": "shop"}
            created = await house.key(DANA, **terms)
            await revoke(house, DANA, created.key.id)
            made, gone = await house.evidence()
            assert (made.kind, made.assistant) == ("key.created", "support")
            assert made.detail == {
                "key": created.key.id,
                "environment": "dev",
                "tenants": ["b", "a"],
                "delegate": ["user:*"],
                "note": "shop",
                "workflow": "returns",
            }
            assert [key.workflow for key in (await keys.listing(house.control)).keys] == ["returns"]
            assert (gone.kind, gone.detail, gone.assistant) == ("key.revoked", {"key": created.key.id}, "support")
            stored = b"".join(path.read_bytes() for path in home.iterdir() if path.is_file())
            assert created.token[4:].encode() not in stored

    asyncio.run(main())


def test_who_creates_keys_of_an_assistant(home: Path) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            await house.charter("dana@acme.test")
            for actor in (LOCAL, ADMIN, DANA):
                assert (await house.key(actor)).key.created_by == actor.name
            with pytest.raises(NotTheCaptain, match="who answers for support"):
                await house.key(EVE)
            with pytest.raises(NotFound, match="no assistant suport was released"):
                await house.key(LOCAL, assistant="suport")
            assert len(await house.evidence()) == 3

    asyncio.run(main())


def test_who_revokes_keys_of_an_assistant(home: Path) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            await house.charter("dana@acme.test")
            for actor in (LOCAL, ADMIN, DANA, ONCALL):
                created = await house.key()
                assert (await revoke(house, actor, created.key.id)).revoked_at is not None
                with pytest.raises(Conflict, match="revoked already"):
                    await revoke(house, actor, created.key.id)
            created = await house.key()
            with pytest.raises(NotTheCaptain):
                await revoke(house, EVE, created.key.id)
            with pytest.raises(NotFound):
                await revoke(house, LOCAL, "key_000000000000")
            listed = (await keys.listing(house.control)).keys
            assert [key.revoked_at is None for key in listed if key.id == created.key.id] == [True]
            assert len(listed) == 5

    asyncio.run(main())


@pytest.mark.parametrize(
    ("terms", "because"),
    [
        ({"tenants": []}, "a key without tenant could do nothing"),
        ({"tenants": ["_organization"]}, "the house's own log is nobody's tenant"),
        ({"tenants": ["a b"]}, "a blank"),
        ({"tenants": ["a\n"]}, "a newline, which `$` would accept"),
        ({"tenants": [""]}, "empty"),
        ({"tenants": ["a" * 65]}, "too long"),
        ({"tenants": [f"t{number}" for number in range(65)]}, "too many"),
        ({"delegate": ["*"]}, "anybody at all"),
        ({"delegate": ["user:"]}, "nobody"),
        ({"delegate": ["user:*x"]}, "a star in the middle"),
        ({"delegate": ["user:**"]}, "two stars"),
        ({"delegate": ["us*"]}, "no kind"),
        ({"delegate": ["user:a b"]}, "a blank"),
        ({"delegate": ["user:42\n"]}, "a newline"),
        ({"delegate": ["user:42"] * 17}, "too many"),
        ({"workflow": ""}, "no name, which is not the same as none"),
        ({"workflow": "returns\n"}, "a newline"),
        ({"workflow": "w" * 65}, "too long"),
        ({"note": "x" * 201}, "too long"),
        ({"note": "a\x1b[31mb"}, "a terminal escape"),
    ],
)
def test_terms_that_are_refused(home: Path, terms: dict[str, object], because: str) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            await house.charter("dana@acme.test")
            with pytest.raises(InvalidRequest):
                await house.key(LOCAL, **terms)
            assert await house.evidence() == [], because

    asyncio.run(main())
