# SPDX-License-Identifier: Apache-2.0
"""Data-plane keys: create, list, revoke. Each change stands in the ledger in the same transaction, without the key.

Rules:
- What a key may do is decided when it is created: one assistant, one environment, its tenants, its delegation grants,
  and the workflow that each of its turns runs in, if any.
  No verb widens a key; a wider one is another key with its own evidence.
- A captain creates and revokes keys of the assistants he answers for; an admin of every one. On-call may revoke any
  key, because tightening never waits.
- A delegation grant names a kind of subject: `user:42`, or `user:*` for any user. A bare `*` is refused, and so is a
  tenant beginning with `_`: those belong to the house (`_organization`).
"""

import re
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from customhouse.access import tables, token
from customhouse.access.office import Office
from customhouse.domain.clock import rfc3339
from customhouse.domain.errors import Conflict, InvalidRequest, NotFound, NotTheCaptain
from customhouse.domain.principal import Actor
from customhouse.store.database import Transaction

Captains = Callable[[Transaction, str], frozenset[str] | None]
"""Who answers for an assistant now, read inside the transaction; None when nothing was ever released under the name."""

MAX_TENANTS: Final = 64
MAX_GRANTS: Final = 16
MAX_NOTE: Final = 200
_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_WORKFLOW: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}", re.ASCII)
_GRANT: Final = re.compile(r"[a-z][a-z0-9_]{0,31}:[^\s*:\x00-\x1f\x7f]{0,127}\*?")


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a key is for."""

    assistant: str
    environment: Literal["dev", "staging", "production"] = "dev"
    tenants: tuple[str, ...] = ("default",)
    delegate: tuple[str, ...] = ()
    workflow: str | None = None
    note: str = ""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key's terms and when it was created and revoked."""

    id: str
    assistant: str
    environment: str
    tenants: tuple[str, ...]
    delegate: tuple[str, ...]
    workflow: str | None
    note: str
    created_by: str
    created_at: str
    revoked_at: str | None


class CreatedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key's terms with its token, which is shown this once."""

    key: Key
    token: str


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """Every key, newest first."""

    keys: tuple[Key, ...]


async def create(office: Office, actor: Actor, new: NewKey, captains: Captains, *, trace_id: str) -> CreatedKey:
    """Create a key. Raises NotTheCaptain, NotFound for an assistant without a release, InvalidRequest."""
    check_terms(new)
    secret = token.make("chk_", office.clock.random(token.RANDOM_BYTES))
    row = tables.KeyRow(
        id=f"key_{office.clock.random(6).hex()}",
        assistant=new.assistant,
        environment=new.environment,
        tenants=tuple(dict.fromkeys(new.tenants)),
        delegate=tuple(dict.fromkeys(new.delegate)),
        note=new.note,
        created_by=actor.name,
        created_at_us=office.clock.now_us(),
        revoked_at_us=None,
        workflow=new.workflow,
    )
    detail: dict[str, object] = {
        "key": row.id,
        "environment": row.environment,
        "tenants": list(row.tenants),
        "delegate": list(row.delegate),
        "note": row.note,
        **({} if row.workflow is None else {"workflow": row.workflow}),
    }
    entry = office.ledger.event(
        "key.created",
        actor=actor.name,
        trace_id=trace_id,
        detail=detail,
        assistant=row.assistant,
        references=(row.id,),
    )

    def work(tx: Transaction) -> None:
        answering = captains(tx, row.assistant)
        if answering is None:
            raise NotFound(
                f"no assistant {row.assistant} was released; `customhouse release` first, then create its key.",
                param="assistant",
            )
        if not _everywhere(actor, "admin") and actor.name not in answering:
            raise NotTheCaptain(f"only an admin or who answers for {row.assistant} creates keys for it.")
        tables.insert_key(tx, row, token.digest(secret))
        tables.bump(tx)
        office.ledger.write(tx, [entry])

    await office.database.transact(work)
    return CreatedKey(key=_key(row), token=secret)


async def revoke(office: Office, actor: Actor, key_id: str, captains: Captains, *, trace_id: str) -> Key:
    """Revoke a key, for ever. Raises NotFound, NotTheCaptain, Conflict for a second time."""
    now_us = office.clock.now_us()

    def work(tx: Transaction) -> tables.KeyRow:
        known = tables.key(tx, key_id)
        if known is None:
            raise NotFound(f"there is no key {key_id[:64]}; `customhouse keys list` shows every one.")
        answering = captains(tx, known.assistant) or frozenset()
        if not _everywhere(actor, "admin", "oncall") and actor.name not in answering:
            raise NotTheCaptain(f"only an admin, on-call or who answers for {known.assistant} revokes its keys.")
        if not tables.revoke_key(tx, key_id, now_us):
            raise Conflict(f"{key_id} is revoked already.")
        tables.bump(tx)
        entry = office.ledger.event(
            "key.revoked",
            actor=actor.name,
            trace_id=trace_id,
            detail={"key": key_id},
            assistant=known.assistant,
            references=(key_id,),
        )
        office.ledger.write(tx, [entry])
        return known._replace(revoked_at_us=now_us)

    return _key(await office.database.transact(work))


async def listing(office: Office) -> Keys:
    """Return every key. One query."""
    rows = await office.database.read(tables.keys)
    return Keys(keys=tuple(_key(row) for row in rows))


def _everywhere(actor: Actor, *roles: str) -> bool:
    """Return whether the actor acts on every assistant: a local actor, or one with any of these roles."""
    return actor.kind == "local" or not actor.roles.isdisjoint(roles)


def check_terms(new: NewKey) -> None:
    """Raise InvalidRequest unless tenants, grants, workflow and note are such as any key may have."""
    if not 1 <= len(new.tenants) <= MAX_TENANTS:
        raise InvalidRequest(f"a key has 1 to {MAX_TENANTS} tenants, not {len(new.tenants)}.", param="tenants")
    for tenant in new.tenants:
        if not tenant_shaped(tenant):
            raise InvalidRequest(
                f"tenant {tenant[:64]!r} must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter or digit.",
                param="tenants",
            )
    if len(new.delegate) > MAX_GRANTS:
        raise InvalidRequest(f"a key has at most {MAX_GRANTS} grants, not {len(new.delegate)}.", param="delegate")
    for grant in new.delegate:
        if _GRANT.fullmatch(grant) is None or grant.endswith(":"):
            raise InvalidRequest(f"grant {grant[:64]!r} must look like user:42, user:a* or user:*.", param="delegate")
    if new.workflow is not None and _WORKFLOW.fullmatch(new.workflow) is None:
        raise InvalidRequest(
            f"workflow {new.workflow[:64]!r} is not a name that an assistant could declare.", param="workflow"
        )
    if len(new.note) > MAX_NOTE or not new.note.isprintable():
        raise InvalidRequest(f"a note is at most {MAX_NOTE} printable characters.", param="note")


def tenant_shaped(name: str) -> bool:
    """Return whether a tenant may be called so: no name of the house's own logs, nothing that only looks alike."""
    return _TENANT.fullmatch(name) is not None


def _key(row: tables.KeyRow) -> Key:
    return Key(
        id=row.id,
        assistant=row.assistant,
        environment=row.environment,
        tenants=row.tenants,
        delegate=row.delegate,
        workflow=row.workflow,
        note=row.note,
        created_by=row.created_by,
        created_at=rfc3339(row.created_at_us),
        revoked_at=None if row.revoked_at_us is None else rfc3339(row.revoked_at_us),
    )
