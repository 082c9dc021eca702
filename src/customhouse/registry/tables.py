# SPDX-License-Identifier: Apache-2.0
"""The registry's SQL for versions, releases, charters, environments and pins.

Versions, releases and charters have an INSERT and SELECTs, nothing else. What changes in place is an environment's
generation and number of reviewers, a pin and a base release. History, holds and changes: `history_tables.py`.
"""

from typing import NamedTuple, TypeVar, cast

import msgspec

from customhouse.domain.digest import Digest, canonical
from customhouse.domain.errors import IntegrityFailed
from customhouse.domain.plane import PLANES, Plane
from customhouse.registry.charter import Charter
from customhouse.registry.documents import plain
from customhouse.registry.environment import DEFAULT_REVIEWERS, Environment, unused
from customhouse.registry.pins import Pin, Pins
from customhouse.registry.release import Signed
from customhouse.store.database import Row, Transaction

T = TypeVar("T")


class ChartedBy(NamedTuple):
    """A charter with its number."""

    number: int
    charter: Charter


class PinRow(NamedTuple):
    """One pin as it is stored. `base` and `number` are None when rows are missing: then nothing may load it."""

    environment: str
    assistant: str
    plane: str
    digest: Digest
    release_number: int
    pinned_at_us: int
    pinned_by: str
    base: int | None
    number: int | None


# Versions and releases


def version_number(tx: Transaction, assistant: str, plane: Plane, digest: Digest) -> int | None:
    """Return the number of a published version."""
    row = tx.row("version_find", assistant=assistant, plane=plane.value, digest=digest)
    return None if row is None else cast("int", row[0])


def version_document(tx: Transaction, assistant: str, plane: Plane, digest: Digest) -> bytes | None:
    """Return a version's bytes as they are stored; the caller compares them with the digest."""
    row = tx.row("version_document", assistant=assistant, plane=plane.value, digest=digest)
    return None if row is None else cast("bytes", row[0])


def insert_version(
    tx: Transaction,
    assistant: str,
    plane: Plane,
    digest: Digest,
    document: bytes,
    *,
    git_commit: str | None,
    actor: str,
    now_us: int,
) -> int:
    """Publish a version and return its number."""
    row = tx.row(
        "version_insert",
        assistant=assistant,
        plane=plane.value,
        digest=digest,
        document=document,
        git_commit=git_commit,
        actor=actor,
        now_us=now_us,
    )
    return number_of(row)


def release(tx: Transaction, assistant: str, number: int) -> Signed | None:
    """Return a release as it is stored; `release.verified` reads it."""
    row = tx.row("release_get", assistant=assistant, number=number)
    return None if row is None else Signed(*cast("tuple[Digest, bytes, bytes, str]", row))


def last_release_number(tx: Transaction, assistant: str) -> int | None:
    """Return the newest release's number, or None before the first."""
    row = tx.row("release_last", assistant=assistant)
    return None if row is None else cast("int | None", row[0])


def insert_release(tx: Transaction, assistant: str, number: int, signed: Signed, now_us: int) -> None:
    """Keep a signed release."""
    tx.run(
        "release_insert",
        assistant=assistant,
        number=number,
        digest=signed.digest,
        statement=signed.content,
        signature=signed.signature,
        key_id=signed.key_id,
        now_us=now_us,
    )


# Charters


def charter(tx: Transaction, assistant: str) -> ChartedBy | None:
    """Return the charter in force."""
    row = tx.row("charter_last", assistant=assistant)
    return None if row is None else _charter(assistant, cast("int", row[0]), cast("bytes", row[1]))


def charters(tx: Transaction) -> dict[str, tuple[int, bytes]]:
    """Return the number and bytes of every assistant's charter in force."""
    rows = cast("list[tuple[str, int, bytes]]", tx.rows("charters_last"))
    return {assistant: (number, content) for assistant, number, content in rows}


def insert_charter(tx: Transaction, assistant: str, number: int, document: Charter, actor: str, now_us: int) -> None:
    """Put a charter into force."""
    content = canonical(plain(document))
    tx.run("charter_insert", assistant=assistant, number=number, document=content, actor=actor, now_us=now_us)


# Environments and pins


def environment(tx: Transaction, name: str) -> Environment:
    """Return an environment, as it is before its first use when it was never used."""
    row = tx.row("environment_get", name=name)
    return unused(name) if row is None else Environment(*cast("tuple[str, int, int, int]", row))


def environments(tx: Transaction) -> dict[str, Environment]:
    """Return every environment that was used, by name."""
    rows = [Environment(*cast("tuple[str, int, int, int]", row)) for row in tx.rows("environments")]
    return {entry.name: entry for entry in rows}


def advance(tx: Transaction, name: str, expected_generation: int, now_us: int) -> int | None:
    """Claim the next generation by compare-and-set; None when someone else moved first."""
    tx.run("environment_ensure", name=name, reviewers=DEFAULT_REVIEWERS[name])
    row = tx.row("environment_advance", name=name, expected_generation=expected_generation, now_us=now_us)
    return None if row is None else cast("int", row[0])


def set_reviewers(tx: Transaction, name: str, reviewers: int) -> None:
    """Set how many other people must sign a loosening off."""
    tx.run("environment_ensure", name=name, reviewers=DEFAULT_REVIEWERS[name])
    tx.run("environment_set_reviewers", name=name, reviewers=reviewers)


def pins(tx: Transaction, environment: str, assistant: str) -> Pins | None:
    """Return an assistant's pins, or None when nothing is in force. Raises IntegrityFailed for half a set."""
    rows = cast("list[tuple[str, Digest, int]]", tx.rows("pins_get", environment=environment, assistant=assistant))
    base = tx.row("base_get", environment=environment, assistant=assistant)
    if not rows and base is None:
        return None
    found = {plane: Pin(digest, number) for plane, digest, number in rows}
    if base is None or set(found) != {plane.value for plane in PLANES}:
        raise IntegrityFailed(f"the pins of {assistant} in {environment} are incomplete; restore them from a backup")
    return Pins(cast("int", base[0]), {plane: found[plane.value] for plane in PLANES})


def put_pins(
    tx: Transaction, environment: str, assistant: str, before: Pins | None, after: Pins, *, actor: str, now_us: int
) -> None:
    """Write the pins that differ; the rows of the others are not touched."""
    for plane in PLANES:
        pin = after.planes[plane]
        if before is None or before.planes[plane] != pin:
            tx.run(
                "pin_put",
                environment=environment,
                assistant=assistant,
                plane=plane.value,
                digest=pin.digest,
                release_number=pin.release_number,
                actor=actor,
                now_us=now_us,
            )
    if before is None or before.base != after.base:
        tx.run("base_put", environment=environment, assistant=assistant, release_number=after.base)


def pins_in_force(tx: Transaction) -> tuple[PinRow, ...]:
    """Return every pin of every assistant, in order of environment and assistant."""
    return tuple(PinRow(*cast("tuple[str, str, str, Digest, int, int, str, int | None, int | None]", row))
                 for row in tx.rows("pins_in_force"))  # fmt: skip


def environments_of(tx: Transaction, assistant: str) -> tuple[str, ...]:
    """Return the environments in which an assistant has pins."""
    return tuple(cast("str", row[0]) for row in tx.rows("environments_of_assistant", assistant=assistant))


def mark(tx: Transaction) -> tuple[Row, ...]:
    """Return a value that differs after every move of pins or switches and every charter, by name and number.

    Cost: one query of a few rows.
    """
    return tuple(tx.rows("registry_mark"))


def stored(content: bytes, form: type[T], what: str) -> T:
    """Read bytes that this installation wrote. Raises IntegrityFailed when they are not what it writes."""
    try:
        return msgspec.json.decode(content, type=form)
    except msgspec.MsgspecError as error:
        raise IntegrityFailed(f"{what} cannot be read: {error}") from error


def number_of(row: Row | None) -> int:
    """Return the number that an INSERT … RETURNING gave back."""
    if row is None:
        raise IntegrityFailed("an INSERT gave no row back")
    return cast("int", row[0])


def _charter(assistant: str, number: int, content: bytes) -> ChartedBy:
    return ChartedBy(number, stored(content, Charter, f"the charter of {assistant}"))
