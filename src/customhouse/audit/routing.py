# SPDX-License-Identifier: Apache-2.0
"""Who was sent data of a class: folded from `model.called` records, each written before its call left. Pure.

Rules kept:
- A record counts whether or not its call was answered: what is sent cannot be taken back.
- What a record does not say is counted as unknown, never as harmless: records of older versions name no class.
- A record whose bytes are not those of its leaf proves nothing; it is counted by itself.
- Turns that went on without evidence left no record: declared gaps within the time are part of the answer.

Story: an auditor asks who was sent confidential data since the first. Two providers, she reads, with counts and traces;
and that from 3:10 to 3:25 on the ninth 40 records are missing, for which nobody can say.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from customhouse.domain.label import Classification, classification
from customhouse.ledger import chain
from customhouse.ledger.record import ModelFacts

EXAMPLES: Final = 3
"""Traces named for each destination: enough to look at, few enough to read."""
MAX_DESTINATIONS: Final = 1000
"""Destinations told apart; a release may name any deployment, so somebody could make them many."""


class Question(NamedTuple):
    """What is asked: data of a class or a higher one, from `since` (included) to `until`, RFC 3339 UTC."""

    classification: Classification
    since: str
    until: str
    tenant: str | None = None
    assistant: str | None = None


class Found(NamedTuple):
    """A stored `model.called` record. Without a place in its log yet, it has no leaf hash."""

    trace_id: str
    canonical: bytes
    leaf_hash: bytes | None


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment that was sent such data: how often, of which classes, first, last, and some of the traces."""

    provider: str
    deployment: str
    region: str | None
    calls: int
    classes: dict[str, int]
    first: str
    last: str
    traces: tuple[str, ...]


class MissingRecords(msgspec.Struct, frozen=True, kw_only=True):
    """A declared gap within the time: so many records are missing, of any kind."""

    since: str
    until: str
    reason: str
    count: int
    at_least: bool


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. `proven` is false when anything stands in `unknown`, `altered`, `gaps` or `pending`.

    `unknown` are calls whose record names no class. `pending` are replicas that may keep evidence on their own disks.
    `uncounted` are calls beyond the number of destinations that are told apart.
    """

    classification: str
    since: str
    until: str
    tenant: str | None
    assistant: str | None
    proven: bool
    calls: int
    destinations: tuple[Destination, ...]
    unknown: tuple[Destination, ...]
    altered: int
    altered_traces: tuple[str, ...]
    gaps: tuple[MissingRecords, ...]
    pending: tuple[str, ...]
    uncounted: int


class _Detail(msgspec.Struct, frozen=True):
    classification: str | None = None


class _Called(msgspec.Struct, frozen=True):
    """What is read of a `model.called` record."""

    at: str
    model: ModelFacts
    assistant: str | None = None
    detail: _Detail | None = None


_decode = msgspec.json.Decoder(_Called).decode


@dataclass(slots=True)
class _Tally:
    """One destination while it is counted."""

    calls: int = 0
    classes: dict[str, int] = field(default_factory=dict[str, int])
    first: str = ""
    last: str = ""
    traces: list[str] = field(default_factory=list[str])

    def add(self, called: _Called, level: str, trace_id: str) -> None:
        self.calls += 1
        self.classes[level] = self.classes.get(level, 0) + 1
        self.first = min(self.first or called.at, called.at)
        self.last = max(self.last, called.at)
        if len(self.traces) < EXAMPLES and trace_id not in self.traces:
            self.traces.append(trace_id)


_Key = tuple[str, str, str | None]


@dataclass(slots=True)
class Fold:
    """The answer while records are read, a page at a time. Its size is bounded, however many records there are."""

    question: Question
    known: dict[_Key, _Tally] = field(default_factory=dict[_Key, _Tally])
    unknown: dict[_Key, _Tally] = field(default_factory=dict[_Key, _Tally])
    calls: int = 0
    altered: int = 0
    altered_traces: list[str] = field(default_factory=list[str])
    uncounted: int = 0

    def add(self, records: Iterable[Found]) -> None:
        """Count a page of `model.called` records."""
        for found in records:
            try:
                called = _decode(found.canonical)
            except msgspec.MsgspecError:
                self.alter(found)
                continue
            if found.leaf_hash is not None and chain.leaf_hash(found.canonical) != found.leaf_hash:
                self.alter(found)
                continue
            if self._asked(called):
                self._count(called, found.trace_id)

    def alter(self, found: Found) -> None:
        """Count a record that is not what was written, whatever it says."""
        self.altered += 1
        if len(self.altered_traces) < EXAMPLES and found.trace_id not in self.altered_traces:
            self.altered_traces.append(found.trace_id)

    def answer(self, gaps: Iterable[MissingRecords], pending: Iterable[str]) -> Routing:
        """Return the answer, most calls first."""
        question, missing, waiting = self.question, tuple(gaps), tuple(pending)
        return Routing(
            classification=question.classification.label,
            since=question.since,
            until=question.until,
            tenant=question.tenant,
            assistant=question.assistant,
            proven=not (self.unknown or self.altered or missing or waiting or self.uncounted),
            calls=self.calls,
            destinations=_told(self.known),
            unknown=_told(self.unknown),
            altered=self.altered,
            altered_traces=tuple(self.altered_traces),
            gaps=missing,
            pending=waiting,
            uncounted=self.uncounted,
        )

    def _asked(self, called: _Called) -> bool:
        question = self.question
        return question.since <= called.at < question.until and question.assistant in {None, called.assistant}

    def _count(self, called: _Called, trace_id: str) -> None:
        self.calls += 1
        named = called.detail.classification if called.detail else None
        level = None if named is None else classification(named)
        if level is not None and level < self.question.classification:
            return
        side = self.unknown if level is None else self.known
        model = called.model
        key = (model.provider, model.deployment, model.region)
        if key not in side and len(self.known) + len(self.unknown) >= MAX_DESTINATIONS:
            self.uncounted += 1
            return
        label = "unknown" if level is None else level.label
        side.setdefault(key, _Tally()).add(called, label, trace_id)


def _told(tallies: dict[_Key, _Tally]) -> tuple[Destination, ...]:
    found = (
        Destination(
            provider=provider,
            deployment=deployment,
            region=region,
            calls=tally.calls,
            classes=dict(sorted(tally.classes.items())),
            first=tally.first,
            last=tally.last,
            traces=tuple(tally.traces),
        )
        for (provider, deployment, region), tally in tallies.items()
    )
    return tuple(sorted(found, key=lambda each: (-each.calls, each.deployment, each.region or "")))
