# SPDX-License-Identifier: Apache-2.0
"""The SQL of people and keys: the only file that names its queries."""

from typing import NamedTuple, cast

import msgspec

from customhouse.store.database import Transaction

_names = msgspec.json.Decoder(tuple[str, ...])


class PersonRow(NamedTuple):
    """A person as stored, without the key's hash."""

    email: str
    roles: tuple[str, ...]
    created_by: str
    created_at_us: int
    revoked_at_us: int | None


class KeyRow(NamedTuple):
    """A data-plane key as stored, without its hash."""

    id: str
    assistant: str
    environment: str
    tenants: tuple[str, ...]
    delegate: tuple[str, ...]
    note: str
    created_by: str
    created_at_us: int
    revoked_at_us: int | None
    workflow: str | None


class ActivePerson(NamedTuple):
    """What a server needs to recognise a person."""

    key_hash: bytes
    email: str
    roles: tuple[str, ...]


class ActiveKey(NamedTuple):
    """What a server needs to recognise a data-plane key."""

    key_hash: bytes
    id: str
    assistant: str
    environment: str
    tenants: tuple[str, ...]
    delegate: tuple[str, ...]
    created_by: str
    workflow: str | None


def generation(tx: Transaction) -> int:
    """Return the number that moves with every change of keys and people."""
    row = tx.row("access_generation_get")
    return 0 if row is None else cast("int", row[0])


def bump(tx: Transaction) -> None:
    """Make running servers load keys and people again."""
    tx.run("access_generation_bump")


def person(tx: Transaction, email: str) -> PersonRow | None:
    """Return one person, revoked or not."""
    row = tx.row("person_get", email=email)
    return None if row is None else _person(row)


def people(tx: Transaction) -> tuple[PersonRow, ...]:
    """Return everybody who ever had a key."""
    return tuple(_person(row) for row in tx.rows("person_list"))


def insert_person(tx: Transaction, added: PersonRow, key_hash: bytes) -> None:
    """Add a person; raises DuplicateRow when there is one of this address."""
    tx.run(
        "person_insert",
        email=added.email,
        roles=_text(added.roles),
        key_hash=key_hash,
        created_by=added.created_by,
        now_us=added.created_at_us,
    )


def restore_person(tx: Transaction, added: PersonRow, key_hash: bytes) -> bool:
    """Give a revoked person a new key and new roles; return whether there was one."""
    changed = tx.run(
        "person_restore",
        email=added.email,
        roles=_text(added.roles),
        key_hash=key_hash,
        created_by=added.created_by,
        now_us=added.created_at_us,
    )
    return changed == 1


def revoke_person(tx: Transaction, email: str, now_us: int) -> bool:
    """Take a person's key away; return whether it was still good."""
    return tx.run("person_revoke", email=email, now_us=now_us) == 1


def active_people(tx: Transaction) -> tuple[ActivePerson, ...]:
    """Return the people whose keys are good."""
    return tuple(
        ActivePerson(cast("bytes", row[0]), cast("str", row[1]), _tuple(row[2])) for row in tx.rows("person_active")
    )


def key(tx: Transaction, key_id: str) -> KeyRow | None:
    """Return one key, revoked or not."""
    row = tx.row("api_key_get", id=key_id)
    return None if row is None else _key(row)


def keys(tx: Transaction) -> tuple[KeyRow, ...]:
    """Return every key, newest first."""
    return tuple(_key(row) for row in tx.rows("api_key_list"))


def insert_key(tx: Transaction, added: KeyRow, key_hash: bytes) -> None:
    """Add a key."""
    tx.run(
        "api_key_insert",
        id=added.id,
        key_hash=key_hash,
        assistant=added.assistant,
        environment=added.environment,
        tenants=_text(added.tenants),
        delegate=_text(added.delegate),
        note=added.note,
        created_by=added.created_by,
        now_us=added.created_at_us,
        workflow=added.workflow,
    )


def revoke_key(tx: Transaction, key_id: str, now_us: int) -> bool:
    """Revoke a key; return whether it was still good."""
    return tx.run("api_key_revoke", id=key_id, now_us=now_us) == 1


def active_keys(tx: Transaction) -> tuple[ActiveKey, ...]:
    """Return the keys that are good."""
    return tuple(
        ActiveKey(
            cast("bytes", row[0]),
            cast("str", row[1]),
            cast("str", row[2]),
            cast("str", row[3]),
            _tuple(row[4]),
            _tuple(row[5]),
            cast("str", row[6]),
            cast("str | None", row[7]),
        )
        for row in tx.rows("api_key_active")
    )


def _text(names: tuple[str, ...]) -> str:
    return msgspec.json.encode(names).decode()


def _tuple(value: object) -> tuple[str, ...]:
    return _names.decode(cast("str", value))


def _person(row: tuple[object, ...]) -> PersonRow:
    email, roles, created_by, created_at_us, revoked_at_us = row
    return PersonRow(
        cast("str", email),
        _tuple(roles),
        cast("str", created_by),
        cast("int", created_at_us),
        cast("int | None", revoked_at_us),
    )


def _key(row: tuple[object, ...]) -> KeyRow:
    key_id, assistant, environment, tenants, delegate, note, created_by, created_at_us, revoked_at_us, workflow = row
    return KeyRow(
        cast("str", key_id),
        cast("str", assistant),
        cast("str", environment),
        _tuple(tenants),
        _tuple(delegate),
        cast("str", note),
        cast("str", created_by),
        cast("int", created_at_us),
        cast("int | None", revoked_at_us),
        cast("str | None", workflow),
    )
