# SPDX-License-Identifier: Apache-2.0
"""What became of one turn, for those who watch: metrics, the access line, spans. It decides nothing.

Rules kept: filled from what the turn has anyway, which is its own evidence; so what is watched and what is recorded
cannot differ. Records hold no payloads. Whoever shows more than counts asks `snapshot` first which names are declared:
a record names the tool that a model chose.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from customhouse.ledger.record import Record
from customhouse.registry.snapshot import Snapshot

MAX_PARENT: Final = 55
"""Characters of a traceparent header, version 00 (W3C trace context, 3.2.2)."""
Outcome = Literal["answered", "fallback", "refused", "failed", "client_left"]
"""`refused`: an error before any model was asked. `failed`: an error after that."""


@dataclass(slots=True)
class Account:
    """One turn as far as it came. `snapshot` is None when its key was not recognised or nothing is in force.

    `status` 0: nothing was sent. `code` is the error that the client was told. `steps_us` has `total` too.
    """

    trace_id: str
    began_us: int
    parent: str = ""
    snapshot: Snapshot | None = None
    records: list[Record] = field(default_factory=list[Record])
    status: int = 0
    code: str | None = None
    left: bool = False
    steps_us: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def outcome(self) -> Outcome:
        """Return how the turn ended for its client."""
        if self.left:
            return "client_left"
        if self.code is not None:
            return "failed" if any(each.kind == "model.called" for each in self.records) else "refused"
        return "fallback" if self.records and self.records[-1].outcome == "fallback" else "answered"


Watch = Callable[[Account], None]
"""Is told of every turn when it has ended. It must not raise, wait, or keep more than a bound says."""


def unwatched(account: Account) -> None:
    """Watch nothing."""
    del account
