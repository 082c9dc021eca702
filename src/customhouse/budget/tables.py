# SPDX-License-Identifier: Apache-2.0
"""The SQL of counters: take them from everybody else, set them, look at them, forget them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from customhouse.budget.level import Counter, Level
from customhouse.budget.limit import Per
from customhouse.domain.errors import BudgetUnavailable
from customhouse.store.database import Row, Transaction, Value


class Place(NamedTuple):
    """A window of a tenant's, or of the organisation's."""

    tenant: str
    per: Per
    began_us: int


class Counted(NamedTuple):
    """One holder's counter as it is shown."""

    counter: Counter
    level: Level


def take(tx: Transaction, counters: Sequence[Counter]) -> dict[Counter, Level]:
    """Return where counters stand, and keep every other transaction from them until this one ends.

    In the order given, which must be everybody's: sorted. Cost on PostgreSQL: one round trip.
    """
    found = tx.rows_of_each("budget_take", [{**_key(each), "ends_us": each.ends_us} for each in counters])
    return {
        each: Level(*cast("tuple[int, int, int, int, int, int]", rows[0]))
        for each, rows in zip(counters, found, strict=True)
    }


def put(tx: Transaction, before: Mapping[Counter, Level], after: Mapping[Counter, Level]) -> None:
    """Set counters that were taken, by compare-and-set. Raises BudgetUnavailable; then nothing was changed."""
    changed = [each for each in before if before[each] != after[each]]
    found = tx.rows_of_each(
        "budget_set",
        [
            {
                **_key(each),
                "requests": after[each].requests,
                "tokens_spent": after[each].tokens_spent,
                "tokens_reserved": after[each].tokens_reserved,
                "microusd_spent": after[each].microusd_spent,
                "microusd_reserved": after[each].microusd_reserved,
                "expected_changes": before[each].changes,
            }
            for each in changed
        ],
    )
    if not all(found):
        raise BudgetUnavailable("another writer changed a counter inside this transaction; nothing was reserved")


def look(tx: Transaction, environment: str, assistant: str, places: Sequence[Place]) -> list[Counted]:
    """Return the counters of an assistant in these windows of these tenants, in each place the most used first.

    At most 100 for each place. Cost on PostgreSQL: one round trip.
    """
    asked = [
        {
            "tenant": place.tenant,
            "environment": environment,
            "assistant": assistant,
            "per": place.per,
            "began_us": place.began_us,
        }
        for place in places
    ]
    return [
        _counted(place.tenant, environment, assistant, row)
        for place, rows in zip(places, tx.rows_of_each("budget_look", asked), strict=True)
        for row in rows
    ]


def look_at(tx: Transaction, counters: Sequence[Counter]) -> dict[Counter, Level]:
    """Return where these counters stand, without keeping anybody from them; one that is not there is missing.

    Cost on PostgreSQL: one round trip.
    """
    found = tx.rows_of_each("budget_look_at", [_key(each) for each in counters])
    shown = (
        _counted(each.tenant, each.environment, each.assistant, row)
        for each, rows in zip(counters, found, strict=True)
        for row in rows
    )
    return {each.counter: each.level for each in shown}


def forget(tx: Transaction, before_us: int, limit: int) -> int:
    """Take away windows that ended before a moment, `limit` at most; return how many."""
    return tx.run("budget_forget", before_us=before_us, limit=limit)


def _key(counter: Counter) -> dict[str, Value]:
    return {
        "tenant": counter.tenant,
        "environment": counter.environment,
        "assistant": counter.assistant,
        "holder": counter.holder,
        "per": counter.per,
        "began_us": counter.began_us,
    }


def _counted(tenant: str, environment: str, assistant: str, row: Row) -> Counted:
    holder, per, began_us, ends_us, *level = cast("tuple[str, Per, int, int, int, int, int, int, int, int]", row)
    return Counted(Counter(tenant, environment, assistant, holder, per, began_us, ends_us), Level(*level))
