# SPDX-License-Identifier: Apache-2.0
"""The states of an approval: a person's answer to one held tool call. Pure; the machine is the table below.

Rules kept (invariant 7):
- Only `approved` can be consumed, and what is consumed is final: one call is released once.
- One denial ends it. Whoever approved may take that back until the call is released, and that ends it too.
- Nothing leads back: what has ended is asked for again, under another id.

Story: the bot of acme wants to refund order 7. Two of the group refunds must agree. Ola approves (`sign`), Ben approves
(`complete`), and the client's next request releases the call (`consume`). Had Ben said no, Ola's yes would be worth
nothing; had both said yes and nobody come back within the quarter of an hour, it would have expired.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

ApprovalState = Literal["requested", "approved", "denied", "expired", "revoked", "consumed"]
ApprovalEvent = Literal["sign", "complete", "deny", "expire", "revoke", "consume"]

MACHINE: Final[Mapping[ApprovalState, Mapping[ApprovalEvent, ApprovalState]]] = MappingProxyType(
    {
        "requested": MappingProxyType(
            {
                "sign": "requested",
                "complete": "approved",
                "deny": "denied",
                "expire": "expired",
                "revoke": "revoked",
            }
        ),
        "approved": MappingProxyType({"consume": "consumed", "expire": "expired", "revoke": "revoked"}),
        "denied": MappingProxyType({}),
        "expired": MappingProxyType({}),
        "revoked": MappingProxyType({}),
        "consumed": MappingProxyType({}),
    }
)
"""`sign` is one yes of several that are needed, `complete` the last one. The docs' diagram is made from this."""


def step(state: ApprovalState, event: ApprovalEvent) -> ApprovalState | None:
    """Return the next state, or None when the event is impossible in this state."""
    return MACHINE[state].get(event)


def signed(approvals: int, quorum: int) -> ApprovalEvent:
    """Return which event the newest yes is, when `approvals` people who may approve have said yes with it."""
    return "complete" if approvals >= max(quorum, 1) else "sign"
