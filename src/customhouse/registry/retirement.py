# SPDX-License-Identifier: Apache-2.0
"""Which deployments of a model version have retired: their provider no longer answers for them. Pure.

Rules kept, with the day as an argument, never read from a clock here:
- A deployment is retired from the day on that its `retires` names.
- A model version all of whose routed chat deployments have retired is no target: no promotion, no rollback goes to it
  (one without a chat route: all of its embedding deployments). A version with some left may be put into force, and
  those that have retired are named.
- What is in force stays in force, and a move that leaves the model plane alone is not stopped by it.

Story: release 7 asks only gpt-4o-mini, which retires on 14 January. On 13 January Ola can roll back to 7, and is told
that it has a day left; on the 14th the rollback names release 6 instead, whose model still answers.
"""

from datetime import date, timedelta
from typing import Final

import msgspec

from customhouse.domain.plane import Plane
from customhouse.planes.model.document import Deployment, Document
from customhouse.planes.model.embedding import embeds
from customhouse.registry.conflict import Conflict, routed

AHEAD: Final = timedelta(days=180)
"""How long before a model retires people are told: long enough to evaluate another one."""


class Retirement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One deployment that has retired or will soon; `days` are left, 0 or less when it has."""

    deployment: str
    retires: str
    days: int

    @property
    def text(self) -> str:
        """Return it as a phrase: `openai/mini retires on 2027-01-14, in 51 days`."""
        if self.days > 0:
            return f"{self.deployment} retires on {self.retires}, in {days(self.days)}"
        since = "today" if self.days == 0 else f"{days(-self.days)} ago"
        return f"{self.deployment} retired on {self.retires}, {since}"


def days(count: int) -> str:
    """Return a number of days in words."""
    return "1 day" if count == 1 else f"{count} days"


def retirements(document: Document, today: date) -> tuple[Retirement, ...]:
    """Return the routed deployments that have retired or will within AHEAD: chat, then embedding, in routing order."""
    found: list[Retirement] = []
    for deployment in (*routed(document), *routed(embeds(document))):
        retires = _day(deployment)
        if retires is not None and retires <= today + AHEAD:
            left = (retires - today).days
            found.append(Retirement(deployment=deployment.label, retires=retires.isoformat(), days=left))
    return tuple(found)


def retired(document: Document, today: date) -> tuple[Retirement, ...]:
    """Return the routed deployments that have retired, chat and embedding."""
    return tuple(found for found in retirements(document, today) if found.days <= 0)


def out_of_service(document: Document, today: date) -> bool:
    """Whether the version has a route and every deployment on it has retired."""
    reached = routed(document) or routed(embeds(document))
    ends = [_day(deployment) for deployment in reached]
    return bool(ends) and all(end is not None and end <= today for end in ends)


def retirement_conflict(document: Document, today: date) -> Conflict | None:
    """Return what stands against releasing a model version: one of its routed deployments has retired."""
    gone = retired(document, today)
    if not gone:
        return None
    text = f"the model plane asks what has retired: {'; '.join(found.text for found in gone)}"
    return Conflict(code="conflict.model_retired", text=text, planes=(Plane.MODEL,))


def day_problem(document: Document) -> str | None:
    """Return what is wrong with a date of retirement, or None: a day that cannot be read would never come."""
    for name, deployment in document.deployments.items():
        if deployment.retires is not None and _day(deployment) is None:
            return f"the deployment {name} retires on no day of the calendar like 2027-06-01"
    return None


def _day(deployment: Deployment) -> date | None:
    text = deployment.retires or ""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if found.isoformat() == text else None
