# SPDX-License-Identifier: Apache-2.0
"""People: who gets roles from whom, and what stands in the ledger."""

import asyncio
from pathlib import Path
from typing import cast

import pytest
from tests.api.house import LOCAL, House, open_house

from customhouse.access import people
from customhouse.access.roles import Role
from customhouse.domain.errors import Conflict, Forbidden, InvalidRequest, NotFound
from customhouse.domain.principal import Actor

DANA = Actor("dana@acme.test", "person", frozenset({"admin"}))


async def add(house: House, actor: Actor, email: str, *roles: str) -> people.AddedPerson:
    new = people.NewPerson(email=email, roles=cast("tuple[Role, ...]", roles))
    return await people.add(house.control, actor, new, trace_id="trace-1")


def test_the_ledger_has_the_person_and_not_the_key(home: Path) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            added = await add(house, LOCAL, "Dana@Acme.test", "captain", "admin", "captain")
            assert added.person.email == "dana@acme.test", "one spelling for each person"
            assert added.person.roles == ("admin", "captain")
            await add(house, LOCAL, "ola@acme.test", "admin")
            await people.revoke(house.control, LOCAL, "dana@acme.test", trace_id="trace-2")
            first, _, last = await house.evidence()
            assert (first.kind, first.trace_id) == ("person.added", "trace-1")
            assert first.detail == {"person": "dana@acme.test", "roles": ["admin", "captain"]}
            assert first.principal is not None
            assert first.principal.actor == "local:1000"
            assert (last.kind, last.detail) == ("person.revoked", {"person": "dana@acme.test"})
            stored = b"".join(path.read_bytes() for path in home.iterdir() if path.is_file())
            assert added.key.encode() not in stored
            assert added.key[4:].encode() not in stored

    asyncio.run(main())


def test_roles_change_by_revoke_and_add(home: Path) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            first = await add(house, LOCAL, "dana@acme.test", "auditor")
            with pytest.raises(Conflict, match=r"known already, as auditor.*revoke first"):
                await add(house, LOCAL, "Dana@acme.test", "admin")
            await people.revoke(house.control, LOCAL, "dana@acme.test", trace_id="t")
            second = await add(house, LOCAL, "dana@acme.test", "captain")
            await house.credentials.refresh()
            assert house.credentials.person(first.key) is None
            actor = house.credentials.person(second.key)
            assert actor is not None
            assert actor.roles == {"captain"}

    asyncio.run(main())


def test_nobody_gives_himself_roles(home: Path) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            await add(house, LOCAL, "dana@acme.test", "admin")
            for spelling in ("dana@acme.test", "DANA@acme.test", " dana@acme.test "):
                with pytest.raises(Forbidden, match="nobody gives himself roles"):
                    await add(house, DANA, spelling, "captain")
            assert len(await house.evidence()) == 1, "a refusal changes nothing"

    asyncio.run(main())


def test_the_last_admin_stays(home: Path) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            await add(house, LOCAL, "dana@acme.test", "admin")
            await add(house, LOCAL, "sam@acme.test", "auditor")
            for actor in (DANA, LOCAL):
                with pytest.raises(Conflict, match="last admin"):
                    await people.revoke(house.control, actor, "dana@acme.test", trace_id="t")
            await add(house, DANA, "ola@acme.test", "admin")
            revoked = await people.revoke(house.control, DANA, "dana@acme.test", trace_id="t")
            assert revoked.revoked_at is not None
            with pytest.raises(Conflict, match="revoked already"):
                await people.revoke(house.control, LOCAL, "dana@acme.test", trace_id="t")
            with pytest.raises(Conflict, match="last admin"):
                await people.revoke(house.control, LOCAL, "ola@acme.test", trace_id="t")
            listed = await people.listing(house.control)
            assert [(person.email, person.revoked_at is None) for person in listed.people] == [
                ("dana@acme.test", False),
                ("ola@acme.test", True),
                ("sam@acme.test", True),
            ]

    asyncio.run(main())


def test_two_revocations_at_once_leave_an_admin(home: Path) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            for email in ("a@acme.test", "b@acme.test"):
                await add(house, LOCAL, email, "admin")
            attempts = [
                people.revoke(house.control, LOCAL, name, trace_id="t") for name in ("a@acme.test", "b@acme.test")
            ]
            results = await asyncio.gather(*attempts, return_exceptions=True)
            assert [type(result) for result in results].count(Conflict) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    "email",
    [
        "",
        "dana",
        "dana@",
        "@acme.test",
        "da na@acme.test",
        "dana@acme.test\n\x00",
        "d\u0430na@acme.test",
        "local:0",
        "a" * 300 + "@b",
    ],
)
def test_what_is_no_address(home: Path, email: str) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            with pytest.raises(InvalidRequest):
                await add(house, LOCAL, email, "auditor")

    asyncio.run(main())


def test_a_person_needs_a_role_and_must_be_known_to_be_revoked(home: Path) -> None:
    async def main() -> None:
        async with open_house(home) as house:
            with pytest.raises(InvalidRequest, match="needs a role"):
                await add(house, LOCAL, "dana@acme.test")
            with pytest.raises(NotFound):
                await people.revoke(house.control, LOCAL, "dana@acme.test", trace_id="t")

    asyncio.run(main())
