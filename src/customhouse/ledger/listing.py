# SPDX-License-Identifier: Apache-2.0
"""The newest traces of a release, a key or a person: what a question about them begins with.

Rule kept: a trace is listed only when one of its records names what was asked for. Models and clients choose some of
the ids by which traces are found. Story: a model names its tool call `ola@acme.test`; Ola's list leaves that turn out.
"""

from itertools import islice
from typing import Final, Literal

import msgspec

from customhouse.ledger import tables, trace
from customhouse.ledger.record import ORGANIZATION, Record
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
    name = tables.storable(name)
    places: list[tuple[str, str]] = []
    for log in [tenant] if tenant is not None else tables.logs(tx):
        tx.act_for(log)
        places += [(found, log) for found in tables.traces_named(tx, log, name[: trace.MAX_NAME])]
    places.sort(reverse=True)
    # What only calls a tool by this name is left out before the list is cut: nobody's calls push others' traces off it.
    listed = (_listed(trace.read(tx, log, found), by, name) for found, log in places)
    return TraceList(traces=tuple(islice((each for each in listed if each is not None), MAX_LISTED)))


def _listed(found: trace.Trace, by: By, name: str) -> ListedTrace | None:
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
