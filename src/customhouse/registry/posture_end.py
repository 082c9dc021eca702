# SPDX-License-Identifier: Apache-2.0
"""When the posture of a model version ends, told ahead: from then on nothing of it leaves for providers outside. Pure.

Story: the shop bot is hybrid until the end of June. From May on `status` says so, with the deployments that it will not
ask any more. Nobody renewed it, so on the first of July it answers from home alone; `status` says that, too.
"""

from datetime import date, timedelta
from typing import Final

import msgspec

from customhouse.planes.model.document import Document
from customhouse.planes.model.embedding import embeds
from customhouse.planes.model.select import OUTSIDE
from customhouse.registry.conflict import routed

AHEAD: Final = timedelta(days=60)
"""How long before a posture ends people are told: long enough to renew it, with a second person, or to leave it."""


class PostureEnd(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The last day of a posture, how many `days` are left (below 0: it has ended), and who is not asked after it."""

    until: str
    days: int
    leaving: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return it as a phrase."""
        names = ", ".join(self.leaving)
        if self.days < 0:
            return f"the posture ended on {self.until}: {names} not asked any more"
        return f"the posture ends on {self.until}, in {self.days} days: then {names} not asked any more"


def posture_end(document: Document, today: date) -> PostureEnd | None:
    """Return the end of a posture that has come or will within AHEAD, where anything leaves; otherwise None."""
    until = document.posture.until
    asked = (*routed(document), *routed(embeds(document)))
    leaving = tuple(dict.fromkeys(each.label for each in asked if each.posture in OUTSIDE))
    if until is None or not leaving:
        return None
    last = date.fromisoformat(until)
    if last - today > AHEAD:
        return None
    return PostureEnd(until=last.isoformat(), days=(last - today).days, leaving=leaving)
