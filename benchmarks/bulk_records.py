# SPDX-License-Identifier: Apache-2.0
"""Records by the million: turns of the gateway's own code, repeated with other ids, times, tenants, keys and releases.

Each record goes through the record encoder and gets its place in its tenant's chain, as the ledger does it. Payloads
are left out: a trace is found and read without them. The same seed gives the same tenants, keys, persons and releases.
"""

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from benchmarks.turn_records import TurnRecords

from customhouse.domain.clock import rfc3339
from customhouse.ledger import chain, record
from customhouse.ledger.partition import DAY_US
from customhouse.ledger.record import Record, Subject

TENANTS: Final = tuple(f"tenant-{n:02d}" for n in range(20))
KEYS, PERSONS, RELEASES = 6, 2000, 40
_NOISE_CHARACTERS: Final = 18
_POOL_BYTES: Final = 1 << 20

replace: Final = msgspec.structs.replace


class Row(NamedTuple):
    """One record with its place."""

    tenant: str
    position: int
    id: str
    trace_id: str
    kind: str
    canonical: bytes
    leaf_hash: bytes
    link_hash: bytes


class Turn(NamedTuple):
    """The rows of one turn, the names by which it is found, and one id of each kind for looking it up."""

    rows: list[Row]
    names: tuple[str, ...]
    ids: dict[str, str]


class _Step(NamedTuple):
    """One record of a template, with its ids as numbers: a turn gives each number an id."""

    record: Record
    own: int
    parents: tuple[int, ...]
    span: int | None


class Bulk:
    """The turns of some tenants. `heads` is where each of their chains stands."""

    def __init__(self, templates: Sequence[TurnRecords], tenants: Sequence[str], seed: int) -> None:
        """Number the ids of the templates, and draw keys and persons."""
        self._chance = random.Random(seed)  # noqa: S311 - repeatable data, no secret
        self._templates = [_steps(each) for each in templates]
        self._tenants = tuple(tenants)
        self._subjects = {tenant: _subjects(tenant) for tenant in tenants}
        self._releases = tuple(
            f"bench_bot@{n}" if n % 4 else f"bench_bot@{n}+prompt@{n - 1}" for n in range(1, RELEASES + 1)
        )
        self._pool, self._used = "", 0
        self.heads: dict[str, tuple[int, bytes]] = dict.fromkeys(tenants, (0, chain.GENESIS))

    def day(self, day: int, records: int) -> Iterator[Turn]:
        """Yield the turns of a day (days since 1970) until it has so many records, in the order of their times."""
        made, at_us = 0, day * DAY_US
        pause_us = DAY_US * 5 // max(records, 1)
        while made < records:
            turn = self._turn(at_us)
            made += len(turn.rows)
            at_us = min(at_us + pause_us, (day + 1) * DAY_US - 1_000_000)
            yield turn

    def _turn(self, at_us: int) -> Turn:
        chance = self._chance
        tenant = self._tenants[int(chance.random() * len(self._tenants))]
        subject = self._subjects[tenant][int(chance.random() * KEYS * PERSONS)]
        release = self._releases[int(chance.random() * RELEASES)]
        steps, numbers = self._templates[int(chance.random() * len(self._templates))]
        stamp = f"{at_us // 1000:012x}"
        prefix = f"{stamp[:8]}-{stamp[8:]}-7"
        trace_id = self._id(prefix)
        ids = [self._id(prefix) for _ in range(numbers)]
        found = {"trace": trace_id, "response": f"chatcmpl-{trace_id.replace('-', '')}", "release": release}
        found |= {"key": subject.key or "", "person": subject.on_behalf_of or ""}
        names = [release, found["key"], found["person"]]
        rows: list[Row] = []
        call_id: str | None = None
        size, link = self.heads[tenant]
        for step in steps:
            changed: dict[str, Any] = {
                "id": ids[step.own],
                "tenant": tenant,
                "trace_id": trace_id,
                "at": rfc3339(at_us),
                "release": release,
                "parents": tuple(ids[number] for number in step.parents),
            }
            if step.span is not None:
                changed["span_id"] = ids[step.span]
            if step.record.principal is not None:
                changed["principal"] = subject
            if step.record.tool is not None:
                if call_id is None:
                    call_id = found["tool call"] = f"call_{self._noise()}"
                    names.append(call_id)
                changed["tool"] = replace(step.record.tool, call_id=call_id)
            if step.record.kind == "tool.decided":
                found["decision"] = ids[step.own]
                names.append(ids[step.own])
            content = record.encode(replace(step.record, **changed))
            leaf = chain.leaf_hash(content)
            link = chain.link_hash(link, leaf)
            rows.append(Row(tenant, size, ids[step.own], trace_id, step.record.kind, content, leaf, link))
            size += 1
        self.heads[tenant] = (size, link)
        return Turn(rows, tuple(names), found)

    def _id(self, prefix: str) -> str:
        noise = self._noise()
        return f"{prefix}{noise[:3]}-8{noise[3:6]}-{noise[6:]}"

    def _noise(self) -> str:
        if self._used + _NOISE_CHARACTERS > len(self._pool):
            self._pool, self._used = os.urandom(_POOL_BYTES).hex(), 0
        first, self._used = self._used, self._used + _NOISE_CHARACTERS
        return self._pool[first : self._used]


def _subjects(tenant: str) -> tuple[Subject, ...]:
    return tuple(
        Subject(
            key=f"key_{tenant[-2:]}{key:010x}",
            environment="dev",
            on_behalf_of=f"user:{tenant[-2:]}{person}",
            assertion="asserted",
        )
        for person in range(PERSONS)
        for key in range(KEYS)
    )


def _steps(template: TurnRecords) -> tuple[tuple[_Step, ...], int]:
    entries = (*template.called, *template.completed)
    numbers: Mapping[str, int] = {entry.record.id: number for number, entry in enumerate(entries)}
    steps = tuple(
        _Step(
            entry.record,
            numbers[entry.record.id],
            tuple(numbers[parent] for parent in entry.record.parents),
            None if entry.record.span_id is None else numbers[entry.record.span_id],
        )
        for entry in entries
    )
    return steps, len(entries)
