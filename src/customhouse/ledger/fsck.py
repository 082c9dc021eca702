# SPDX-License-Identifier: Apache-2.0
"""`customhouse fsck`: the whole database against itself, by code that has never written to it.

(1) every log: contiguous from 0, leaves, links, head, canonical bytes, its fields equal to its row's columns
(2) no record twice in a log; payloads that records name are there while their retention lasts
(3) ids lead to traces; open calls were called and have no outcome; what waits for a place does not wait for long
(4) documents and releases have their digests; what is pinned is what the history ends with
(5) on PostgreSQL: row security on every tenant's table and partition; exactly the expected rights, of functions too

Reads page by page, each in a transaction of its own, up to the heads that it found at the start: memory stays flat, no
old state is held for the server to keep, and turns go on meanwhile.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

import msgspec

from customhouse.domain.clock import Clock
from customhouse.ledger import fsck_log, fsck_openings, fsck_registry, fsck_rights, fsck_tables, partition, retention
from customhouse.ledger.fsck_log import Walk
from customhouse.store.database import Readable, Transaction

T = TypeVar("T")

PAGE: Final = 2000
"""Places of a log read at once: 16 MB at the very most."""
MAX_FINDINGS: Final = 200
"""Findings that are told; what is beyond is counted. A broken chain alone can be wrong at every place."""
STAGED_S: Final = 60
"""A record that waits longer than this for its place waits for a sequencer that does not work."""
_ADVICE: Final[Mapping[str, str]] = {
    "log": "keep this database as it is, compare it with a backup, and find out who wrote to it",
    "record": "keep this database as it is: the chain is whole, so this was written so, by a faulty or foreign writer",
    "payload": "look for it in a backup: a payload is never taken away before its retention ends",
    "reference": "the trace cannot be found by this id any more; look for who deleted records",
    "opening": "keep the file as it is for whoever investigates, and restore a backup",
    "open_call": "start the server whose call it is: it records the call as model.unknown",
    "staged": "start a server, or see its log for why the sequencer pauses",
    "registry": "no server loads it; promote a release that verifies, or restore the row from a backup",
    "rights": "run the statements of store/migrations for this table again, and find out who changed them",
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong, where, and what to do."""

    check: str
    where: str
    problem: str
    advice: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, and every finding up to MAX_FINDINGS; `more` were found besides."""

    sound: bool
    logs: int
    records: int
    staged: int
    seconds: float
    findings: tuple[Finding, ...]
    more: int


class _Findings:
    """Collects what is found, so that a database that is wrong everywhere does not fill the memory."""

    def __init__(self) -> None:
        self.told: list[Finding] = []
        self.count = 0

    def add(self, check: str, where: str, problem: str) -> None:
        self.count += 1
        if len(self.told) < MAX_FINDINGS:
            self.told.append(Finding(check=check, where=where, problem=problem, advice=_ADVICE[check]))

    def add_all(self, check: str, found: Iterable[tuple[str, str]]) -> None:
        for where, problem in found:
            self.add(check, where, problem)


Tell = Callable[[str], None]
"""Hears what is being looked at."""


async def check(database: Readable, clock: Clock, *, keep_days: int, shared: bool, tell: Tell) -> Report:
    """Check a database; `shared` is PostgreSQL, read as auditor. Raises StoreUnavailable when it cannot be read.

    Cost: one pass over all records, about 20,000 of them a second.
    """
    started, findings = time.monotonic(), _Findings()
    heads = await database.read(fsck_tables.heads)
    # Payloads of the day that is ending may go while we look.
    kept_from = partition.day_of_us(clock.now_us()) - keep_days + 1
    expired = await database.read(retention.expired_before)
    records = 0
    for number, head in enumerate(heads, start=1):
        tell(f"log {number} of {len(heads)}: {head.tenant}, {head.size} records")
        log = _Log(database, findings, head.tenant, kept_from, expired, shared=shared)
        records += await log.check(head)
    tell("what belongs to records")
    for tenant in await database.read(fsck_tables.headless):
        findings.add("log", f"log {tenant}", "the log has records and no head")
    for row in await database.read(fsck_tables.loose_references):
        findings.add("reference", f"log {row[0]}", f"{row[1]} leads to trace {row[2]}, which is not there")
    await _open_calls(database, findings)
    staged = await (_staged(database, findings, clock) if shared else _openings(database, findings))
    tell("documents, releases and pins")
    await _registry(database, findings)
    if shared:
        tell("row security and rights")
        await _rights(database, findings)
    return Report(
        sound=not findings.count,
        logs=len(heads),
        records=records,
        staged=staged,
        seconds=round(time.monotonic() - started, 3),
        findings=tuple(findings.told),
        more=findings.count - len(findings.told),
    )


class _Log:
    """Checks one log, a page at a time."""

    def __init__(
        self,
        database: Readable,
        findings: _Findings,
        tenant: str,
        kept_from: int,
        expired: str | None,
        *,
        shared: bool,
    ) -> None:
        self._database = database
        self._findings = findings
        self._tenant = tenant
        self._kept_from = kept_from
        self._expired = expired
        self._shared = shared

    async def check(self, head: fsck_tables.Head) -> int:
        """Check the log up to a head, and that nothing but its own head's records lies beyond; return how many."""
        walk = Walk(self._tenant)
        while walk.position < head.size:
            await self._database.read(lambda tx: self._page(tx, walk, min(walk.position + PAGE, head.size)))
        if walk.link != head.hash:
            self._add("log", "end", "the head does not name the last link")
        now, first, taken = await self._database.read(lambda tx: self._acting(tx, fsck_tables.end))
        if first < 0:
            self._add("log", f"position {first}", "records stand before the log's first place")
        if now is None or now.size < head.size:
            self._add("log", "end", f"the head went back from {head.size} while it was looked at")
        elif taken != now.size:
            self._add("log", "end", f"the head names {now.size} records, the last place taken is {taken - 1}")
        for row in await self._database.read(lambda tx: self._acting(tx, fsck_tables.doubles)):
            self._add("record", f"record {row[0]}", f"the record stands in the log {row[1]} times")
        return walk.position

    def _page(self, tx: Transaction, walk: Walk, end: int) -> None:
        tx.act_for(self._tenant)
        for wrong in fsck_log.read(walk, fsck_tables.page(tx, self._tenant, walk.position, end), end):
            self._add("log" if wrong.chain else "record", f"position {wrong.position}", wrong.problem)
        named, walk.named = [each for each in walk.named if self._kept(each.trace_id)], []
        if not named:
            return
        traces = {each.trace_id for each in named}
        there = fsck_tables.payloads(tx, self._tenant, traces, bounded=self._shared)
        for each in named:
            if (each.trace_id, each.commitment) not in there:
                self._add("payload", f"position {each.position}", f"its {each.kind} payload is not there")

    def _kept(self, trace_id: str) -> bool:
        day = partition.day_of_trace(trace_id)
        return day is None or (
            day >= self._kept_from and (self._expired is None or partition.iso(day) >= self._expired)
        )

    def _acting(self, tx: Transaction, query: Callable[[Transaction, str], T]) -> T:
        tx.act_for(self._tenant)
        return query(tx, self._tenant)

    def _add(self, check: str, place: str, problem: str) -> None:
        self._findings.add(check, f"log {self._tenant}, {place}", problem)


async def _open_calls(database: Readable, findings: _Findings) -> None:
    after = ("", "")
    while True:
        page = await database.read(lambda tx, after=after: _calls(tx, after))
        for (tenant, span, _), problem in page:
            if problem is not None:
                findings.add("open_call", f"log {tenant}, span {span}", problem)
        if not page:
            return
        after = page[-1][0][:2]


def _calls(tx: Transaction, after: tuple[str, str]) -> list[tuple[tuple[str, str, bytes], str | None]]:
    return [(call, _call_problem(tx, *call)) for call in fsck_tables.open_calls(tx, after)]


def _call_problem(tx: Transaction, tenant: str, span: str, content: bytes) -> str | None:
    """Return what is wrong with an open call, in the one state of the database that it was read from."""
    try:
        called = fsck_log.fields(content)
        records = [fsck_log.fields(each) for each in fsck_tables.trace(tx, tenant, str(called.get("trace_id")))]
    except (ValueError, TypeError) as error:
        return f"a record of the call cannot be read: {error}"
    kinds = {str(each.get("kind")) for each in records if each.get("span_id") == span}
    if "model.called" not in kinds:
        return "the log has no model.called record of this call"
    ended = sorted(kinds & {"model.answered", "model.failed", "model.unknown"})
    return f"the call is open, and its trace has {ended[0]}" if ended else None


async def _openings(database: Readable, findings: _Findings) -> int:
    after, count = ("", ""), 0
    while page := await database.read(lambda tx, after=after: _begun(tx, after)):
        for row, problems in page:
            findings.add_all("opening", ((f"log {row.tenant}, span {row.span_id}", each) for each in problems))
            count += row.records
        after = (page[-1][0].tenant, page[-1][0].span_id)
    return count


def _begun(tx: Transaction, after: tuple[str, str]) -> list[tuple[fsck_tables.Opening, list[str]]]:
    return [
        (row, list(fsck_openings.problems(row, fsck_tables.placed(tx, row.tenant, row.trace_id))))
        for row in fsck_tables.openings(tx, after)
    ]


async def _staged(database: Readable, findings: _Findings, clock: Clock) -> int:
    count, oldest = await database.read(fsck_tables.staged)
    born_us = None if oldest is None else partition.time_of_id_us(oldest)
    if born_us is not None and clock.now_us() - born_us > STAGED_S * 1_000_000:
        age_s = (clock.now_us() - born_us) // 1_000_000
        findings.add("staged", f"record {oldest}", f"{count} records wait for their places, the oldest for {age_s} s")
    for row in await database.read(fsck_tables.staged_twice):
        findings.add("record", f"log {row[0]}, record {row[1]}", "the record waits for a place, and has one")
    return count


async def _registry(database: Readable, findings: _Findings) -> None:
    known: set[tuple[str, str, str]] = set()
    version = ("", "", "")
    while documents := await database.read(lambda tx, after=version: fsck_tables.versions(tx, after)):
        for assistant, plane, stored, document in documents:
            known.add((assistant, plane, stored))
            if fsck_registry.digest(document) != stored:
                findings.add("registry", f"{plane} version {stored} of {assistant}", "the document was changed")
        version = documents[-1][:3]
    release, versions = ("", 0), frozenset(known)
    while found := await database.read(lambda tx, after=release: fsck_tables.releases(tx, after)):
        for assistant, number, stored, statement in found:
            problems = fsck_registry.release_problems(assistant, number, stored, statement, versions)
            findings.add_all("registry", ((f"release {assistant}@{number}", each) for each in problems))
        release = found[-1][:2]
    rows, events = await database.read(lambda tx: (fsck_tables.pins(tx), fsck_tables.newest_events(tx)))
    for (environment, assistant), problem in fsck_registry.pin_problems(rows, events):
        findings.add("registry", f"pins of {assistant} in {environment}", problem)


async def _rights(database: Readable, findings: _Findings) -> None:
    def work(tx: Transaction) -> None:
        findings.add_all("rights", fsck_rights.security_problems(fsck_tables.row_security(tx)))
        findings.add_all("rights", fsck_rights.policy_problems(fsck_tables.policies(tx)))
        findings.add_all("rights", fsck_rights.grant_problems(fsck_tables.grants(tx)))
        findings.add_all("rights", fsck_rights.role_problems(fsck_tables.roles(tx)))

    await database.read(work)
