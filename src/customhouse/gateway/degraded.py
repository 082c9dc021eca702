# SPDX-License-Identifier: Apache-2.0
"""What a turn may still do while this replica is cut off: tools that read, at most. Pure.

Story: the database is down, and Lee asks the support bot, which is declared `open`, about a refund. The model is shown
get_order_status and not issue_refund, so Lee learns where his order is, without evidence. A turn that was shown
issue_refund a second earlier, when nobody knew yet, is refused instead: a write without evidence never happens.
"""

from collections.abc import Iterable
from typing import Final

from customhouse.domain.failure_mode import FailureMode
from customhouse.planes.tools.document import Document, Grant
from customhouse.planes.tools.unregistered import granted

REASON: Final = "ledger.degraded"
STALE: Final = "replica.stale"
"""The reason of a replica that could not confirm for too long what is in force (gateway/in_force.py)."""


def narrowed(declared: FailureMode, *, down: bool) -> str | None:
    """Return the reason for which a turn gets read tools only, or None when it gets what the policy grants."""
    return REASON if down and declared == "open" else None


def mode(declared: FailureMode, tools: Document, offered: Iterable[str]) -> FailureMode:
    """Return what the turn's evidence does when the database fails: `open` only where every tool offered reads."""
    if declared == "open" and not all(reads(granted(tools, name)) for name in offered):
        return "closed"
    return declared


def reads(grant: Grant | None) -> bool:
    """Whether a tool is declared to change nothing."""
    return grant is not None and grant.effect == "read"
