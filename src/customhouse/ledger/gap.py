# SPDX-License-Identifier: Apache-2.0
"""Gaps: what evidence is missing, since when and how much of it, counted while it happens and declared afterwards.

Each tenant's own log says how many of its records are missing; the organisation's says the sum, and names no tenant.
The ids of these records are fixed when the gap begins, so that a declaration made twice is written once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from customhouse.domain.clock import Clock, rfc3339
from customhouse.ledger.entry import Entry, Leaf
from customhouse.ledger.mark import Gap, Skipped
from customhouse.ledger.record import ORGANIZATION, Detail, Record

LOST: Final = frozenset({"spool.altered", "spool.missing", "spool.mark_altered"})
"""Reasons of a gap in what the spool held; the others are reasons for which turns went on without evidence."""


@dataclass(slots=True)
class Tally:
    """The gap that is open now. `noted` are the tenants of whom the mark on disk knows."""

    id: str
    record: str
    since_us: int
    reason: str
    counts: dict[str, Skipped] = field(default_factory=dict[str, Skipped])
    noted: set[str] = field(default_factory=set[str])

    @property
    def total(self) -> int:
        """Return how many records are missing."""
        return sum(skipped.count for skipped in self.counts.values())

    def add(self, leaves: Sequence[Leaf], clock: Clock) -> bool:
        """Count records that are skipped; return whether the mark must be written before the turn goes on.

        It must at a tenant's first record, and again whenever its count has doubled: so a crash declares at least half.
        """
        urgent = False
        for leaf in leaves:
            tenant = leaf.entry.record.tenant
            before = self.counts.get(tenant) or Skipped(clock.uuid7(), 0)
            count = before.count + 1
            self.counts[tenant] = Skipped(before.record, count)
            urgent |= tenant not in self.noted or count & (count - 1) == 0
        return urgent

    def take_back(self, leaves: Sequence[Leaf]) -> None:
        """Uncount records of a turn that was refused after all."""
        for leaf in leaves:
            tenant = leaf.entry.record.tenant
            self.counts[tenant] = Skipped(self.counts[tenant].record, self.counts[tenant].count - 1)

    def gap(self) -> Gap:
        """Return it as it stands now."""
        return Gap(self.id, self.record, self.since_us, self.reason, dict(self.counts))


def begun(clock: Clock, reason: str) -> Tally:
    """Return a gap that begins now."""
    return Tally(clock.uuid7(), clock.uuid7(), clock.now_us(), reason)


def declaration(gap: Gap, until_us: int, *, exact: bool) -> tuple[Entry, ...]:
    """Return the records that declare a gap: one for each tenant, and the organisation's with the sum."""
    tenants = {tenant: skipped for tenant, skipped in gap.tenants.items() if skipped.count or gap.reason in LOST}
    total = sum(skipped.count for skipped in tenants.values())
    if not tenants:
        return ()
    entries = [
        _entry(gap, tenant, skipped.record, until_us, _counted(skipped.count, exact=exact))
        for tenant, skipped in tenants.items()
        if tenant != ORGANIZATION
    ]
    counted = {**_counted(total, exact=exact), "tenants": len(entries)}
    return (*entries, _entry(gap, ORGANIZATION, gap.record, until_us, counted))


def refusals(gap: Gap, until_us: int, refused: int) -> Entry:
    """Return the record which says that turns were refused, unrecorded, because evidence could not be written."""
    return _entry(gap, ORGANIZATION, gap.record, until_us, {"count": 0, "refused": refused})


def _counted(count: int, *, exact: bool) -> Detail:
    return {"count": count} if exact else {"count": count, "at_least": True}


def _entry(gap: Gap, tenant: str, record_id: str, until_us: int, counted: Detail) -> Entry:
    detail: Detail = {"from": rfc3339(gap.since_us), "to": rfc3339(until_us), "reason": gap.reason, **counted}
    return Entry(
        Record(
            v=1,
            id=record_id,
            tenant=tenant,
            trace_id=gap.id,
            kind="gap.declared",
            at=rfc3339(until_us),
            outcome="declared",
            detail=detail,
        )
    )
