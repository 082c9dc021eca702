# SPDX-License-Identifier: Apache-2.0
"""People: add, list, revoke. Each change stands in the ledger in the same transaction, without the key.

Rules:
- Nobody gives himself roles: a person who is known is not added again, so roles change by revoke and add, by an admin.
- An address is written in lower case, so that Dana@acme.test is not a second person who signs dana@acme.test's changes.
- The last admin stays, because without one only the holder of the store's files could add anybody.
- The key is shown once, in the answer to `add`; what is stored is its SHA-256.
"""

import re
from typing import Final

import msgspec

from customhouse.access import tables, token
from customhouse.access.office import Office
from customhouse.access.roles import ROLES, Role
from customhouse.domain.clock import rfc3339
from customhouse.domain.errors import Conflict, Forbidden, InvalidRequest, NotFound
from customhouse.domain.principal import Actor
from customhouse.store.database import Transaction

MAX_ADDRESS: Final = 254
"""RFC 5321 4.5.3.1.3: a path is at most 256 octets with its brackets."""
_ADDRESS: Final = re.compile(r"[a-z0-9][a-z0-9._%+-]{0,63}@[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", re.ASCII)


class NewPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is added, with which roles."""

    email: str
    roles: tuple[Role, ...]


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A person and when the key was given and taken away."""

    email: str
    roles: tuple[str, ...]
    created_by: str
    created_at: str
    revoked_at: str | None


class AddedPerson(msgspec.Struct, frozen=True, kw_only=True):
    """A person with the operator key, which is shown this once."""

    person: Person
    key: str


class People(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody who ever had a key, by address."""

    people: tuple[Person, ...]


async def add(office: Office, actor: Actor, new: NewPerson, *, trace_id: str) -> AddedPerson:
    """Add a person, or give a revoked one a new key. Raises Forbidden, Conflict, InvalidRequest."""
    email, roles = _address(new.email), _roles(new.roles)
    if email == actor.name:
        raise Forbidden("nobody gives himself roles: another admin must do it.")
    secret = token.make("cho_", office.clock.random(token.RANDOM_BYTES))
    row = tables.PersonRow(email, roles, actor.name, office.clock.now_us(), None)
    detail: dict[str, object] = {"person": email, "roles": list(roles)}
    entry = office.ledger.event("person.added", actor=actor.name, trace_id=trace_id, detail=detail, references=(email,))

    def work(tx: Transaction) -> None:
        known = tables.person(tx, email)
        if known is None:
            tables.insert_person(tx, row, token.digest(secret))
        elif not tables.restore_person(tx, row, token.digest(secret)):
            has = ", ".join(known.roles)
            raise Conflict(f"{email} is known already, as {has}: to change roles or the key, revoke first, then add.")
        tables.bump(tx)
        office.ledger.write(tx, [entry])

    await office.database.transact(work)
    return AddedPerson(person=_person(row), key=secret)


async def revoke(office: Office, actor: Actor, email: str, *, trace_id: str) -> Person:
    """Take a person's key away. Raises NotFound, Conflict for a second time and for the last admin."""
    now_us = office.clock.now_us()
    detail: dict[str, object] = {"person": email}
    entry = office.ledger.event(
        "person.revoked", actor=actor.name, trace_id=trace_id, detail=detail, references=(email,)
    )

    def work(tx: Transaction) -> tables.PersonRow:
        known = tables.person(tx, email)
        if known is None:
            raise NotFound(f"there is no person {email}; `customhouse people list` shows everybody.")
        others = {person.email for person in tables.active_people(tx) if "admin" in person.roles} - {email}
        if "admin" in known.roles and known.revoked_at_us is None and not others:
            raise Conflict(f"{email} is the last admin: add another one first.")
        if not tables.revoke_person(tx, email, now_us):
            raise Conflict(f"{email} is revoked already.")
        tables.bump(tx)
        office.ledger.write(tx, [entry])
        return known._replace(revoked_at_us=now_us)

    return _person(await office.database.transact(work))


async def listing(office: Office) -> People:
    """Return everybody who ever had a key. One query."""
    rows = await office.database.read(tables.people)
    return People(people=tuple(_person(row) for row in rows))


def _address(written: str) -> str:
    email = written.strip().lower()
    if len(email) > MAX_ADDRESS or _ADDRESS.fullmatch(email) is None:
        raise InvalidRequest(f"{written[:MAX_ADDRESS]!r} is no address like dana@acme.test.", param="email")
    return email


def _roles(written: tuple[Role, ...]) -> tuple[Role, ...]:
    """Return the roles once each, in the order of the table."""
    if not written:
        raise InvalidRequest(f"a person needs a role: one of {', '.join(ROLES)}.", param="roles")
    return tuple(role for role in ROLES if role in written)


def _person(row: tables.PersonRow) -> Person:
    return Person(
        email=row.email,
        roles=row.roles,
        created_by=row.created_by,
        created_at=rfc3339(row.created_at_us),
        revoked_at=None if row.revoked_at_us is None else rfc3339(row.revoked_at_us),
    )
