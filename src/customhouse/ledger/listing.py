# SPDX-License-Identifier: Apache-2.0
"""The newest traces of a release, a key or a person: what a question about them begins with.

Rule kept: a trace is listed only when one of its records names what was asked for. Models and clients choose some of
the ids by which traces are found. Story: a model names its tool call `ola@acme.test`; Ola's list leaves that turn out.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, Literal

import msgspec

from customhouse.ledger import tables, trace
from customhouse.ledger.entry import storable
from customhouse.ledger.record import ORGANIZATION, Record
from customhouse.ledger.tables import Place
from customhouse.ledger.trace import Trace
from customhouse.store.database import Transaction

By = Literal["release", "key", "person"]
MAX_LISTED: Final = 20
"""Traces of a list at most, as many as one name leads to in each log."""


class ListedTrace(msgspec.Struct, frozen=True, kw_only=True):
    """One trace of a list: how it began, and how it ended where it did."""

    trace_id: str
    tenant: str
    at: str
    kind: str
    assistant: str | None
    release: str | None
    outcome: str | None


class TraceList(msgspec.Struct, frozen=True, kw_only=True):
    """The newest traces of a release, a key or a person, newest first."""

    traces: tuple[ListedTrace, ...]


def newest(tx: Transaction, by: By, name: str, tenant: str | None) -> TraceList:
    """Return the newest traces, 20 at most. Cost: one look-up for each log, one for each trace that it leads to."""
    name = storable(name)
    logs = [tenant] if tenant is not None else tables.logs(tx)
    found = tables.traces_named(tx, logs, name[: trace.MAX_NAME])
    places = sorted(found, key=lambda place: (place.trace_id, place.log), reverse=True)
    # What only calls a tool by this name is left out before the list is cut: nobody's calls push others' traces off it.
    listed = (_listed(each, by, name) for each in _read(tx, places))
    return TraceList(traces=tuple(islice((each for each in listed if each is not None), MAX_LISTED)))


def _read(tx: Transaction, places: Sequence[Place]) -> Iterator[Trace]:
    """Yield traces, read as many at a time as a list holds."""
    for first in range(0, len(places), MAX_LISTED):
        yield from trace.read_each(tx, places[first : first + MAX_LISTED])


def _listed(found: Trace, by: By, name: str) -> ListedTrace | None:
    records = [step.record for step in found.steps]
    if not records or not any(_names(record, by, name) for record in records):
        return None
    return ListedTrace(
        trace_id=found.trace_id,
        tenant=found.tenant,
        at=records[0].at,
        kind=records[0].kind,
        assistant=records[0].assistant,
        release=records[0].release,
        outcome=records[-1].outcome,
    )


def _names(record: Record, by: By, name: str) -> bool:
    subject = record.principal
    match by:
        case "release":  # the organisation's log says it in detail, under names that nobody outside chooses
            return record.release == name or record.tenant == ORGANIZATION
        case "key":
            return record.tenant == ORGANIZATION or (subject is not None and subject.key == name)
        case "person":
            return subject is not None and name in {subject.on_behalf_of, subject.actor}
