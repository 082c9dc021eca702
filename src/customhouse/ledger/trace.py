# SPDX-License-Identifier: Apache-2.0
"""Finding a trace by any id a person may hold, and reading it back with a check of its bytes."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from customhouse.ledger import chain, partition, record, tables
from customhouse.ledger.entry import storable
from customhouse.ledger.record import ORGANIZATION, Record
from customhouse.ledger.tables import Place
from customhouse.store.database import Transaction

MAX_NAME: Final = 128
"""Characters of an id that a trace is found by; longer ids are known by their beginning."""
_OURS: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_RESPONSE: Final = re.compile(
    r"(?:chatcmpl-|msg_|resp_)([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})"
)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One record of a trace and where it stands in its log; `position` is null until the sequencer gives it one."""

    position: int | None
    leaf_hash: str
    record: Record


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """A payload that was opened for a person: its commitment ties it to the record that names it.

    `text` is null when the payload is not there; `expired` is the day before which payloads were taken away, when the
    trace is older than that.
    """

    kind: str
    commitment: str
    text: str | None
    expired: str | None = None


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """A turn, or an event of the control plane, from its first record to its last."""

    trace_id: str
    tenant: str
    intact: bool
    steps: tuple[Step, ...]
    others: tuple[str, ...] = ()
    payloads: tuple[Payload, ...] = ()


def find(tx: Transaction, name: str, tenant: str | None) -> tuple[tuple[str, str], ...]:
    """Return (tenant, trace id) of what is known under `name`, the best answer first.

    `name` is a trace id, the id of a response, a tool call, a decision, a release (`assistant@3`), a change, or the
    client's own W3C trace id. A trace's own id outranks every other use of it, since models and clients choose some of
    the others; then comes the organisation's log, oldest first (a release's publication), then turns, newest first.
    Of turns, one that has a record of this id (a decision) outranks those that only name it.
    Cost: two indexed look-ups for each log, and for an id of ours one more for each trace; three round trips in all.
    """
    name = storable(name)
    response = _RESPONSE.fullmatch(name)
    trace_id = "-".join(response.groups()) if response else name
    logs = [tenant] if tenant is not None else list(tables.logs(tx))
    places = [Place(log, trace_id) for log in logs]
    exact = [place for place, ids in zip(places, tables.record_ids_of_each(tx, places), strict=True) if ids]
    # An id of ours is used by others only after it was given; of such there may be any number.
    oldest = logs if _OURS.fullmatch(name) else [log for log in logs if log == ORGANIZATION]
    found = [
        *tables.first_traces_named(tx, oldest, name[:MAX_NAME]),
        *tables.traces_named(tx, [log for log in logs if log not in oldest], name[:MAX_NAME]),
    ]
    organization = [place for place in found if place.log == ORGANIZATION]
    turns = sorted((place for place in found if place.log != ORGANIZATION), key=_newest_first, reverse=True)
    return tuple(dict.fromkeys((*exact, *organization, *_of_record(tx, name, turns), *turns)))


def _newest_first(place: Place) -> str:
    return place.trace_id


def _of_record(tx: Transaction, name: str, turns: Sequence[Place]) -> list[Place]:
    """Return the turns of which a record has this id.

    Story: bolt's model calls a tool under the id of a decision that acme was told. Whoever looks acme's decision up
    would see bolt's turn, which is newer.
    """
    if _OURS.fullmatch(name) is None:
        return []
    return [place for place, ids in zip(turns, tables.record_ids_of_each(tx, turns), strict=True) if name in ids]


def last(tx: Transaction, tenant: str | None) -> tuple[str, str] | None:
    """Return (tenant, trace id) of the newest turn, or None before the first."""
    logs = [tenant] if tenant is not None else [log for log in tables.logs(tx) if log != ORGANIZATION]
    newest = max(tables.last_traces(tx, logs), key=lambda place: (place.trace_id, place.log), default=None)
    return None if newest is None else (newest.log, newest.trace_id)


def read(tx: Transaction, tenant: str, trace_id: str, others: tuple[str, ...] = ()) -> Trace:
    """Return a trace; `intact` is false when a stored record is not what its leaf hash was made of.

    Bytes that are no record any more are left out, so that whoever investigates still sees the others.
    """
    (found,) = read_each(tx, [Place(tenant, trace_id)])
    return msgspec.structs.replace(found, others=others)


def read_each(tx: Transaction, places: Sequence[Place]) -> list[Trace]:
    """Return several traces, each as `read` does; one round trip."""
    return [_trace(place, rows) for place, rows in zip(places, tables.records_of_traces(tx, places), strict=True)]


def _trace(place: Place, rows: tuple[tables.Stored, ...]) -> Trace:
    steps = tuple(step for row in rows if (step := _step(row)) is not None)
    intact = all(row.leaf_hash in {None, chain.leaf_hash(row.canonical)} for row in rows)
    return Trace(trace_id=place.trace_id, tenant=place.log, intact=intact, steps=steps)


def payloads(tx: Transaction, tenant: str, trace_id: str) -> tuple[tables.StoredPayload, ...]:
    """Return a trace's payloads, sealed."""
    tx.act_for(tenant)
    return tables.payloads_of_trace(tx, tenant, trace_id)


def missing(found: Trace, present: frozenset[str], before: str | None) -> tuple[Payload, ...]:
    """Return what a trace's records name and nobody has any more. Pure.

    `before` is the day before which payloads were taken away under retention (YYYY-MM-DD), None while none was.
    """
    day = partition.day_of_trace(found.trace_id)
    expired = before if before is not None and day is not None and partition.iso(day) < before else None
    named = {name: kind for step in found.steps for kind, name in (step.record.commitments or {}).items()}
    return tuple(
        Payload(kind=kind, commitment=name, text=None, expired=expired)
        for name, kind in named.items()
        if name not in present
    )


def _step(row: tables.Stored) -> Step | None:
    try:
        found = record.decode(row.canonical)
    except ValueError:
        return None
    leaf_hash = row.leaf_hash or chain.leaf_hash(row.canonical)
    return Step(position=row.position, leaf_hash=leaf_hash.hex(), record=found)
